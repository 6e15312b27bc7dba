/**
 * Device-mapper tables as typed segments, and their text as the kernel takes and shows it
 * (Documentation/admin-guide/device-mapper). Pure functions. Segments of kinds that Diskferry does not make
 * itself (thin, …) keep their text unread.
 *
 * A device is named by MAJOR:MINOR, as the kernel shows it; everything is in sectors of 512 bytes, as there.
 */
import { assert } from '../base/error.ts';
import type { DmTarget } from '../../native/device-mapper.ts';

/** A place on a device. */
export interface DevicePlace {
  /** `majorMinor` */
  readonly device: string;
  readonly startSector: number;
}

/** What serves the sectors of a segment. */
export type Mapping =
  | { readonly type: 'linear'; readonly place: DevicePlace }
  | { readonly type: 'striped'; readonly chunkSectors: number; readonly stripes: readonly DevicePlace[] }
  /** Every request fails with EIO. */
  | { readonly type: 'error' }
  /** Like linear, but in turns: `upSeconds` well, `downSeconds` as the features say (without any: EIO). */
  | {
      readonly type: 'flakey';
      readonly place: DevicePlace;
      readonly upSeconds: number;
      readonly downSeconds: number;
      readonly features: readonly string[];
    }
  /** Encrypted by dm-crypt. `key` may be the key itself: it belongs in no message and no file. */
  | {
      readonly type: 'crypt';
      readonly cipher: string;
      readonly key: string;
      readonly ivOffset: number;
      readonly place: DevicePlace;
      readonly features: readonly string[];
    }
  | { readonly type: 'other'; readonly target: string; readonly parameters: string };

export interface Segment {
  readonly startSector: number;
  readonly sectorCount: number;
  readonly mapping: Mapping;
}

/** One linear segment: the commonest table. */
export function linearTable(place: DevicePlace, sectorCount: number): Segment[] {
  return [{ startSector: 0, sectorCount, mapping: { type: 'linear', place } }];
}

function placeText({ device, startSector }: DevicePlace): string {
  return `${device} ${startSector}`;
}

function parametersOf(mapping: Mapping): string {
  switch (mapping.type) {
    case 'linear':
      return placeText(mapping.place);
    case 'striped':
      return [mapping.stripes.length, mapping.chunkSectors, ...mapping.stripes.map(placeText)].join(' ');
    case 'error':
      return '';
    case 'flakey': {
      const { place, upSeconds, downSeconds, features } = mapping;
      return [placeText(place), upSeconds, downSeconds, features.length, ...features].join(' ');
    }
    case 'crypt': {
      const { cipher, key, ivOffset, place, features } = mapping;
      const counted = features.length === 0 ? [] : [features.length, ...features];
      return [cipher, key, ivOffset, placeText(place), ...counted].join(' ');
    }
    case 'other':
      return mapping.parameters;
  }
}

/** Device-mapper refuses gaps and overlaps only with EINVAL: they would be our own mistake. */
function assertSeamless(segments: readonly Segment[]): void {
  let next = 0;
  for (const { startSector, sectorCount } of segments) {
    assert(startSector === next && sectorCount > 0, `a table has a gap or an overlap at sector ${next}`);
    next += sectorCount;
  }
}

export function targetsOf(segments: readonly Segment[]): DmTarget[] {
  assertSeamless(segments);
  return segments.map(({ startSector, sectorCount, mapping }) => ({
    startSector,
    sectorCount,
    type: mapping.type === 'other' ? mapping.target : mapping.type,
    parameters: parametersOf(mapping),
  }));
}

export function sectorCountOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, { sectorCount }) => sum + sectorCount, 0);
}

/** The readers take a target's parameters as words; undefined where these are not what was expected. */
function readPlace([device, startSector]: readonly string[]): DevicePlace | undefined {
  const number = Number(startSector);
  return device !== undefined && /^\d+:\d+$/.test(device) && Number.isSafeInteger(number) && number >= 0
    ? { device, startSector: number }
    : undefined;
}

function readLinear(words: readonly string[]): Mapping | undefined {
  const place = readPlace(words);
  return place !== undefined && words.length === 2 ? { type: 'linear', place } : undefined;
}

function readStriped(words: readonly string[]): Mapping | undefined {
  const [count, chunkSectors] = words.slice(0, 2).map(Number);
  if (count === undefined || chunkSectors === undefined || words.length !== 2 + 2 * count) return undefined;
  const places = Array.from({ length: count }, (_, index) => readPlace(words.slice(2 + 2 * index)));
  const stripes = places.filter((place) => place !== undefined);
  return stripes.length === count ? { type: 'striped', chunkSectors, stripes } : undefined;
}

function readFlakey(words: readonly string[]): Mapping | undefined {
  const place = readPlace(words);
  const [upSeconds, downSeconds] = words.slice(2, 4).map(Number);
  if (place === undefined || upSeconds === undefined || downSeconds === undefined) return undefined;
  return { type: 'flakey', place, upSeconds, downSeconds, features: words.slice(5) };
}

function readCrypt(words: readonly string[]): Mapping | undefined {
  const [cipher, key] = words;
  const ivOffset = Number(words[2]);
  const place = readPlace(words.slice(3));
  if (cipher === undefined || key === undefined || place === undefined) return undefined;
  if (!Number.isSafeInteger(ivOffset)) return undefined;
  return { type: 'crypt', cipher, key, ivOffset, place, features: words.slice(6) };
}

const readers: Readonly<Record<string, (words: readonly string[]) => Mapping | undefined>> = {
  linear: readLinear,
  striped: readStriped,
  error: () => ({ type: 'error' }),
  flakey: readFlakey,
  crypt: readCrypt,
};

/** From what the kernel shows as a device's table. */
export function segmentsOf(targets: readonly DmTarget[]): Segment[] {
  return targets.map(({ startSector, sectorCount, type, parameters }) => {
    const words = parameters.split(' ').filter((word) => word !== '');
    const mapping = readers[type]?.(words) ?? { type: 'other', target: type, parameters };
    return { startSector, sectorCount, mapping };
  });
}

/** The devices that a table of known segments lies on, each once. */
export function devicesUnder(segments: readonly Segment[]): string[] {
  const devices = segments.flatMap(({ mapping }) => {
    if (mapping.type === 'striped') return mapping.stripes.map(({ device }) => device);
    return 'place' in mapping ? [mapping.place.device] : [];
  });
  return [...new Set(devices)];
}

/**
 * The same table with its places on one device moved to another, at the same offsets; places on other devices
 * stay. A segment of a kind that is kept unread stays as it is: who moves one gives it as text for both
 * devices.
 */
export function movedTo(segments: readonly Segment[], move: DeviceMove): Segment[] {
  return segments.map((segment) => ({ ...segment, mapping: movedMapping(segment.mapping, move) }));
}

/** Both as `majorMinor`. */
export interface DeviceMove {
  readonly from: string;
  readonly to: string;
}

function movedMapping(mapping: Mapping, move: DeviceMove): Mapping {
  switch (mapping.type) {
    case 'linear':
    case 'flakey':
    case 'crypt':
      return { ...mapping, place: movedPlace(mapping.place, move) };
    case 'striped':
      return { ...mapping, stripes: mapping.stripes.map((place) => movedPlace(place, move)) };
    case 'error':
    case 'other':
      return mapping;
  }
}

function movedPlace(place: DevicePlace, { from, to }: DeviceMove): DevicePlace {
  return place.device === from ? { ...place, device: to } : place;
}
