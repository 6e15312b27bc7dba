/**
 * Looks again and again, a few parts at a time, at what is where on the volume, and keeps the shares as levels in
 * memory that the control thread reads (contract/places.ts says what they mean). Called by the worker once per turn:
 * a turn looks at `partsPerTurn` parts at the most, of which each costs microseconds, because parts of a large volume
 * are whole chunks, which the maps have counted already, and parts of a small one are a few words. While nothing
 * changes it does not look, because each look wakes an idle worker a hundred times.
 *
 * Allocates nothing. Nothing decides by it.
 */
import { blockBytes } from '../base/units.ts';
import { levelFor, partsMax, placeKinds } from '../contract/place-levels.ts';
import type { PlaceKind } from '../contract/place-levels.ts';
import { chunkBlocks } from '../flags/flag-map.ts';
import type { FlagMap } from '../flags/flag-map.ts';
import type { UnreadableBlocks } from '../flags/unreadable-blocks.ts';

const partsPerTurn = 4;
/** From the beginning of one look at all parts to that of the next. */
const everyUs = 1_000_000;
/** While it is under way, the loop may wait so long for other things. */
const turnUs = 2000;
const wordBlocks = 32;

export const placeCellsBytes = partsMax * placeKinds.length;

export interface Parts {
  /** The last one may be shorter. */
  readonly blocksPerPart: number;
  readonly count: number;
}

/** What the control thread reads: a level of each part. */
export type PlaceLevels = Readonly<Record<PlaceKind, Uint8Array>> & { readonly partBytes: number };

/** Whole chunks where there are enough of them. */
export function partsOf(blockCount: number): Parts {
  const unit = blockCount >= partsMax * chunkBlocks ? chunkBlocks : wordBlocks;
  const blocksPerPart = Math.ceil(Math.ceil(blockCount / unit) / partsMax) * unit;
  return { blocksPerPart, count: Math.ceil(blockCount / blocksPerPart) };
}

export function readPlaces(cells: SharedArrayBuffer, blockCount: number): PlaceLevels {
  const { blocksPerPart, count } = partsOf(blockCount);
  const levels = (kind: PlaceKind): Uint8Array => new Uint8Array(cells, placeKinds.indexOf(kind) * partsMax, count).slice();
  return {
    ...{ partBytes: blocksPerPart * blockBytes, crossed: levels('crossed'), written: levels('written') },
    ...{ free: levels('free'), unreadable: levels('unreadable') },
  };
}

export interface PlaceSurveyOptions {
  readonly flags: FlagMap;
  readonly written: FlagMap;
  readonly unreadable: UnreadableBlocks;
  readonly cells: SharedArrayBuffer;
}

export class PlaceSurvey {
  readonly #flags: FlagMap;
  readonly #written: FlagMap;
  readonly #unreadable: UnreadableBlocks;
  readonly #parts: Parts;
  readonly #cells: Uint8Array;
  /** Blocks known to be free, part by part. */
  readonly #free: Uint32Array;
  #next: number;
  #begunUs = 0;
  /** Of the maps, when the last look began: what changed on parts that it had passed is for the next one. */
  #seenRevision: number;

  constructor({ flags, written, unreadable, cells }: PlaceSurveyOptions) {
    this.#flags = flags;
    this.#written = written;
    this.#unreadable = unreadable;
    this.#parts = partsOf(flags.blockCount);
    this.#cells = new Uint8Array(cells);
    this.#free = new Uint32Array(this.#parts.count);
    // Of a job that goes on, somebody may ask at once.
    for (let part = 0; part < this.#parts.count; part += 1) this.#look(part);
    this.#next = this.#parts.count;
    this.#seenRevision = this.#revision;
  }

  /** Before they are flagged. */
  noteFree(first: number, end: number): void {
    const { blocksPerPart } = this.#parts;
    for (let block = first; block < end;) {
      const part = Math.floor(block / blocksPerPart);
      const partEnd = Math.min(end, (part + 1) * blocksPerPart);
      const flagged = this.#flags.countSet(block, partEnd);
      this.#free[part] = (this.#free[part] as number) + partEnd - block - flagged;
      block = partEnd;
    }
  }

  /** Its first value is the time. */
  pump(clockUs: Float64Array): void {
    if (this.#next >= this.#parts.count) {
      const nowUs = clockUs[0] as number;
      if (nowUs - this.#begunUs < everyUs || this.#seenRevision === this.#revision) return;
      this.#begunUs = nowUs;
      this.#seenRevision = this.#revision;
      this.#next = 0;
    }
    const end = Math.min(this.#parts.count, this.#next + partsPerTurn);
    for (; this.#next < end; this.#next += 1) this.#look(this.#next);
  }

  /** At most so long may pass until it is pumped again. */
  restUs(waitUsMax: number): number {
    return this.#next < this.#parts.count ? Math.min(turnUs, waitUsMax) : waitUsMax;
  }

  /** Grows with every change of what a look shows. What becomes free is flagged with it. */
  get #revision(): number {
    return this.#flags.revision + this.#written.revision + this.#unreadable.revision;
  }

  #look(part: number): void {
    const { blocksPerPart } = this.#parts;
    const first = part * blocksPerPart;
    const end = Math.min(this.#flags.blockCount, first + blocksPerPart);
    const blocks = end - first;
    const crossed = this.#flags.countSet(first, end);
    const written = Math.min(crossed, this.#written.countSet(first, end));
    const free = Math.min(crossed - written, this.#free[part] as number);
    const unreadable = Math.min(blocks - crossed, this.#unreadable.countIn(first, end));
    // In the order of `placeKinds`.
    this.#cells[part] = levelFor(crossed, blocks);
    this.#cells[partsMax + part] = levelFor(written, blocks);
    this.#cells[2 * partsMax + part] = levelFor(free, blocks);
    this.#cells[3 * partsMax + part] = levelFor(unreadable, blocks);
  }
}
