/**
 * Blocks that have been written to a disk and may still be in its cache only. A flush covers those written
 * before it began; what is written meanwhile waits for the next. When a flush fails, or a write that was to
 * be durable at once, nobody knows which of them are lost, so all of them are. One flush of the disk at a
 * time.
 *
 * Two flag maps, so two more bits per block; undo, the only one that needs them, makes them when it begins.
 */
import { FlagMap } from './flag-map.ts';

export class UnflushedBlocks {
  /** Written since the last flush began. */
  #later: FlagMap;
  /** Covered by the flush that is under way. */
  #covered: FlagMap;

  constructor(blockCount: number) {
    this.#later = new FlagMap(blockCount);
    this.#covered = new FlagMap(blockCount);
  }

  get isEmpty(): boolean {
    return this.#later.setCount === 0 && this.#covered.setCount === 0;
  }

  add(first: number, end: number): void {
    this.#later.setRange(first, end);
  }

  flushBegins(): void {
    const covered = this.#later;
    this.#later = this.#covered;
    this.#covered = covered;
  }

  flushed(): void {
    takeAll(this.#covered, () => undefined);
  }

  /** All of them are told, as runs, and forgotten. */
  lost(tell: (first: number, end: number) => void): void {
    takeAll(this.#covered, tell);
    takeAll(this.#later, tell);
  }
}

function takeAll(map: FlagMap, tell: (first: number, end: number) => void): void {
  for (let first = map.nextSet(0); first < map.blockCount; first = map.nextSet(first)) {
    const end = map.nextClear(first);
    map.clearRange(first, end);
    tell(first, end);
  }
}
