/**
 * Random bytes and numbers that are the same for the same seed, at the speed of a disk: the key stream of AES
 * in counter mode. What the demo writes is thereby known, and does not compress.
 */
import { createCipheriv, createHash } from 'node:crypto';

const keyBytes = 16;
/** As many as readUIntBE takes: a remainder of 48 random bits is even enough. */
const integerBytes = 6;

export class SeededRandom {
  readonly #stream;

  constructor(seed: string) {
    const key = createHash('sha256').update(seed).digest().subarray(0, keyBytes);
    this.#stream = createCipheriv('aes-128-ctr', key, Buffer.alloc(keyBytes));
  }

  bytes(count: number): Buffer {
    return this.#stream.update(Buffer.alloc(count));
  }

  integerBelow(limit: number): number {
    return this.bytes(integerBytes).readUIntBE(0, integerBytes) % limit;
  }

  /** Small sizes are as frequent as large ones by order of magnitude, as in real file trees. */
  sizeBelow(limitBytes: number): number {
    const share = this.integerBelow(2 ** 32) / 2 ** 32;
    return Math.floor(limitBytes ** share) - 1;
  }

  shuffled<T>(items: readonly T[]): T[] {
    const result = [...items];
    for (let last = result.length - 1; last > 0; last -= 1) {
      const other = this.integerBelow(last + 1);
      [result[last], result[other]] = [result[other] as T, result[last] as T];
    }
    return result;
  }
}
