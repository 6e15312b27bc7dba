/**
 * Spans of blocks that are being read to be written elsewhere, by pieces of a copy loop. Whatever is claimed
 * on a block meanwhile may change it behind the read, so it is taken out of the piece's mask:
 *
 *   piece:           reads 7..9 from the destination ──────────── writes 7 and 9 to the source, 8 stays pending
 *   consumer write:      changes a part of 8 on both disks ──┘ lost on the source, without this
 *
 * A part of ranges-in-flight.ts, which tells of every claim. At most one span for each piece, so a look over
 * all is cheap.
 */
import { assert } from '../base/error.ts';

export class WatchedSpans {
  readonly #first: Float64Array;
  readonly #end: Float64Array;
  readonly #mask: (Uint8Array | undefined)[];
  #count = 0;

  constructor(capacity: number) {
    this.#first = new Float64Array(capacity);
    this.#end = new Float64Array(capacity);
    this.#mask = new Array<Uint8Array | undefined>(capacity).fill(undefined);
  }

  add(first: number, end: number, mask: Uint8Array): void {
    assert(this.#count < this.#mask.length, 'each piece watches one span');
    this.#first[this.#count] = first;
    this.#end[this.#count] = end;
    this.#mask[this.#count] = mask;
    this.#count += 1;
  }

  remove(mask: Uint8Array): void {
    const index = this.#mask.indexOf(mask);
    assert(index >= 0 && index < this.#count, 'a span is watched until its piece has read it');
    this.#count -= 1;
    this.#first[index] = this.#first[this.#count] as number;
    this.#end[index] = this.#end[this.#count] as number;
    this.#mask[index] = this.#mask[this.#count];
    this.#mask[this.#count] = undefined;
  }

  /** The blocks from `first` to before `end` have been claimed. */
  claimed(first: number, end: number): void {
    for (let index = 0; index < this.#count; index += 1) {
      const spanFirst = this.#first[index] as number;
      const from = Math.max(first, spanFirst);
      const to = Math.min(end, this.#end[index] as number);
      if (from < to) this.#mask[index]?.fill(0, from - spanFirst, to - spanFirst);
    }
  }
}
