/** The bytes of generic netlink messages, against the layouts of linux/netlink.h and answers made by hand. */
import { describe, expect, it } from 'vitest';
import {
  attributeOf,
  decodeAnswer,
  decodeAttributes,
  encodeRequest,
} from '../../../native/netlink-message.ts';

const request = { family: 29, command: 3, version: 1 };

describe('a request', () => {
  it('states its length, its family, that it wants to be acknowledged, and its command', () => {
    const bytes = Buffer.from(encodeRequest({ ...request, attributes: [] }));
    expect(bytes.toString('hex')).toBe('14000000' + '1d00' + '0500' + '00000000' + '00000000' + '03010000');
  });

  it('carries numbers and text, each padded to four bytes', () => {
    const attributes = [
      { type: 1, value: { u32: 7 } },
      { type: 2, value: { u64: 2 ** 40 } },
      { type: 10, value: { text: 'job' } },
      { type: 11, value: { text: 'jobs' } },
    ];
    const body = Buffer.from(encodeRequest({ ...request, attributes })).subarray(20);
    expect(body.toString('hex')).toBe(
      '08000100' +
        '07000000' +
        '0c000200' +
        '0000000000010000' +
        '08000a00' +
        '6a6f6200' +
        '09000b00' +
        '6a6f627300000000',
    );
  });

  it('carries attributes within attributes, and says so', () => {
    const socket = { type: 1, value: { nested: [{ type: 1, value: { u32: 9 } }] } };
    const bytes = encodeRequest({ ...request, attributes: [{ type: 7, value: { nested: [socket] } }] });
    const body = Buffer.from(bytes).subarray(20);
    expect(body.toString('hex')).toBe('10000780' + '0c000180' + '08000100' + '09000000');
  });
});

describe('an answer', () => {
  it('is read as it was written, message by message', () => {
    const attributes = [{ type: 9, value: { nested: [{ type: 1, value: { u32: 5 } }] } }];
    const once = encodeRequest({ ...request, attributes });
    const found = decodeAnswer(Buffer.concat([once, once]));
    expect(found.map(({ type }) => type)).toEqual([9, 9]);
    expect(attributeOf(decodeAttributes(attributeOf(found, 9)), 1).readUInt32LE()).toBe(5);
  });

  it('is refused when it is cut off, or lacks what was asked for', () => {
    const whole = encodeRequest({ ...request, attributes: [{ type: 1, value: { u64: 1 } }] });
    expect(() => decodeAnswer(whole.subarray(0, whole.length - 4))).toThrow(/cut off/);
    expect(() => decodeAttributes(Buffer.from('02000100', 'hex'))).toThrow(/cut off/);
    expect(() => attributeOf(decodeAnswer(whole), 2)).toThrow(/no attribute 2/);
  });
});
