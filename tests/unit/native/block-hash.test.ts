import { describe, expect, test } from 'vitest';
import { crc32c } from '../../../app/journal/crc32c.ts';
import { addon } from '../../../native/binding.ts';
import { Random } from '../../sim/random.ts';

const blockBytes = 4096;
const mask = (1n << 64n) - 1n;

function randomBytes(length: number, seed: number): Uint8Array {
  const random = new Random(seed);
  return Uint8Array.from({ length }, () => random.between(0, 255));
}

/** splitmix64's last step, as the addon has it. */
function mixed(value: bigint): bigint {
  let mixing = ((value ^ (value >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
  mixing = ((mixing ^ (mixing >> 27n)) * 0x94d049bb133111ebn) & mask;
  return mixing ^ (mixing >> 31n);
}

/** From the sums that the journal is checked by, which are not inverted at the end here. */
function expectedHash(bytes: Uint8Array, block: number): bigint {
  const laneBytes = bytes.length / 4;
  const sums = [0, 1, 2, 3].map((lane) => BigInt(~crc32c(bytes, lane * laneBytes, (lane + 1) * laneBytes) >>> 0));
  const [a = 0n, b = 0n, c = 0n, d = 0n] = sums;
  let hash = mixed((BigInt(block) + 0x9e3779b97f4a7c15n) & mask);
  hash = mixed(hash ^ ((a << 32n) | b));
  return mixed(hash ^ ((c << 32n) | d));
}

function sumOf(sums: Int32Array, index: number): bigint {
  return new BigUint64Array(sums.buffer)[index] ?? 0n;
}

describe('hashes of blocks', () => {
  test.each([
    ['the first block', 0],
    ['a block beyond 2^32', 2 ** 32 + 5],
  ])('are made of CRC-32C sums and the place of %s', (_, block) => {
    const bytes = randomBytes(blockBytes, 1);
    const sums = new Int32Array(4);
    addon().addBlockHashes(bytes, 0, blockBytes, block, sums, 1);
    expect([sumOf(sums, 0), sumOf(sums, 1)]).toEqual([0n, expectedHash(bytes, block)]);
  });

  test('add up in any order, the last block being short', () => {
    const bytes = randomBytes(3 * blockBytes + 512, 2);
    const [together, apart] = [new Int32Array(2), new Int32Array(2)];
    addon().addBlockHashes(bytes, 0, bytes.length, 7, together, 0);
    addon().addBlockHashes(bytes, 2 * blockBytes, blockBytes + 512, 9, apart, 0);
    addon().addBlockHashes(bytes, 0, 2 * blockBytes, 7, apart, 0);
    expect(apart).toEqual(together);
  });

  test('tell two blocks that have changed places', () => {
    const bytes = randomBytes(2 * blockBytes, 3);
    const swapped = Uint8Array.from([...bytes.subarray(blockBytes), ...bytes.subarray(0, blockBytes)]);
    const [right, wrong] = [new Int32Array(2), new Int32Array(2)];
    addon().addBlockHashes(bytes, 0, bytes.length, 0, right, 0);
    addon().addBlockHashes(swapped, 0, swapped.length, 0, wrong, 0);
    expect(wrong).not.toEqual(right);
  });

  test.each([
    ['behind the pool', blockBytes, blockBytes, 0],
    ['in part behind it', 512, blockBytes, 0],
    ['of half a sector', 0, 256, 0],
    ['into a sum that is not there', 0, blockBytes, 1],
    ['from before the pool', -1, 512, 0],
  ])('are refused %s', (_, buffer, lengthBytes, index) => {
    const bytes = new Uint8Array(blockBytes);
    expect(() => addon().addBlockHashes(bytes, buffer, lengthBytes, 0, new Int32Array(2), index)).toThrow();
  });
});
