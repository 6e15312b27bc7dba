/**
 * Blocks that a disk has failed to deliver: *doubtful*, when a longer read over them has failed, and
 * *unreadable*, when a read of that block alone has. A block is in at most one of the two, and in neither once
 * its content no longer has to come from that disk: `heal` is called wherever that becomes so.
 *
 * Two bit maps, made when the first read fails; a disk without errors pays nothing. They take memory only where
 * bits are set, like all flag maps, so that any number of bad blocks has its place (invariant 10).
 */
import type { Extent } from '../base/units.ts';
import { blockBytes } from '../base/units.ts';
import { FlagMap } from './flag-map.ts';

/** So many extents are listed one by one; the rest is counted. */
export const listedExtentsMax = 100;

export interface UnreadableExtents {
  /** From the start of the disk, at most `listedExtentsMax`. */
  readonly extents: readonly Extent[];
  readonly extentCount: number;
  readonly totalBytes: number;
}

interface Maps {
  readonly doubtful: FlagMap;
  readonly unreadable: FlagMap;
}

export class UnreadableBlocks {
  readonly blockCount: number;
  #maps: Maps | undefined;

  constructor(blockCount: number) {
    this.blockCount = blockCount;
  }

  /** How many have failed alone. */
  get count(): number {
    return this.#maps?.unreadable.setCount ?? 0;
  }

  /** Of those, how many from `first` to before `end`. */
  countIn(first: number, end: number): number {
    return this.#maps?.unreadable.countSet(first, end) ?? 0;
  }

  /** Grows whenever which ones these are changes. */
  get revision(): number {
    return this.#maps?.unreadable.revision ?? 0;
  }

  get doubtfulCount(): number {
    return this.#maps?.doubtful.setCount ?? 0;
  }

  get doubtful(): FlagMap {
    return this.#made().doubtful;
  }

  get unreadable(): FlagMap {
    return this.#made().unreadable;
  }

  /** The first block from `from` on that is doubtful or unreadable, or `end`. */
  nextPassedBy(from: number, end: number): number {
    if (this.#maps === undefined) return end;
    return this.#maps.unreadable.nextSet(from, this.#maps.doubtful.nextSet(from, end));
  }

  /** The first block from `from` on that is neither, or `end`. */
  nextTrusted(from: number, end: number): number {
    if (this.#maps === undefined) return from;
    const { doubtful, unreadable } = this.#maps;
    let block = from;
    while (block < end) {
      const next = unreadable.nextClear(doubtful.nextClear(block, end), end);
      if (next === block) return block;
      block = next;
    }
    return end;
  }

  /** A longer read over the block has failed, or was not tried because of its neighbours. */
  doubt(first: number, end: number): void {
    const { doubtful, unreadable } = this.#made();
    for (let block = unreadable.nextClear(first, end); block < end;) {
      const runEnd = unreadable.nextSet(block, end);
      doubtful.setRange(block, runEnd);
      block = unreadable.nextClear(runEnd, end);
    }
  }

  /** The block alone has failed. */
  confirm(block: number): void {
    const { doubtful, unreadable } = this.#made();
    doubtful.clearRange(block, block + 1);
    unreadable.setRange(block, block + 1);
  }

  /** The blocks' content is elsewhere now. */
  heal(first: number, end: number): void {
    if (this.#maps === undefined) return;
    this.#maps.doubtful.clearRange(first, end);
    this.#maps.unreadable.clearRange(first, end);
  }

  /** What was only doubtful is to be read like everything else again. */
  trustDoubtful(): void {
    this.#maps?.doubtful.clearRange(0, this.blockCount);
  }

  /** For people. The disk's last block may be short. */
  list(sizeBytes: number): UnreadableExtents {
    const extents: Extent[] = [];
    let extentCount = 0;
    let totalBytes = 0;
    for (let first = this.#next(0); first < this.blockCount;) {
      const end = this.unreadable.nextClear(first);
      const offsetBytes = first * blockBytes;
      const lengthBytes = Math.min(end * blockBytes, sizeBytes) - offsetBytes;
      if (extentCount < listedExtentsMax) extents.push({ offsetBytes, lengthBytes });
      extentCount += 1;
      totalBytes += lengthBytes;
      first = this.#next(end);
    }
    return { extents, extentCount, totalBytes };
  }

  #next(from: number): number {
    return this.#maps?.unreadable.nextSet(from) ?? this.blockCount;
  }

  #made(): Maps {
    this.#maps ??= { doubtful: new FlagMap(this.blockCount), unreadable: new FlagMap(this.blockCount) };
    return this.#maps;
  }
}
