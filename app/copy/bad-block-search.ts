/**
 * In which order a copy loop reads what a disk has failed to deliver, so that bad blocks delay nothing but
 * themselves. A read that fails makes its blocks doubtful, and the loop passes them by (and, when reads fail in a
 * row, more and more behind them) until everything else has crossed. Then, one read at a time:
 *
 *   narrowing   ascending: doubtful blocks, in pieces that halve where they fail, down to one block, which is
 *               then unreadable, and double where they succeed
 *   retrying    what is unreadable again, once descending and once ascending: heads that come from the other
 *               side sometimes read what the first could not
 *   over        what is left stays unreadable, and a person decides
 *
 * Reads that keep failing may also mean that the whole disk has gone. So after some in a row others are made where
 * one has succeeded, and at places far apart: fail all of them, the loop stops instead of calling every block of the
 * disk unreadable.
 * Only numbers and maps here; the reads are the copy loop's.
 */
import { assert } from '../base/error.ts';
import { blockBytes, mebibyte } from '../base/units.ts';
import type { FlagMap } from '../flags/flag-map.ts';
import type { UnreadableBlocks } from '../flags/unreadable-blocks.ts';
import type { PendingBlocks } from './pending-blocks.ts';

/** After so many failed reads without one that succeeded, the disk must show that it is still there. */
const failuresInRowMax = 8;
/** How often what is unreadable is tried again before a person is asked, each time from the other end. */
const retryPasses = 2;
/** Where a disk of which nothing has been read yet may be read, as shares of its length. */
const probedPlaces = [1, 1 / 2, 1 / 4, 3 / 4] as const;
/** So much at most is passed by unread behind a failed piece. */
const skippedBytesMax = 64 * mebibyte;

export interface BadBlockSearchOptions {
  readonly pending: PendingBlocks;
  readonly pieceBlocksMax: number;
}

export class BadBlockSearch {
  /** The span to be read next, once `next` has said yes. */
  first = 0;
  end = 0;
  readonly #pending: PendingBlocks;
  readonly #unreadable: UnreadableBlocks;
  readonly #pieceBlocksMax: number;
  #stage: 'narrowing' | 'retrying' | 'over' = 'narrowing';
  #passesLeft = retryPasses;
  #isDescending = false;
  /** Where the pass has come to: the first block that is still to be tried, descending the one behind it. */
  #position = 0;
  #blocksMax: number;
  #isInsisting = false;
  #failuresInRow = 0;
  #failedProbes = 0;
  #skippedBlocks = 0;
  /** A block that could be read: the last one, or none yet. */
  #goodBlock = -1;

  constructor({ pending, pieceBlocksMax }: BadBlockSearchOptions) {
    this.#pending = pending;
    this.#unreadable = pending.unreadable;
    this.#pieceBlocksMax = pieceBlocksMax;
    this.#blocksMax = pieceBlocksMax;
  }

  /** Consumers lay on what is left of the doubtful blocks: they are claimed before they are read. */
  get isInsisting(): boolean {
    return this.#isInsisting;
  }

  /** Many reads have failed and none has succeeded: whether the disk is still there is to be seen first. */
  get mustProbe(): boolean {
    return this.#failuresInRow >= failuresInRowMax;
  }

