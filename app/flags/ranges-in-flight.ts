/**
 * The one table of block ranges on which an operation is under way: consumer writes, discards, write-zeroes
 * and merges, copy pieces, pieces that undo returns. It gives the order that the flags alone cannot give:
 *
 *   copy piece:      reads block 7 from the source ─────────── writes 7 ── sets flag 7
 *   consumer write:            writes 7 to the destination, not yet flagged ──┘ lost, without this table
 *
 * Promise: ranges that overlap run in the order of their claims, one after the other, whatever their flags. A
 * range that must wait is told by `rangeReady` when every earlier overlapping range has been released. Reads
 * are not in the table: they never wait.
 *
 * The number of ranges is bounded by the request slots and copy pieces, at most some hundred, so a linear
 * look over a compact array is cheaper than a tree.
 */
import { assert } from '../base/error.ts';
import { WatchedSpans } from './watched-spans.ts';

export interface RangeOwner {
  /** The range is now the oldest on all its blocks. `tag` is what the owner passed in. */
  rangeReady(tag: number): void;
}

export class RangesInFlight {
  readonly #first: Float64Array;
  readonly #end: Float64Array;
  readonly #tag: Float64Array;
  readonly #owner: (RangeOwner | undefined)[];
  /** How many earlier ranges this one still waits for. */
  readonly #blockers: Int32Array;
  /** Claim order; larger is later. */
  readonly #sequence: Float64Array;
  readonly #active: Int32Array;
  /** Where each range stands in `#active`. */
  readonly #position: Int32Array;
  readonly #free: Int32Array;
  /** A queue as a circle: at most every range is ready at once. */
  readonly #ready: Int32Array;
  readonly #watched: WatchedSpans;
  #readyHead = 0;
  #readyCount = 0;
  #activeCount = 0;
  #freeCount: number;
  #nextSequence = 0;
  #isWaking = false;

  constructor(capacity: number) {
    this.#first = new Float64Array(capacity);
    this.#end = new Float64Array(capacity);
    this.#tag = new Float64Array(capacity);
    this.#owner = new Array<RangeOwner | undefined>(capacity).fill(undefined);
    this.#blockers = new Int32Array(capacity);
    this.#sequence = new Float64Array(capacity);
    this.#active = new Int32Array(capacity);
    this.#position = new Int32Array(capacity);
    this.#ready = new Int32Array(capacity);
    this.#watched = new WatchedSpans(capacity);
    this.#free = Int32Array.from({ length: capacity }, (_, index) => capacity - 1 - index);
    this.#freeCount = capacity;
  }

  get count(): number {
    return this.#activeCount;
  }

  /**
   * Claims the blocks from `first` to before `end` behind all earlier claims. If `isReady` says true of the
   * returned range, the owner goes ahead at once; otherwise `owner.rangeReady(tag)` is called later.
   */
  claim(first: number, end: number, owner: RangeOwner, tag: number): number {
    const range = this.#take(first, end, owner, tag);
    let blockers = 0;
    for (let index = 0; index < this.#activeCount - 1; index += 1) {
      if (this.#overlaps(this.#active[index] as number, first, end)) blockers += 1;
    }
    this.#blockers[range] = blockers;
    return range;
  }

  /**
   * Claims blocks that the owner will touch only where no earlier range lies (the mask that it `watch`ed
   * tells where), and so never waits. Later claims wait for it as for any other.
   */
  claimAtOnce(first: number, end: number, owner: RangeOwner, tag: number): number {
    const range = this.#take(first, end, owner, tag);
    this.#blockers[range] = 0;
    return range;
  }

  isReady(range: number): boolean {
    return this.#blockers[range] === 0;
  }

  /**
   * Sets `mask[block - first]` to 0 for every block from `first` to before `end` that lies in a claimed
   * range, now and whenever one is claimed until `unwatch`. Takes the mask by reference.
   */
  watch(first: number, end: number, mask: Uint8Array): void {
    for (let index = 0; index < this.#activeCount; index += 1) {
      const range = this.#active[index] as number;
      if (!this.#overlaps(range, first, end)) continue;
      const from = Math.max(first, this.#first[range] as number) - first;
      const to = Math.min(end, this.#end[range] as number) - first;
      mask.fill(0, from, to);
    }
    this.#watched.add(first, end, mask);
  }

  unwatch(mask: Uint8Array): void {
    this.#watched.remove(mask);
  }

  /** The operation on the range has ended. Wakes the ranges that waited for it alone. */
  release(range: number): void {
    const first = this.#first[range] as number;
    const end = this.#end[range] as number;
    const sequence = this.#sequence[range] as number;
    this.#remove(range);
    for (let index = 0; index < this.#activeCount; index += 1) {
      const other = this.#active[index] as number;
      const waited = (this.#sequence[other] as number) > sequence && (this.#blockers[other] as number) > 0;
      if (!waited || !this.#overlaps(other, first, end)) continue;
      this.#blockers[other] = (this.#blockers[other] as number) - 1;
      if (this.#blockers[other] === 0) this.#enqueueReady(other);
    }
    this.#wake();
  }

  /**
   * In any order: ranges that wake together do not overlap. What an owner releases in `rangeReady` is picked
   * up here.
   */
  #wake(): void {
    if (this.#isWaking) return;
    this.#isWaking = true;
    while (this.#readyCount > 0) {
      const range = this.#ready[this.#readyHead] as number;
      this.#readyHead = (this.#readyHead + 1) % this.#ready.length;
      this.#readyCount -= 1;
      this.#owner[range]?.rangeReady(this.#tag[range] as number);
    }
    this.#isWaking = false;
  }

  #enqueueReady(range: number): void {
    this.#ready[(this.#readyHead + this.#readyCount) % this.#ready.length] = range;
    this.#readyCount += 1;
  }

  #overlaps(range: number, first: number, end: number): boolean {
    return (this.#first[range] as number) < end && first < (this.#end[range] as number);
  }

  #take(first: number, end: number, owner: RangeOwner, tag: number): number {
    assert(this.#freeCount > 0, 'there is a range for every request slot and copy piece');
    assert(first < end, 'a claimed range has at least one block');
    this.#watched.claimed(first, end);
    this.#freeCount -= 1;
    const range = this.#free[this.#freeCount] as number;
    this.#first[range] = first;
    this.#end[range] = end;
    this.#owner[range] = owner;
    this.#tag[range] = tag;
    this.#sequence[range] = this.#nextSequence;
    this.#nextSequence += 1;
    this.#position[range] = this.#activeCount;
    this.#active[this.#activeCount] = range;
    this.#activeCount += 1;
    return range;
  }

  #remove(range: number): void {
    assert(this.#owner[range] !== undefined, 'a range is released once');
    assert(this.isReady(range), 'a range that still waits is not released');
    this.#owner[range] = undefined;
    const position = this.#position[range] as number;
    this.#activeCount -= 1;
    const last = this.#active[this.#activeCount] as number;
    this.#active[position] = last;
    this.#position[last] = position;
    this.#free[this.#freeCount] = range;
    this.#freeCount += 1;
  }
}
