/**
 * One disk in memory: what a read sees, and beneath it what a power cut would leave. A write lands in the
 * disk's volatile cache and is durable only after a flush that began when it was done, or at once with FUA. A
 * failed flush may lose any of what it should have made durable, for good: a later flush does not bring it
 * back, as in a kernel that reports a lost write once. At a power cut each write in the cache survives,
 * vanishes or is torn, sector by sector.
 */
import type { Random } from './random.ts';

interface CachedWrite {
  /** Which write this was; a sector never goes back to an older one. */
  readonly order: number;
  readonly firstSector: number;
  readonly stamps: Uint32Array;
}

export class SimDisk {
  readonly sectorCount: number;
  readonly #random: Random;
  /** What reads see. */
  readonly #visible: Uint32Array;
  readonly #durable: Uint32Array;
  /** The write that each sector's durable stamp came from. */
  readonly #durableOrder: Uint32Array;
  #cache: CachedWrite[] = [];
  #order = 0;

  constructor(sectorCount: number, random: Random, initialStamp: (sector: number) => number) {
    this.sectorCount = sectorCount;
    this.#random = random;
    this.#visible = new Uint32Array(sectorCount);
    for (let sector = 0; sector < sectorCount; sector += 1) this.#visible[sector] = initialStamp(sector);
    this.#durable = this.#visible.slice();
    this.#durableOrder = new Uint32Array(sectorCount);
  }

  stampOf(sector: number): number {
    return this.#visible[sector] as number;
  }

  write(firstSector: number, stamps: Uint32Array, fua: boolean): void {
    this.#visible.set(stamps, firstSector);
    this.#order += 1;
    const write = { order: this.#order, firstSector, stamps };
    if (fua) this.#makeDurable(write);
    else this.#cache.push(write);
  }

  /** What a flush that begins now covers; to be passed to its end. */
  beginFlush(): number {
    return this.#order;
  }

  endFlush(covered: number): void {
    for (const write of this.#takeCached(covered)) this.#makeDurable(write);
  }

  failFlush(covered: number): void {
    for (const write of this.#takeCached(covered)) {
      if (this.#random.chance(0.5)) this.#makeDurable(write);
    }
  }

  /** What the disk would hold if power were cut now. The disk itself goes on. */
  leftByPowerCut(): Uint32Array {
    const left = this.#durable.slice();
    for (const { order, firstSector, stamps } of this.#cache) {
      const fate = this.#random.pick(['survives', 'vanishes', 'is torn']);
      if (fate === 'vanishes') continue;
      for (let index = 0; index < stamps.length; index += 1) {
        const sector = firstSector + index;
        const isLater = order > (this.#durableOrder[sector] as number);
        const reachesDisk = fate === 'survives' || this.#random.chance(0.5);
        if (isLater && reachesDisk) left[sector] = stamps[index] as number;
      }
    }
    return left;
  }

  /** Power is cut: what is left is all that there is. */
  cutPower(): Uint32Array {
    const left = this.leftByPowerCut();
    this.#visible.set(left);
    this.#durable.set(left);
    this.#cache = [];
    return left;
  }

  #takeCached(covered: number): CachedWrite[] {
    const taken = this.#cache.filter((write) => write.order <= covered);
    this.#cache = this.#cache.filter((write) => write.order > covered);
    return taken;
  }

  #makeDurable({ order, firstSector, stamps }: CachedWrite): void {
    for (let index = 0; index < stamps.length; index += 1) {
      const sector = firstSector + index;
      if ((this.#durableOrder[sector] as number) > order) continue;
      this.#durable[sector] = stamps[index] as number;
      this.#durableOrder[sector] = order;
    }
  }
}