  /** Where a disk that is there can perhaps be read: where it could be before, at first. */
  get probeBlock(): number {
    if (this.#failedProbes === 0 && this.#goodBlock >= 0) return this.#goodBlock;
    const place = probedPlaces[this.#failedProbes % probedPlaces.length] ?? 1;
    return Math.floor((this.#pending.blockCount - 1) * place);
  }

  /** Everything from the beginning, for a disk that may have been mended. */
  startOver(): void {
    this.#unreadable.trustDoubtful();
    this.probeSucceeded();
    this.#skippedBlocks = 0;
  }

  /** Nothing is left but what has been passed by. */
  begin(): void {
    this.#stage = 'narrowing';
    this.#passesLeft = retryPasses;
    this.#beginPass(false, this.#pieceBlocksMax);
  }

  // ---- what the reads gave

  readSucceeded(first: number, end: number): void {
    this.probeSucceeded();
    this.#goodBlock = first;
    this.#skippedBlocks = 0;
    this.#blocksMax = Math.min(this.#pieceBlocksMax, this.#blocksMax * 2);
    this.#position = this.#isDescending ? first : end;
  }

  probeSucceeded(): void {
    this.#failuresInRow = 0;
    this.#failedProbes = 0;
  }

  /** Returns whether the disk has to be taken for gone. */
  probeFailed(): boolean {
    this.#failedProbes += 1;
    return this.#failedProbes > probedPlaces.length;
  }

  readFailed(first: number, end: number): void {
    this.#failuresInRow += 1;
    this.#blocksMax = Math.max(1, Math.floor((end - first) / 2));
    if (end - first > 1) {
      this.#doubtPending(first, end);
      return;
    }
    if (this.#pending.next(first, end) === first) this.#unreadable.confirm(first);
    this.#position = this.#isDescending ? first : end;
  }

  /**
   * A piece up to `end` has failed while there is other work. Returns from where to go on: the more of them fail
   * in a row, the more is passed by behind them.
   */
  passBy(end: number): number {
    const skipEnd = Math.min(end + this.#skippedBlocks, this.#pending.blockCount);
    this.#doubtPending(end, skipEnd);
    const more = Math.max(this.#pieceBlocksMax, 2 * this.#skippedBlocks);
    this.#skippedBlocks = Math.min(more, skippedBytesMax / blockBytes);
    return skipEnd;
  }

  /** The disk has gone for good: whatever is pending cannot be read. */
  giveUpPending(): void {
    const { blockCount } = this.#pending;
    this.#failuresInRow = 0;
    this.#unreadable.trustDoubtful();
    for (let first = this.#pending.next(0, blockCount); first < blockCount;) {
      const end = this.#pending.runEnd(first, blockCount);
      this.#unreadable.unreadable.setRange(first, end);
      first = this.#pending.next(end, blockCount);
    }
  }

  /** What lies where they go stays there. A write under way on them says itself what it leaves to be carried. */
  leaveUnreadable(): void {
    const { unreadable, blockCount } = this.#unreadable;
    for (let first = unreadable.nextSet(0); first < blockCount; first = unreadable.nextSet(first)) {
      this.#pending.markDone(first, unreadable.nextClear(first));
    }
  }

  // ---- what to read next

  /** Whether anything is still to be tried, at most `blocks` at once: then from `first` to before `end`. */
  next(blocks: number): boolean {
    while (this.#stage !== 'over') {
      if (this.#isDescending ? this.#findBefore(blocks) : this.#findFrom(blocks)) return true;
      this.#endPass();
    }
    return false;
  }

  /** The first run of unreadable blocks. */
  nextUnreadable(): void {
    const { unreadable } = this.#unreadable;
    this.first = unreadable.nextSet(0);
    assert(this.first < unreadable.blockCount, 'what is pending and cannot be read is marked so');
    this.end = unreadable.nextClear(this.first, Math.min(unreadable.blockCount, this.first + this.#pieceBlocksMax));
  }

  get #map(): FlagMap {
    return this.#stage === 'narrowing' ? this.#unreadable.doubtful : this.#unreadable.unreadable;
  }

  #findFrom(blocks: number): boolean {
    const map = this.#map;
    const first = map.nextSet(this.#position);
    if (first === map.blockCount) return false;
    const limit = Math.min(map.blockCount, first + Math.min(blocks, this.#blocksMax, this.#alignmentOf(first)));
    this.first = first;
    this.end = map.nextClear(first, limit);
    return true;
  }

  /** So that the second half of a piece that has failed is not read across the piece's end. */
  #alignmentOf(block: number): number {
    let blocks = this.#pieceBlocksMax;
    while (block % blocks !== 0) blocks /= 2;
    return blocks;
  }

  #findBefore(blocks: number): boolean {
    const map = this.#map;
    const last = map.lastSet(0, this.#position);
    if (last < 0) return false;
    const limit = Math.max(0, last + 1 - Math.min(blocks, this.#blocksMax));
    this.first = Math.max(limit, map.lastClear(limit, last) + 1);
    this.end = last + 1;
    return true;
  }

  #endPass(): void {
    this.#forgetHealed();
    if (this.#stage === 'narrowing' && this.#unreadable.doubtfulCount > 0) {
      this.#beginPass(false, this.#pieceBlocksMax);
      this.#isInsisting = true;
    } else if (this.#passesLeft > 0 && this.#unreadable.count > 0) {
      this.#stage = 'retrying';
      this.#beginPass(this.#passesLeft % 2 === 0, 1);
      this.#passesLeft -= 1;
    } else {
      this.#stage = 'over';
    }
  }

  #beginPass(isDescending: boolean, blocksMax: number): void {
    this.#isDescending = isDescending;
    this.#position = isDescending ? this.#pending.blockCount : 0;
    this.#blocksMax = blocksMax;
    this.#isInsisting = false;
  }

  #doubtPending(first: number, end: number): void {
    for (let block = this.#pending.next(first, end); block < end;) {
      const runEnd = this.#pending.runEnd(block, end);
      this.#unreadable.doubt(block, runEnd);
      block = this.#pending.next(runEnd, end);
    }
  }

  /** What somebody else has carried over meanwhile. */
  #forgetHealed(): void {
    const { blockCount } = this.#pending;
    for (let block = this.#unreadable.nextPassedBy(0, blockCount); block < blockCount;) {
      const pending = this.#pending.next(block, blockCount);
      if (pending > block) this.#unreadable.heal(block, pending);
      const next = pending === blockCount ? blockCount : this.#pending.runEnd(pending, blockCount);
      block = this.#unreadable.nextPassedBy(next, blockCount);
    }
  }
}
