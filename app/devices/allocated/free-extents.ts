/**
 * Collects the free parts of a volume, in any order and of any alignment, and turns them into extents of
 * whole blocks: neighbours are joined first, then the ends are cut to block boundaries, so a block counts as
 * free only if every byte of it does. The number of extents has a limit; what comes after it is simply
 * copied.
 */
import { blockBytes } from '../../base/units.ts';
import type { Extent } from '../../base/units.ts';
import { AllocationUnknown } from './unknown.ts';

const extentsMax = 1_000_000;

export class FreeExtents {
  readonly sizeBytes: number;
  readonly #extents: Extent[] = [];
  #addedBytes = 0;

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
  }

  /** All bytes added so far, whether or not they make whole blocks. */
  get addedBytes(): number {
    return this.#addedBytes;
  }

  add(offsetBytes: number, lengthBytes: number): void {
    const endBytes = offsetBytes + lengthBytes;
    const isSafe = Number.isSafeInteger(offsetBytes) && Number.isSafeInteger(endBytes);
    if (!isSafe || offsetBytes < 0 || lengthBytes < 0 || endBytes > this.sizeBytes) {
      throw new AllocationUnknown(
        `a free extent lies outside the disk: ${lengthBytes} bytes at ${offsetBytes}`,
      );
    }
    if (lengthBytes === 0) return;
    this.#addedBytes += lengthBytes;
    const last = this.#extents.at(-1);
    if (last !== undefined && last.offsetBytes + last.lengthBytes === offsetBytes) {
      this.#extents[this.#extents.length - 1] = {
        offsetBytes: last.offsetBytes,
        lengthBytes: last.lengthBytes + lengthBytes,
      };
    } else if (this.#extents.length < extentsMax) {
      this.#extents.push({ offsetBytes, lengthBytes });
    }
  }

  finish(): { readonly extents: readonly Extent[]; readonly freeBytes: number } {
    const sorted = this.#extents.sort((one, other) => one.offsetBytes - other.offsetBytes);
    const extents: Extent[] = [];
    let freeBytes = 0;
    for (const { offsetBytes, lengthBytes } of joined(sorted)) {
      const from = Math.ceil(offsetBytes / blockBytes) * blockBytes;
      const to = Math.floor((offsetBytes + lengthBytes) / blockBytes) * blockBytes;
      if (from >= to) continue;
      extents.push({ offsetBytes: from, lengthBytes: to - from });
      freeBytes += to - from;
    }
    return { extents, freeBytes };
  }
}

/** Joins neighbours. Two that overlap are a contradiction: no block can be free twice. */
function* joined(sorted: readonly Extent[]): Generator<Extent> {
  let current: Extent | undefined;
  for (const next of sorted) {
    const endBytes = current === undefined ? -1 : current.offsetBytes + current.lengthBytes;
    if (current !== undefined && next.offsetBytes < endBytes) {
      throw new AllocationUnknown(`the map lists the block at ${next.offsetBytes} as free twice`);
    }
    if (current !== undefined && next.offsetBytes === endBytes) {
      current = { offsetBytes: current.offsetBytes, lengthBytes: current.lengthBytes + next.lengthBytes };
    } else {
      if (current !== undefined) yield current;
      current = next;
    }
  }
  if (current !== undefined) yield current;
}
