/**
 * The bytes of device-mapper's messages, against the offsets of linux/dm-ioctl.h and answers made by hand.
 */
import { describe, expect, it } from 'vitest';
import {
  decodeDependencies,
  decodeDevice,
  decodeList,
  decodeTable,
  decodeVersion,
  dmFlag,
  encodeMessage,
  encodeTable,
  headerBytes,
} from '../../../native/device-mapper-message.ts';

const targets = [
  { startSector: 0, sectorCount: 2048, type: 'linear', parameters: '8:16 0' },
  { startSector: 2048, sectorCount: 8, type: 'error', parameters: '' },
  { startSector: 2056, sectorCount: 4, type: 'striped', parameters: '1 8 8:16 4096' },
];

function viewOf(message: Uint8Array): DataView {
  return new DataView(message.buffer);
}

/** What DM_TABLE_STATUS makes of a table: the same entries, with distances from the first one. */
function answerWith(message: Uint8Array): Uint8Array {
  const view = viewOf(message);
  let offset = headerBytes;
  for (let entry = 0; entry < targets.length; entry += 1) {
    const next = offset + view.getUint32(offset + 20, true);
    view.setUint32(offset + 20, next - headerBytes, true);
    offset = next;
  }
  return message;
}

describe('a message', () => {
  it('states its interface, its length and where its data begins', () => {
    const view = viewOf(encodeMessage({ name: 'a', answerBytes: 100 }));
    expect([0, 4, 8].map((offset) => view.getUint32(offset, true))).toEqual([4, 0, 0]);
    expect(view.getUint32(12, true)).toBe(headerBytes + 104);
    expect(view.getUint32(16, true)).toBe(headerBytes);
  });

  it('carries name, uuid, flags and cookie', () => {
    const flags = dmFlag.suspend | dmFlag.noFlush | dmFlag.skipLockfs;
    const message = encodeMessage({ name: 'vg-lv', uuid: 'LVM-1', flags, cookie: 0x400007 });
    expect(decodeDevice(message)).toMatchObject({ name: 'vg-lv', uuid: 'LVM-1', eventNumber: 0x400007 });
    expect(viewOf(message).getUint32(28, true)).toBe(0x2 | 0x800 | 0x400);
  });

  it.each([
    ['a name that is too long', { name: 'n'.repeat(128) }],
    ['a uuid that is too long', { uuid: 'u'.repeat(129) }],
    ['a zero in a name', { name: 'a\0b' }],
  ])('is refused with %s', (_, options) => {
    expect(() => encodeMessage(options)).toThrow(/device-mapper/);
  });

  it('keeps a name of the greatest length', () => {
    expect(decodeDevice(encodeMessage({ name: 'n'.repeat(127) })).name).toBe('n'.repeat(127));
  });
});

describe('a table', () => {
  it('is laid out in aligned entries, each telling how far the next one is', () => {
    const view = viewOf(encodeTable({ name: 'a' }, targets));
    expect(view.getUint32(20, true)).toBe(3);
    expect(view.getUint32(headerBytes + 20, true)).toBe(48);
    expect(view.getBigUint64(headerBytes + 48, true)).toBe(2048n);
  });

  it('is read from an answer, whose distances are from the first entry', () => {
    expect(decodeTable(answerWith(encodeTable({ name: 'a' }, targets)))).toEqual(targets);
  });

  it('is refused with a target name that is too long', () => {
    const target = { startSector: 0, sectorCount: 8, type: 't'.repeat(16), parameters: '' };
    expect(() => encodeTable({ name: 'a' }, [target])).toThrow('too long');
  });
});

describe('an answer', () => {
  it('tells the state of a device by its flags', () => {
    const flags = dmFlag.suspend | dmFlag.activePresent | dmFlag.inactivePresent;
    expect(decodeDevice(encodeMessage({ flags }))).toMatchObject({
      isSuspended: true,
      isReadOnly: false,
      hasActiveTable: true,
      hasInactiveTable: true,
      isRemovedAtLastClose: false,
    });
  });

  it('tells the version', () => {
    expect(decodeVersion(encodeMessage({}))).toBe('4.0.0');
  });

  it('tells the devices that a table uses', () => {
    const answer = encodeMessage({ answerBytes: 24 });
    viewOf(answer).setUint32(headerBytes, 2, true);
    viewOf(answer).setBigUint64(headerBytes + 8, 0x810n, true);
    viewOf(answer).setBigUint64(headerBytes + 16, 0xfd00n, true);
    expect(decodeDependencies(answer)).toEqual([0x810n, 0xfd00n]);
  });

  it('lists devices up to the last one', () => {
    const answer = encodeMessage({ answerBytes: 64 });
    const put = (offset: number, device: bigint, options: { next: number; name: string }): void => {
      viewOf(answer).setBigUint64(offset, device, true);
      viewOf(answer).setUint32(offset + 8, options.next, true);
      answer.set(Buffer.from(`${options.name}\0`), offset + 12);
    };
    put(headerBytes, 0xfd00n, { next: 32, name: 'one' });
    put(headerBytes + 32, 0xfd01n, { next: 0, name: 'another' });
    expect(decodeList(answer)).toEqual([
      { name: 'one', deviceNumber: 0xfd00n },
      { name: 'another', deviceNumber: 0xfd01n },
    ]);
  });

  it('lists nothing where there are no devices', () => {
    expect(decodeList(encodeMessage({ answerBytes: 64 }))).toEqual([]);
    expect(decodeList(encodeMessage({}))).toEqual([]);
  });
});
