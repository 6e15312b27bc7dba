/**
 * What is where on a volume, as squares in the order of their place, from the last map that the service has told. A
 * square stands for several parts of the map, or a share of one; what cannot be read is never left out, and a square
 * counts as crossed only when all of it has.
 */
import type { JobEventOf } from '../../app/contract/events.ts';
import { levelMax } from '../../app/contract/place-levels.ts';
import type { Places } from '../../app/contract/places.ts';
import { sharesOf } from '../../app/contract/places.ts';
import type { BlockKind } from './block-shares.ts';

export interface PlaceSquare {
  readonly offsetBytes: number;
  readonly endBytes: number;
  /** What most of it is that has crossed; `source` when nothing has. */
  readonly kind: BlockKind;
  /** How much of it has crossed, from 0 to 1; each of these only where it is exactly so. */
  readonly crossed: number;
  readonly written: number;
  readonly free: number;
  readonly hasUnreadable: boolean;
}

type Progress = Pick<JobEventOf<'progress'>, 'totalBytes' | 'verifiedBytes'>;

export function placeSquares(places: Places, progress: Progress, squareCount: number): PlaceSquare[] {
  const { totalBytes } = progress;
  const parts = partsIn(places, totalBytes);
  const count = Math.min(squareCount, parts.count);
  return Array.from({ length: count }, (_, square) => {
    const first = Math.floor((square * parts.count) / count);
    const end = Math.floor(((square + 1) * parts.count) / count);
    return squareOf(parts, { first, end }, progress);
  });
}

interface Parts {
  readonly count: number;
  readonly partBytes: number;
  readonly crossed: Uint8Array;
  readonly written: Uint8Array;
  readonly free: Uint8Array;
  readonly unreadable: Uint8Array;
}

function partsIn({ partBytes, crossed, written, free, unreadable }: Places, totalBytes: number): Parts {
  const count = Math.ceil(totalBytes / partBytes);
  const levels = (told: string): Uint8Array => sharesOf(told, count);
  return {
    ...{ count, partBytes, crossed: levels(crossed), written: levels(written) },
    ...{ free: levels(free), unreadable: levels(unreadable) },
  };
}

interface Run {
  readonly first: number;
  readonly end: number;
}

function squareOf(parts: Parts, run: Run, { totalBytes, verifiedBytes }: Progress): PlaceSquare {
  const share = (levels: Uint8Array): number => shareOf(levels, run);
  const crossed = share(parts.crossed);
  const [written, free] = [Math.min(share(parts.written), crossed), Math.min(share(parts.free), crossed)];
  const endBytes = Math.min(totalBytes, run.end * parts.partBytes);
  const hasUnreadable = share(parts.unreadable) > 0;
  const kind = hasUnreadable ? 'unreadable' : kindOf({ crossed, written, free, isVerified: verifiedBytes >= endBytes });
  return { offsetBytes: run.first * parts.partBytes, endBytes, kind, crossed, written, free, hasUnreadable };
}

/** The mean; exactly 0 or 1 only where each is, for a mean of what lies between never is. */
function shareOf(levels: Uint8Array, { first, end }: Run): number {
  let sum = 0;
  for (let part = first; part < end; part += 1) sum += levels[part] ?? 0;
  return sum / ((end - first) * levelMax);
}

interface Shares {
  readonly crossed: number;
  readonly written: number;
  readonly free: number;
  readonly isVerified: boolean;
}

function kindOf({ crossed, written, free, isVerified }: Shares): BlockKind {
  if (crossed === 0) return 'source';
  const copied = crossed - written - free;
  if (written >= copied && written >= free) return 'written';
  if (free >= copied) return 'free';
  return isVerified ? 'verified' : 'copied';
}
