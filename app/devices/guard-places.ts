/**
 * The guard's places on a disk of one size: the sectors in which any recogniser (recognisers.ts) may find an
 * identity, and what is to be made of the content of one.
 *
 *   content         state     on the disk   what the consumer sees
 *   a signature     plain     inverted      as it stands
 *   one, inverted   masked    as it stands  inverted
 *   anything else   other     as it stands  as it stands
 *
 * So the content itself tells whether it is masked: masking and restoring need no record, may be repeated,
 * and may be cut off between any two sectors. What is no signature is never changed. Sectors are 512 bytes,
 * the least that any disk writes, so no transfer ever covers one in part. Pure; allocates nothing when asked.
 */
import { assertSafeInteger } from '../base/error.ts';
import { sectorBytes } from '../base/units.ts';
import type { Offsets } from './disk-io.ts';
import type { Recogniser } from './recognisers.ts';
import { recognisers } from './recognisers.ts';

export type PlaceState = 'plain' | 'masked' | 'other';

const asItStands = 0;
const inverted = 0xff;

export class GuardPlaces {
  readonly sizeBytes: number;
  /** Where each sector begins, ascending. */
  readonly #offsets: Float64Array;
  readonly #recognisers: readonly (readonly Recogniser[])[];
  /** The longest stretch of the disk without any. */
  readonly #gapFirst: number;
  readonly #gapEnd: number;

  /** @param table other recognisers, for tests */
  constructor(sizeBytes: number, table: readonly Recogniser[] = recognisers) {
    assertSafeInteger(sizeBytes, 'the size of a disk');
    const byOffset = new Map<number, Recogniser[]>();
    for (const recogniser of table) {
      for (const offset of new Set(recogniser.offsetsBytes(sizeBytes))) {
        const isOnDisk = offset >= 0 && offset % sectorBytes === 0 && offset + sectorBytes <= sizeBytes;
        if (isOnDisk) byOffset.set(offset, [...(byOffset.get(offset) ?? []), recogniser]);
      }
    }
    const sorted = [...byOffset].sort(([one], [other]) => one - other);
    this.sizeBytes = sizeBytes;
    this.#offsets = Float64Array.from(sorted, ([offset]) => offset);
    this.#recognisers = sorted.map(([, there]) => there);
    ({ first: this.#gapFirst, end: this.#gapEnd } = longestGap(this.#offsets, sizeBytes));
  }

  get count(): number {
    return this.#offsets.length;
  }

  offsetOf(place: number): number {
    return this.#offsets[place] as number;
  }

  /** Whether the transfer at `offsets[tag]` touches none; for nearly all of a disk one comparison says so. */
  areOutside(offsets: Offsets, tag: number, lengthBytes: number): boolean {
    const offset = offsets[tag] as number;
    const end = offset + lengthBytes;
    if (offset >= this.#gapFirst && end <= this.#gapEnd) return true;
    const place = this.firstFrom(offset);
    return place === this.count || this.offsetOf(place) >= end;
  }

  /** The first place at or behind the offset; `count` when there is none. */
  firstFrom(offsetBytes: number): number {
    let low = 0;
    let high = this.#offsets.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#offsets[middle] as number) < offsetBytes) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** `at`: where the place's sector begins in `bytes`. */
  stateOf(place: number, bytes: Uint8Array, at: number): PlaceState {
    const isPlain = this.#typeIn(place, bytes, at, asItStands) !== undefined;
    const isMasked = this.#typeIn(place, bytes, at, inverted) !== undefined;
    if (isPlain === isMasked) return 'other';
    return isPlain ? 'plain' : 'masked';
  }

  /** Of what is in the sector, masked or not; null when it is nothing that the table knows. */
  typeOf(place: number, bytes: Uint8Array, at: number): string | null {
    return this.#typeIn(place, bytes, at, asItStands) ?? this.#typeIn(place, bytes, at, inverted) ?? null;
  }

  #typeIn(place: number, bytes: Uint8Array, at: number, flip: number): string | undefined {
    for (const { type, isIn } of this.#recognisers[place] as readonly Recogniser[]) {
      if (isIn(bytes, at, flip)) return type;
    }
    return undefined;
  }
}

/** As they stand on a disk that nobody is to know, in place. `offsetBytes`: where on the disk they begin. */
export function maskBytes(places: GuardPlaces, bytes: Uint8Array, offsetBytes: number): void {
  for (let place = places.firstFrom(offsetBytes); place < places.count; place += 1) {
    const at = places.offsetOf(place) - offsetBytes;
    if (at + sectorBytes > bytes.length) return;
    if (places.stateOf(place, bytes, at) === 'plain') invertSector(bytes, at);
  }
}

/** Every bit of the sector that begins at `at`. */
export function invertSector(bytes: Uint8Array, at: number): void {
  for (let index = at; index < at + sectorBytes; index += 1) bytes[index] = (bytes[index] as number) ^ inverted;
}

function longestGap(offsets: Float64Array, sizeBytes: number): { first: number; end: number } {
  let longest = { first: 0, end: 0 };
  let first = 0;
  for (const end of [...offsets, sizeBytes]) {
    if (end - first > longest.end - longest.first) longest = { first, end };
    first = end + sectorBytes;
  }
  return longest;
}
