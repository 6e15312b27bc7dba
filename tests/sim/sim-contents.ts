/** What blocks in the simulated pool contain: sectors that are numbers (stamps.ts). */
import { blockBytes, sectorBytes } from '../../app/base/units.ts';
import type { BlockContents } from '../../app/copy/block-contents.ts';
import type { SimPool } from './sim-pool.ts';

export class SimContents implements BlockContents {
  readonly #pool: SimPool;

  constructor(pool: SimPool) {
    this.#pool = pool;
  }

  addHashes(
    buffer: number,
    lengthBytes: number,
    firstBlock: number,
    sums: Int32Array,
    index: number,
  ): void {
    const firstSector = (firstBlock * blockBytes) / sectorBytes;
    for (let sector = 0; sector < lengthBytes / sectorBytes; sector += 1) {
      const stamp = this.#pool.stampAt(buffer + sector * sectorBytes);
      const hash = mix(mix(firstSector + sector) ^ stamp);
      sums[2 * index] = (sums[2 * index] as number) + hash;
      sums[2 * index + 1] = (sums[2 * index + 1] as number) + mix(hash);
    }
  }

  isEqual(buffer: number, other: number, lengthBytes: number): boolean {
    for (let at = 0; at < lengthBytes; at += sectorBytes)
      if (this.#pool.stampAt(buffer + at) !== this.#pool.stampAt(other + at)) return false;
    return true;
  }
}

/** The last step of MurmurHash3 (Appleby). */
function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
