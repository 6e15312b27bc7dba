/**
 * Tables in which a part of a disk is served past the device that they lie on (*direct*): the sectors of an
 * extent from near the disk's start, by another device that holds the same ones. Pure arithmetic.
 *
 * - A linear segment is split where the extent ends. A striped one goes direct as a whole, when everything
 *   that it maps lies in the extent; any other kind waits until its device as a whole can move.
 * - The direct device begins `directStartSector` into the disk, so that nobody who looks for identities at
 *   the start of disks takes it for another copy of this one.
 * - Blocks in which an identity may stand never go direct: they are masked on the disk until the commit.
 * - Every table keeps a piece of the device that it lies on, if only its last block: by that LVM knows which
 *   of several disks that look the same is its physical volume (substitution/volume-group.ts).
 * - A flush of the consumer reaches every device of a table, through device-mapper itself, so it covers what
 *   was written either way. It also costs a request for each segment before kernel 6.11: hence the limit.
 */
import { assert } from '../base/error.ts';
import { blockBytes, sectorBytes } from '../base/units.ts';
import type { GuardPlaces } from './guard-places.ts';
import type { DevicePlace, Mapping, Segment } from './dm-table.ts';
import { devicesUnder } from './dm-table.ts';

const blockSectors = blockBytes / sectorBytes;

/** The direct device's first sector is this one of the disk. */
export const directStartSector = blockSectors;
/** A table that would have more stays as it is. */
export const segmentsMax = 100;
/** Spans that are no further apart become one. */
const nearSectors = 64;

export interface DirectPart {
  /** `majorMinor` of the direct device. */
  readonly device: string;
  /** Where the extent ends on the disk. */
  readonly endSector: number;
  /** What of it never goes direct, ascending. */
  readonly kept: readonly SectorSpan[];
}

/** Sectors of the disk. */
export interface SectorSpan {
  readonly first: number;
  readonly end: number;
}

/** The blocks of the guard's places, as few spans: each costs two segments. */
export function guardedSpans(places: GuardPlaces): SectorSpan[] {
  const spans: SectorSpan[] = [];
  for (let place = 0; place < places.count; place += 1) {
    const first = Math.floor(places.offsetOf(place) / blockBytes) * blockSectors;
    const last = spans.at(-1);
    const isNear = last !== undefined && first - last.end <= nearSectors;
    spans.splice(isNear ? -1 : spans.length, 1, {
      first: isNear ? last.first : first,
      end: first + blockSectors,
    });
  }
  return spans;
}

/**
 * The same table with what lies in the extent served directly. `on`: `majorMinor` of the device that serves
 * the rest.
 */
export function withDirect(segments: readonly Segment[], on: string, part: DirectPart): Segment[] {
  const split = segments.flatMap((segment) => splitSegment(segment, on, part));
  const table = devicesUnder(split).includes(on) ? split : keepLastBlock(split, on, part);
  return table === undefined || table.length > segmentsMax ? [...segments] : table;
}

/**
 * The other way round: all of it on one device again. Segments are joined only where the one was direct and the
 * other not: any other boundary is not of our making, and stays.
 */
export function withoutDirect(segments: readonly Segment[], on: string, direct: string): Segment[] {
  const isDirect = (segment: Segment | undefined): boolean =>
    segment?.mapping.type === 'linear' && segment.mapping.place.device === direct;
  const isOurCut = (index: number): boolean =>
    isDirect(segments[index]) !== isDirect(segments[index - 1]);
  return segments
    .map(({ mapping, ...span }) => ({
      ...span,
      mapping: movePlaces(mapping, (place) => fromDirect(place, on, direct)),
    }))
    .reduce<Segment[]>(
      (whole, segment, index) => (isOurCut(index) ? joinNext(whole, segment) : [...whole, segment]),
      [],
    );
}

function splitSegment(segment: Segment, on: string, part: DirectPart): Segment[] {
  const { mapping } = segment;
  if (mapping.type === 'linear' && mapping.place.device === on)
    return splitLinear(segment, mapping.place, part);
  if (mapping.type !== 'striped' || !liesWithin(segment, mapping.stripes, on, part)) return [segment];
  return [{ ...segment, mapping: movePlaces(mapping, (place) => toDirect(place, on, part)) }];
}

