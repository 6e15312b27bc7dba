import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crc32c, crc32cOfZeroes } from '../../../app/journal/crc32c.ts';

/** Bit by bit, from the definition. */
function naiveSum(bytes: Uint8Array): number {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = sum & 1 ? (sum >>> 1) ^ 0x82f63b78 : sum >>> 1;
  }
  return ~sum;
}

describe('crc32c', () => {
  test('has the values that RFC 3720 gives', () => {
    const vectors: readonly [Uint8Array, number][] = [
      [new Uint8Array(32), 0x8a9136aa],
      [new Uint8Array(32).fill(255), 0x62a8ab43],
      [Uint8Array.from({ length: 32 }, (_, index) => index), 0x46dd794e],
      [Uint8Array.from({ length: 32 }, (_, index) => 31 - index), 0x113fdb5c],
      [new TextEncoder().encode('123456789'), 0xe3069283],
    ];
    for (const [bytes, sum] of vectors) expect(crc32c(bytes, 0, bytes.length) >>> 0).toBe(sum);
  });

  test('of zeroes is what it is of bytes that are all zero', () => {
    fc.assert(
      fc.property(fc.nat(100_000), (count) => {
        expect(crc32cOfZeroes(count)).toBe(crc32c(new Uint8Array(count), 0, count));
      }),
    );
  });

  test('is what its definition says, of any part of any bytes', () => {
    const part = fc.uint8Array({ maxLength: 100 }).chain((bytes) =>
      fc.tuple(fc.constant(bytes), fc.nat(bytes.length), fc.nat(bytes.length)).map(([all, one, other]) => ({
        all,
        from: Math.min(one, other),
        end: Math.max(one, other),
      })),
    );
    fc.assert(
      fc.property(part, ({ all, from, end }) => {
        expect(crc32c(all, from, end)).toBe(naiveSum(all.subarray(from, end)));
      }),
    );
  });

  test('goes on where an earlier sum ended', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(60), (bytes, at) => {
        const middle = Math.min(at, bytes.length);
        const inTwo = crc32c(bytes, middle, bytes.length, crc32c(bytes, 0, middle));
        expect(inTwo).toBe(crc32c(bytes, 0, bytes.length));
      }),
    );
  });
});
