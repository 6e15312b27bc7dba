/**
 * Which blocks a copy loop still has to carry over, in terms of a flag map. Copying carries what is not
 * flagged from the source to the destination; undo carries what the consumer wrote back from the destination
 * to the source.
 */
import type { Disk } from '../devices/disk-io.ts';
import { destination, source } from '../devices/disk-io.ts';
import type { FlagMap } from '../flags/flag-map.ts';
import type { UnreadableBlocks } from '../flags/unreadable-blocks.ts';
import { runKinds } from '../journal/record.ts';
import type { RoundJournal } from '../journal/round-journal.ts';

export interface PendingBlocks {
  readonly from: Disk;
  readonly to: Disk;
  /** Whether blocks must be durable where they go before they are marked done. */
  readonly fua: boolean;
  /** What the disk that they come from has failed to deliver. */
  readonly unreadable: UnreadableBlocks;
  /**
   * Whether those that stay unreadable, when a person accepts that, become zeroes where they go. Otherwise what is
   * there stays.
   */
  readonly zeroesUnreadable: boolean;
  readonly count: number;
  readonly blockCount: number;
  /** The first pending block at or after `block`, or `end`. */
  next(block: number, end: number): number;
  /** The first block after `block` that is not pending, or `end`. */
  runEnd(block: number, end: number): number;
  /** The blocks have arrived. */
  markDone(first: number, end: number): void;
  /**
   * A write to where they go has failed, and what it may have taken along is not known. It will be tried
   * again.
   */
  writeFailed(): void;
}

export class BlocksToCopy implements PendingBlocks {
  readonly from = source;
  readonly to = destination;
  /** Until commit the source has them too, and commit begins with a flush. */
  readonly fua = false;
  /** What the destination held before belongs to nobody, and may be mistaken for content. */
  readonly zeroesUnreadable = true;
  readonly unreadable: UnreadableBlocks;
  readonly #flags: FlagMap;
  readonly #journal: RoundJournal;

  constructor(flags: FlagMap, journal: RoundJournal, unreadable: UnreadableBlocks) {
    this.#flags = flags;
    this.#journal = journal;
    this.unreadable = unreadable;
  }

  get count(): number {
    return this.#flags.clearCount;
  }

  get blockCount(): number {
    return this.#flags.blockCount;
  }

  next(block: number, end: number): number {
    return this.#flags.nextClear(block, end);
  }

  runEnd(block: number, end: number): number {
    return this.#flags.nextSet(block, end);
  }

  markDone(first: number, end: number): void {
    if (this.#flags.setRange(first, end) > 0) this.#journal.note(runKinds.flagged, first, end);
    this.unreadable.heal(first, end);
  }

  /** Without FUA it is the next flush that fails. */
  writeFailed(): void {}
}

/**
 * While consumers go on, the router mirrors what they write (router/mirror.ts); these are what it has not
 * mirrored.
 */
export class BlocksToReturn implements PendingBlocks {
  readonly from = destination;
  readonly to = source;
  /** A flush that fails afterwards would lose them, and nothing would know any more which they were. */
  readonly fua = true;
  /** What the source held before is older, but it is the volume's. */
  readonly zeroesUnreadable = false;
  readonly unreadable: UnreadableBlocks;
  readonly #written: FlagMap;
  readonly #sourceLost: () => void;

  /** `sourceLost`: the source may have lost what others have written there and nobody has flushed. */
  constructor(written: FlagMap, sourceLost: () => void, unreadable: UnreadableBlocks) {
    this.#written = written;
    this.#sourceLost = sourceLost;
    this.unreadable = unreadable;
  }

  get count(): number {
    return this.#written.setCount;
  }

  get blockCount(): number {
    return this.#written.blockCount;
  }

  next(block: number, end: number): number {
    return this.#written.nextSet(block, end);
  }

  runEnd(block: number, end: number): number {
    return this.#written.nextClear(block, end);
  }

  markDone(first: number, end: number): void {
    this.#written.clearRange(first, end);
    this.unreadable.heal(first, end);
  }

  writeFailed(): void {
    this.#sourceLost();
  }
}
