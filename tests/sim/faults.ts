/**
 * Which disk operations fail: by chance, and always where a disk is bad. Asked once per operation, when it
 * starts.
 */
import type { Disk } from '../../app/devices/disk-io.ts';
import { destination } from '../../app/devices/disk-io.ts';
import type { Random } from './random.ts';

export const diskOperations = ['read', 'write', 'flush', 'zeroes', 'discard'] as const;
export type DiskOperation = (typeof diskOperations)[number];

/** Sectors that can never be read, or never be written. */
export interface BadSectors {
  readonly disk: Disk;
  readonly operation: 'read' | 'write';
  readonly firstSector: number;
  readonly sectorCount: number;
}

export interface FaultPlan {
  /** How likely each write or flush of the journal fails. */
  readonly journalChance: number;
  /** How likely each operation fails by chance. */
  readonly chances: Readonly<Record<DiskOperation, number>>;
  readonly bad: readonly BadSectors[];
}

export class Faults {
  readonly #plan: FaultPlan;
  readonly #random: Random;
  #count = 0;
  #readCount = 0;
  #lossCount = 0;

  constructor(plan: FaultPlan, random: Random) {
    this.#plan = plan;
    this.#random = random;
  }

  /** Failures so far. */
  get count(): number {
    return this.#count;
  }

  /** Of these the reads. */
  get readCount(): number {
    return this.#readCount;
  }

  /**
   * Of all failures those after which no flush may succeed: of a flush of the destination, or of the journal.
   */
  get lossCount(): number {
    return this.#lossCount;
  }

  /** A durable write of the engine's own has failed. */
  lost(): void {
    this.#lossCount += 1;
  }

  journalFails(): boolean {
    const fails = this.#random.chance(this.#plan.journalChance);
    if (fails) this.#count += 1;
    if (fails) this.#lossCount += 1;
    return fails;
  }

  fails(operation: DiskOperation, disk: Disk, firstSector: number, sectorCount: number): boolean {
    const isBad = this.#plan.bad.some(
      (bad) =>
        bad.disk === disk &&
        bad.operation === (operation === 'zeroes' ? 'write' : operation) &&
        bad.firstSector < firstSector + sectorCount &&
        firstSector < bad.firstSector + bad.sectorCount,
    );
    const fails = this.#random.chance(this.#plan.chances[operation]) || isBad;
    if (fails) this.#count += 1;
    if (fails && operation === 'read') this.#readCount += 1;
    if (fails && operation === 'flush' && disk === destination) this.#lossCount += 1;
    return fails;
  }
}
