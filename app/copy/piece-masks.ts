/**
 * Which blocks of its span each piece of a copy loop may write: one byte per block, 1 if it may. All of them
 * when it begins to read; then whatever somebody else claims is taken out, and when it has read, whatever is
 * not pending. A piece that has claimed its blocks before it reads needs no watch: who comes later waits for
 * it.
 */
import type { RangesInFlight } from '../flags/ranges-in-flight.ts';
import type { PendingBlocks } from './pending-blocks.ts';

export interface PieceMasksOptions {
  readonly pieceCount: number;
  readonly pieceBlocksMax: number;
  readonly pending: PendingBlocks;
  readonly ranges: RangesInFlight;
}

export class PieceMasks {
  readonly #pending: PendingBlocks;
  readonly #ranges: RangesInFlight;
  readonly #masks: readonly Uint8Array[];
  readonly #isWatched: Uint8Array;

  constructor({ pieceCount, pieceBlocksMax, pending, ranges }: PieceMasksOptions) {
    this.#pending = pending;
    this.#ranges = ranges;
    this.#masks = Array.from({ length: pieceCount }, () => new Uint8Array(pieceBlocksMax));
    this.#isWatched = new Uint8Array(pieceCount);
  }

  of(piece: number): Uint8Array {
    return this.#masks[piece] as Uint8Array;
  }

  /** The piece begins to read blocks that it has claimed. */
  begin(piece: number): void {
    this.of(piece).fill(1);
  }

  /** It begins to read blocks that others may come upon meanwhile. */
  beginWatched(piece: number, first: number, end: number): void {
    this.begin(piece);
    this.#ranges.watch(first, end, this.of(piece));
    this.#isWatched[piece] = 1;
  }

  /**
   * It has read: what is left is pending and nobody else's. Claims that come from now on are its own affair.
   */
  settle(piece: number, first: number, end: number): void {
    this.forget(piece);
    const mask = this.of(piece);
    mask.fill(0, end - first);
    for (let block = first; block < end;) {
      const pending = this.#pending.next(block, end);
      mask.fill(0, block - first, pending - first);
      block = pending === end ? end : this.#pending.runEnd(pending, end);
    }
  }

  /** It has ended, in whatever way. */
  forget(piece: number): void {
    if (this.#isWatched[piece] === 0) return;
    this.#isWatched[piece] = 0;
    this.#ranges.unwatch(this.of(piece));
  }
}

/** The end of the run of 1 that begins at `start`. */
export function endOfRun(mask: Uint8Array, start: number): number {
  const end = mask.indexOf(0, start);
  return end < 0 ? mask.length : end;
}
