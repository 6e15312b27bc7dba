/**
 * The guard of a simulated job: a few sectors that may hold an identity, and which stamps count as one. The
 * real places and the real masking run over it; only what is recognised is made up, so that consumers write
 * identities often.
 */
import { sectorBytes } from '../../app/base/units.ts';
import { GuardPlaces } from '../../app/devices/guard-places.ts';
import type { Recogniser } from '../../app/devices/recognisers.ts';
import type { Random } from './random.ts';
import type { SimDisk } from './sim-disk.ts';
import { isOriginalStamp, isWrittenStamp } from './stamps.ts';

const placesMax = 12;
const lastWordAt = sectorBytes - 4;

export class SimGuard {
  readonly places: GuardPlaces;
  readonly #sectors: ReadonlySet<number>;

  constructor(sectorCount: number, sectors: readonly number[]) {
    this.#sectors = new Set(sectors);
    const offsets = [...this.#sectors].map((sector) => sector * sectorBytes);
    const recogniser: Recogniser = { type: 'stamp', offsetsBytes: () => offsets, isIn };
    this.places = new GuardPlaces(sectorCount * sectorBytes, [recogniser]);
  }

  /** Near what the consumer likes, at both ends, and anywhere. */
  static draw(random: Random, sectorCount: number, hotSectors: readonly number[]): SimGuard {
    const count = random.pick([0, 1, 3, placesMax]);
    const sectors = Array.from({ length: count }, () => {
      const near = random.pick([0, sectorCount - 1, random.between(0, sectorCount - 1), ...hotSectors]);
      return Math.min(sectorCount - 1, Math.max(0, near + random.between(-9, 9)));
    });
    return new SimGuard(sectorCount, sectors);
  }

  /** Whether a program would know the disk by this sector. */
  isIdentity(sector: number, stamp: number): boolean {
    return this.#sectors.has(sector) && isSignature(stamp);
  }

  /** What must stand on a disk that nobody is to know. */
  masked(sector: number, stamp: number): number {
    return this.isIdentity(sector, stamp) ? ~stamp >>> 0 : stamp;
  }

  /** What the disk's users are shown, in place. */
  unmask(stamps: Uint32Array): Uint32Array {
    for (const sector of this.#sectors) {
      const stamp = ~(stamps[sector] as number) >>> 0;
      if (isSignature(stamp)) stamps[sector] = stamp;
    }
    return stamps;
  }

  showsIdentity(stamps: Uint32Array): boolean {
    return this.findIdentity(stamps) !== undefined;
  }

  findIdentity(stamps: Uint32Array): number | undefined {
    return [...this.#sectors].find((sector) => isSignature(stamps[sector] as number));
  }

  /** As it is done when the disk is the truth: whatever is masked shows. */
  unmaskDisk(disk: SimDisk): void {
    for (const sector of this.#sectors) {
      const stamp = ~disk.stampOf(sector) >>> 0;
      if (isSignature(stamp)) disk.write(sector, Uint32Array.of(stamp), true);
    }
  }

  /** As it is done before a job goes on: whatever shows is masked. */
  maskDisk(disk: SimDisk): void {
    for (const sector of this.#sectors) {
      const stamp = disk.stampOf(sector);
      if (isSignature(stamp)) disk.write(sector, Uint32Array.of(~stamp), true);
    }
  }
}

function isSignature(stamp: number): boolean {
  return stamp % 3 === 0 && (isWrittenStamp(stamp) || isOriginalStamp(stamp));
}

function isIn(bytes: Uint8Array, at: number, flip: number): boolean {
  const stamp = wordAt(bytes, at, flip);
  return isSignature(stamp) && wordAt(bytes, at + lastWordAt, flip) === stamp;
}

function wordAt(bytes: Uint8Array, at: number, flip: number): number {
  let word = 0;
  for (let index = 3; index >= 0; index -= 1) word = word * 256 + ((bytes[at + index] as number) ^ flip);
  return word;
}
