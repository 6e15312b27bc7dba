/**
 * The linear device of ours over the virtual device, /dev/mapper/diskferry-JOB, for users who have no
 * device-mapper device of their own: its table leads elsewhere later, and they notice no more than a pause.
 *
 * Ours to remove until it is left to its users; from then on the kernel removes it when the last of them has let
 * it go.
 */
import { sectorBytes } from '../base/units.ts';
import {
  awaitResumed,
  createMapped,
  infoOf,
  ownDevices,
  removeMapped,
  removeWhenUnused,
  tableOf,
} from '../devices/device-mapper.ts';
import type { Segment } from '../devices/dm-table.ts';
import { linearTable } from '../devices/dm-table.ts';
import type { MoveOptions } from './mapped-volume.ts';
import { MappedVolume } from './mapped-volume.ts';

/** Longer than the watchdog of a process that was killed waits. */
const resumedMsMax = 30_000;

export interface ShimOptions {
  readonly job: string;
  readonly sizeBytes: number;
}

export class Shim {
  readonly #name: string;
  readonly #sizeBytes: number;
  #isOurs = false;
  #isLeft = false;
  #volume: MappedVolume | undefined;

  constructor({ job, sizeBytes }: ShimOptions) {
    this.#name = `diskferry-${job}`;
    this.#sizeBytes = sizeBytes;
  }

  get path(): string {
    return `/dev/mapper/${this.#name}`;
  }

  /** It is there, and has not been left to its users. */
  get isOurs(): boolean {
    return this.#isOurs;
  }

  /** For those it was left to; null when it was not, or nobody had it open. */
  get staysOn(): string | null {
    return this.#isLeft ? this.path : null;
  }

  /** `below`: of the virtual device, as `majorMinor`. */
  async make(below: string): Promise<void> {
    await createMapped({ name: this.#name, segments: this.#tableOver(below) });
    this.#take(below);
  }

  /** That of a process that was killed, with its users: it stays as it is, whatever of it goes direct. */
  async adopt(below: string): Promise<void> {
    // That process may have been changing its table.
    await awaitResumed(this.#name, resumedMsMax);
    this.#take(below, await tableOf(this.#name));
  }

  async moveTo(options: MoveOptions): Promise<void> {
    await this.#volume?.moveTo(options);
  }

  async moveAfter(to: string, work: () => Promise<void>): Promise<void> {
    await this.#volume?.moveAfter(to, work);
  }

  takePauseMs(): number | undefined {
    return this.#volume?.takePauseMs();
  }

  /** Nobody has it open at this moment, nor does a device lie on it. */
  async isUnused(): Promise<boolean> {
    return (await infoOf(this.#name)).openCount === 0;
  }

  /** It goes when nobody has it open any more, which may be now. */
  async leaveToUsers(): Promise<void> {
    if (!this.#isOurs) return;
    await removeWhenUnused(this.#name);
    [this.#isOurs, this.#isLeft] = [false, true];
    this.#isLeft = (await ownDevices()).includes(this.#name);
  }

  /** Throws `device-in-use`. */
  async remove(): Promise<void> {
    if (!this.#isOurs) return;
    await removeMapped(this.#name);
    this.#isOurs = false;
  }

  #take(below: string, running?: readonly Segment[]): void {
    this.#isOurs = true;
    const user = { name: this.#name, segments: this.#tableOver(below), ...(running && { running }) };
    this.#volume = new MappedVolume([user], below);
  }

  #tableOver(below: string): Segment[] {
    return linearTable({ device: below, startSector: 0 }, this.#sizeBytes / sectorBytes);
  }
}
