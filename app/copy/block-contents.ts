/**
 * What blocks in the pool contain, as far as comparing needs it: hashes and equality. On real memory it is the
 * addon that hashes; the simulation, whose sectors are numbers, does it in its own way.
 */
import type { BufferPool } from '../base/buffer-pool.ts';

export interface BlockContents {
  /**
   * Adds the hash of each block from `buffer` on, the last of which may be short, to pair number `index` of
   * `sums`: two halves of 64 bits. Where a block lies is part of its hash, the order of adding is not.
   */
  addHashes(
    buffer: number,
    lengthBytes: number,
    firstBlock: number,
    sums: Int32Array,
    index: number,
  ): void;
  isEqual(buffer: number, other: number, lengthBytes: number): boolean;
}

export type HashBlocks = (
  pool: Uint8Array,
  buffer: number,
  lengthBytes: number,
  firstBlock: number,
  sums: Int32Array,
  index: number,
) => void;

export class PoolContents implements BlockContents {
  readonly #bytes: Uint8Array;
  readonly #buffer: Buffer;
  readonly #hashBlocks: HashBlocks;

  constructor(pool: BufferPool, hashBlocks: HashBlocks) {
    const { bytes } = pool;
    this.#bytes = bytes;
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#hashBlocks = hashBlocks;
  }

  addHashes(
    buffer: number,
    lengthBytes: number,
    firstBlock: number,
    sums: Int32Array,
    index: number,
  ): void {
    this.#hashBlocks(this.#bytes, buffer, lengthBytes, firstBlock, sums, index);
  }

  isEqual(buffer: number, other: number, lengthBytes: number): boolean {
    return (
      this.#buffer.compare(this.#buffer, buffer, buffer + lengthBytes, other, other + lengthBytes) === 0
    );
  }
}
