/**
 * Where the requests in flight lie, by slot: their bytes on the virtual device, and the blocks of the flag
 * map that they touch or cover. A disk's last block may be short; whoever reaches the disk's end covers all
 * of it.
 */
import { blockBytes } from '../base/units.ts';
import type { RequestTable } from './request.ts';

export class RequestBlocks {
  /** First block of the request's range, and the one behind its last. */
  readonly first: Float64Array;
  readonly end: Float64Array;
  readonly #requests: RequestTable;
  readonly #sizeBytes: number;
  readonly #endBytes: Float64Array;

  constructor(requests: RequestTable, sizeBytes: number) {
    this.#requests = requests;
    this.#sizeBytes = sizeBytes;
    this.first = new Float64Array(requests.capacity);
    this.end = new Float64Array(requests.capacity);
    this.#endBytes = new Float64Array(requests.capacity);
  }

  /** The slot has been filled: its bytes, and all blocks that they touch. */
  take(slot: number): void {
    const endBytes = this.startBytes(slot) + (this.#requests.lengthBytes[slot] as number);
    this.#endBytes[slot] = endBytes;
    this.first[slot] = Math.floor(this.startBytes(slot) / blockBytes);
    this.end[slot] = Math.ceil(endBytes / blockBytes);
  }

  startBytes(slot: number): number {
    return this.#requests.offsetBytes[slot] as number;
  }

  endBytes(slot: number): number {
    return this.#endBytes[slot] as number;
  }

  /** Whether the request covers all of the block that lies on the disk. */
  isWhole(slot: number, block: number): boolean {
    const start = block * blockBytes;
    const end = this.endBytes(slot);
    return this.startBytes(slot) <= start && (end >= start + blockBytes || end === this.#sizeBytes);
  }

  /** The first block that the request covers whole; behind `wholeEnd` when there is none. */
  wholeFirst(slot: number): number {
    const first = this.first[slot] as number;
    return this.isWhole(slot, first) ? first : first + 1;
  }

  wholeEnd(slot: number): number {
    const end = this.end[slot] as number;
    return this.isWhole(slot, end - 1) ? end : end - 1;
  }

  /** Where the block ends on the disk, in bytes. */
  blockEndBytes(block: number): number {
    return Math.min(this.#sizeBytes, (block + 1) * blockBytes);
  }
}
