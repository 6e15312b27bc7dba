/**
 * The pool of a simulated engine: one for all seeds of a process, because a new one for each would be most of
 * the time that a seed takes; as good as new for each all the same, so that a seed replays exactly wherever
 * it runs.
 *
 * A sector of a buffer that nothing has filled holds the mark `unfilled`; what was filled is marked again
 * before the next seed.
 */
import { BufferPool } from '../../app/base/buffer-pool.ts';
import { sectorBytes } from '../../app/base/units.ts';
import { mixed, unfilled } from './stamps.ts';

const sectorWords = sectorBytes / 4;

export class SimPool extends BufferPool {
  #reservedBytes = 0;
  /** Pairs of an offset and a number of sectors. */
  #filled: number[] = [];

  constructor(capacityBytes: number) {
    super(capacityBytes, () => 0);
    this.mark(0, capacityBytes / sectorBytes);
  }

  override reserve(lengthBytes: number): number {
    const offset = this.#reservedBytes;
    this.#reservedBytes += lengthBytes;
    return offset;
  }

  startOver(): void {
    this.#reservedBytes = 0;
    for (let index = 0; index < this.#filled.length; index += 2) {
      this.mark(this.#filled[index] as number, this.#filled[index + 1] as number);
    }
    this.#filled = [];
  }

  /** Fills sectors with their stamps, in the first and the last word of each. */
  fill(offset: number, sectorCount: number, stampOf: (index: number) => number): void {
    this.#filled.push(offset, sectorCount);
    for (let index = 0; index < sectorCount; index += 1)
      this.#put(offset + index * sectorBytes, stampOf(index));
  }

  /** The buffer is given back: whoever still uses it will find the mark. */
  mark(offset: number, sectorCount: number): void {
    for (let index = 0; index < sectorCount; index += 1) this.#put(offset + index * sectorBytes, unfilled);
  }

  stampAt(offset: number): number {
    const word = offset / 4;
    const stamp = this.words[word] as number;
    return this.words[word + sectorWords - 1] === stamp ? stamp : mixed;
  }

  #put(offset: number, stamp: number): void {
    const word = offset / 4;
    this.words[word] = stamp;
    this.words[word + sectorWords - 1] = stamp;
  }
}