function splitLinear({ startSector, sectorCount }: Segment, place: DevicePlace, part: DirectPart): Segment[] {
  const [first, end] = [place.startSector, place.startSector + sectorCount];
  const from = Math.min(end, Math.max(first, directStartSector));
  const to = Math.max(from, Math.min(end, part.endSector));
  const piece = (start: number, until: number, isDirect: boolean): Segment[] => {
    if (start === until) return [];
    const there = { ...place, startSector: start };
    const mapping: Mapping = {
      type: 'linear',
      place: isDirect ? toDirect(there, place.device, part) : there,
    };
    return [{ startSector: startSector + start - first, sectorCount: until - start, mapping }];
  };
  const pieces = piece(first, from, false);
  let at = from;
  for (const kept of part.kept) {
    const keptFrom = Math.min(to, Math.max(at, kept.first));
    const keptTo = Math.min(to, Math.max(keptFrom, kept.end));
    pieces.push(...piece(at, keptFrom, true), ...piece(keptFrom, keptTo, false));
    at = keptTo;
  }
  return [...pieces, ...piece(at, to, true), ...piece(to, end, false)].reduce<Segment[]>(joinNext, []);
}

function liesWithin(
  { sectorCount }: Segment,
  stripes: readonly DevicePlace[],
  on: string,
  part: DirectPart,
): boolean {
  const moving = stripes.filter(({ device }) => device === on);
  const each = sectorCount / stripes.length;
  return moving.every(
    ({ startSector }) =>
      startSector >= directStartSector &&
      startSector + each <= part.endSector &&
      !part.kept.some(({ first, end }) => first < startSector + each && startSector < end),
  );
}

/** Undefined without a linear segment to keep a block of. */
function keepLastBlock(
  segments: readonly Segment[],
  on: string,
  { device }: DirectPart,
): Segment[] | undefined {
  const index = segments.findLastIndex(
    ({ mapping }) => mapping.type === 'linear' && mapping.place.device === device,
  );
  const segment = segments[index];
  if (segment?.mapping.type !== 'linear') return undefined;
  const { startSector, sectorCount, mapping } = segment;
  const kept = Math.min(blockSectors, sectorCount);
  const cut = sectorCount - kept;
  const place = fromDirect({ device, startSector: mapping.place.startSector + cut }, on, device);
  const last: Segment = {
    startSector: startSector + cut,
    sectorCount: kept,
    mapping: { type: 'linear', place },
  };
  const rest = cut === 0 ? [] : [{ ...segment, sectorCount: cut }];
  return [...segments.slice(0, index), ...rest, last, ...segments.slice(index + 1)];
}

function toDirect(place: DevicePlace, on: string, { device }: DirectPart): DevicePlace {
  if (place.device !== on) return place;
  assert(place.startSector >= directStartSector, 'what goes direct lies behind the start of the disk');
  return { device, startSector: place.startSector - directStartSector };
}

function fromDirect(place: DevicePlace, on: string, direct: string): DevicePlace {
  return place.device === direct ? { device: on, startSector: place.startSector + directStartSector } : place;
}

function movePlaces(mapping: Mapping, move: (place: DevicePlace) => DevicePlace): Mapping {
  if (mapping.type === 'linear') return { ...mapping, place: move(mapping.place) };
  return mapping.type === 'striped' ? { ...mapping, stripes: mapping.stripes.map(move) } : mapping;
}

function continues({ sectorCount, mapping }: Segment, next: Segment): boolean {
  if (mapping.type !== 'linear' || next.mapping.type !== 'linear') return false;
  const [place, following] = [mapping.place, next.mapping.place];
  return place.device === following.device && place.startSector + sectorCount === following.startSector;
}

/** For reducing: neighbours that belong together become one. */
function joinNext(whole: Segment[], segment: Segment): Segment[] {
  const last = whole.at(-1);
  return last !== undefined && continues(last, segment)
    ? [...whole.slice(0, -1), joined(last, segment)]
    : [...whole, segment];
}

function joined(segment: Segment, { sectorCount }: Segment): Segment {
  return { ...segment, sectorCount: segment.sectorCount + sectorCount };
}
