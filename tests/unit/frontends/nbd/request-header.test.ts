import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CommandTable } from '../../../../app/frontends/nbd/command-table.ts';
import {
  readRequestHeader,
  refusalOf,
  requestHeaderBytes,
} from '../../../../app/frontends/nbd/request-header.ts';

const device = { sizeBytes: 2 ** 40 + 4096, logicalBlockBytes: 4096 };
const mebibyte = 2 ** 20;
const errors = { none: 0, invalid: 22, noSpace: 28, overflow: 75 };
const flag = { fua: 1, noHole: 2, dontFragment: 4, fastZero: 16 };

interface Header {
  readonly magic?: number;
  readonly flags?: number;
  readonly type: number;
  readonly cookie?: bigint;
  readonly offset?: bigint | number;
  readonly length?: number;
}

function encode({
  magic = 0x25609513,
  flags = 0,
  type,
  cookie = 7n,
  offset = 0,
  length = 4096,
}: Header): DataView {
  const view = new DataView(new ArrayBuffer(requestHeaderBytes + 3));
  view.setUint32(3, magic);
  view.setUint16(7, flags);
  view.setUint16(9, type);
  view.setBigUint64(11, cookie);
  view.setBigUint64(19, BigInt(offset));
  view.setUint32(27, length);
  return view;
}

/** Headers lie at any offset: here at 3. */
function read(header: Header): { commands: CommandTable; command: number; isRequest: boolean } {
  const commands = new CommandTable(4);
  const command = commands.claim(2);
  const isRequest = readRequestHeader(encode(header), 3, commands, command);
  return { commands, command, isRequest };
}

function refusal(header: Header): number {
  const { commands, command } = read(header);
  return refusalOf(commands, command, device);
}

describe('a request header', () => {
  it('is read field by field', () => {
    const { commands, command, isRequest } = read({
      type: 1,
      flags: flag.fua,
      cookie: 0xfedcba9876543210n,
      offset: 2 ** 40,
      length: 8192,
    });
    expect(isRequest).toBe(true);
    expect(commands.connection[command]).toBe(2);
    expect(commands.type[command]).toBe(1);
    expect(commands.flags[command]).toBe(flag.fua);
    expect(commands.positionBytes[command]).toBe(2 ** 40);
    expect(commands.remainingBytes[command]).toBe(8192);
    expect(BigInt.asUintN(32, BigInt(commands.cookieHigh[command] ?? 0))).toBe(0xfedcba98n);
    expect(BigInt.asUintN(32, BigInt(commands.cookieLow[command] ?? 0))).toBe(0x76543210n);
  });

  it('with another magic is none', () => {
    expect(read({ type: 0, magic: 0x25609514 }).isRequest).toBe(false);
    expect(read({ type: 0, magic: 0 }).isRequest).toBe(false);
  });
});

describe('a request', () => {
  it.each([
    ['read', { type: 0 }],
    ['write', { type: 1 }],
    ['write with FUA', { type: 1, flags: flag.fua }],
    ['read with FUA, which some clients set everywhere', { type: 0, flags: flag.fua }],
    ['read of all that a request may carry', { type: 0, length: 32 * mebibyte }],
    ['read that must not be fragmented', { type: 0, flags: flag.dontFragment, length: mebibyte }],
    ['flush', { type: 3, length: 0 }],
    ['trim with FUA', { type: 4, flags: flag.fua }],
    ['trim of almost 4 GiB', { type: 4, length: 2 ** 32 - 4096 }],
    ['write zeroes without a hole', { type: 6, flags: flag.fua | flag.noHole, length: 2 ** 32 - 4096 }],
    ['write of the last block', { type: 1, offset: 2 ** 40 }],
  ])('is carried out: %s', (_name, header) => {
    expect(refusal(header)).toBe(errors.none);
  });

  it.each([
    ['unknown command', { type: 5 }],
    ['another unknown command', { type: 7 }],
    ['command far beyond the known ones', { type: 65535 }],
    ['unknown flag', { type: 0, flags: 0x8000 }],
    ['flag of another command', { type: 1, flags: flag.noHole }],
    ['fast zero, which was not offered', { type: 6, flags: flag.fastZero }],
    ['nothing to read', { type: 0, length: 0 }],
    ['nothing to trim', { type: 4, length: 0 }],
    ['flush with an offset', { type: 3, offset: 4096, length: 0 }],
    ['flush with a length', { type: 3, length: 512 }],
    ['unaligned offset', { type: 0, offset: 512 }],
    ['unaligned length', { type: 1, length: 512 }],
    ['read past the end', { type: 0, offset: 2 ** 40 + 4096 }],
    ['trim past the end', { type: 4, offset: 2 ** 40, length: 8192 }],
    ['read at the end of 64 bits', { type: 0, offset: 2n ** 64n - 4096n }],
    ['read of more than a request may carry', { type: 0, length: 32 * mebibyte + 4096 }],
  ])('is invalid: %s', (_name, header) => {
    expect(refusal(header)).toBe(errors.invalid);
  });

  it('that would write past the end finds no space', () => {
    expect(refusal({ type: 1, offset: 2 ** 40, length: 8192 })).toBe(errors.noSpace);
    expect(refusal({ type: 6, offset: 2n ** 63n })).toBe(errors.noSpace);
    expect(refusal({ type: 1, offset: 2n ** 64n - 1n, length: 2 ** 32 - 1 })).toBe(errors.noSpace);
  });

  it('that must not be fragmented has to fit in one buffer', () => {
    expect(refusal({ type: 0, flags: flag.dontFragment, length: mebibyte + 4096 })).toBe(errors.overflow);
  });

  it('is only carried out on whole blocks inside the device, whatever the header says', () => {
    const anyHeader = fc.record({
      flags: fc.oneof(fc.constantFrom(0, 1, 2, 3, 4), fc.integer({ min: 0, max: 65535 })),
      type: fc.oneof(fc.integer({ min: 0, max: 8 }), fc.integer({ min: 0, max: 65535 })),
      cookie: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      offset: fc.oneof(
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.bigInt({ min: 0n, max: 2n ** 28n + 2n }).map((block) => block * 4096n),
      ),
      length: fc.oneof(
        fc.integer({ min: 0, max: 2 ** 32 - 1 }),
        fc.nat({ max: 9000 }).map((blocks) => blocks * 4096),
      ),
    });
    fc.assert(
      fc.property(anyHeader, (header) => {
        if (refusal(header) !== errors.none) return;
        expect([0, 1, 3, 4, 6]).toContain(header.type);
        expect(header.offset + BigInt(header.length)).toBeLessThanOrEqual(BigInt(device.sizeBytes));
        expect(header.offset % 4096n).toBe(0n);
        expect(header.length % 4096).toBe(0);
        expect(header.length > 0).toBe(header.type !== 3);
        if (header.type <= 1) expect(header.length).toBeLessThanOrEqual(32 * mebibyte);
      }),
      { numRuns: 5000 },
    );
  });
});
