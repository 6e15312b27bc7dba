/**
 * A mounted volume, with device-mapper: its users stop once, at the start, and are mounted again on a linear
 * device of ours over the virtual device. The cut-over only changes that device's table to the destination,
 * while it is in use; the kernel removes it when the volume is unmounted one day.
 */
import { afterFailure } from '../base/error.ts';
import { sectorBytes } from '../base/units.ts';
import {
  awaitResumed,
  createMapped,
  ensureDeviceMapper,
  removeMapped,
  removeWhenUnused,
  tableOf,
} from '../devices/device-mapper.ts';
import type { Segment } from '../devices/dm-table.ts';
import { linearTable } from '../devices/dm-table.ts';
import { MappedVolume } from '../substitution/mapped-volume.ts';
import { Ferry } from './ferry.ts';
import type { Placement } from './placement.ts';
import type { StoppedUsers } from './plain-placement.ts';

/** Longer than the watchdog of a process that was killed waits. */
const resumedMsMax = 30_000;

export class RemountPlacement implements Placement {
  readonly #options: StoppedUsers;
  readonly #name: string;
  /** Our device, as long as it is ours to remove. */
  #isShimThere = false;
  #volume: MappedVolume | undefined;

  constructor(options: StoppedUsers) {
    this.#options = options;
    this.#name = `diskferry-${options.ferry.job}`;
  }

  get staysOn(): string {
    return `/dev/mapper/${this.#name}`;
  }

  async putIn(): Promise<Ferry> {
    const { plan, isRecovered } = this.#options.ferry;
    await ensureDeviceMapper();
    if (isRecovered) return this.#bringUp();
    try {
      await this.#stopUsers(plan.source.path);
      return await this.#bringUp();
    } catch (error) {
      throw await afterFailure(error, () => this.settleOn(plan.source.path));
    }
  }

  /** As after `settle`. The users' device stays as it is, whatever of it goes direct. */
  async adopt(): Promise<Ferry> {
    const ferry = await Ferry.bringUp(this.#options.ferry);
    try {
      // The dead process may have been changing its table.
      await awaitResumed(this.#name, resumedMsMax);
      this.#takeShim(ferry, await tableOf(this.#name));
      return ferry;
    } catch (error) {
      throw await afterFailure(error, () => ferry.abandon());
    }
  }

  deviceOf(): string {
    return this.staysOn;
  }

  async settle(): Promise<void> {
    await this.settleOn(this.staysOn);
  }

  async goDirect(ferry: Ferry, endBytes: number): Promise<void> {
    await this.#volume?.moveTo({ ...(await ferry.placeUpTo(endBytes)), flushFd: null });
  }

  async leaveDirect(ferry: Ferry): Promise<void> {
    await this.#volume?.moveTo({ to: ferry.virtualNumber, flushFd: null });
  }

  async beforeCommit(): Promise<void> {}

  async afterCommit(ferry: Ferry): Promise<void> {
    await this.#volume?.moveTo({ to: ferry.destinationNumber, flushFd: null });
    if (this.#isShimThere) await removeWhenUnused(this.#name);
    this.#isShimThere = false;
    await ferry.detach();
  }

  async goBack(ferry: Ferry): Promise<void> {
    try {
      if (this.#isShimThere) await this.#stopUsers(this.staysOn);
      await this.#removeShim();
      await ferry.detach();
    } catch (error) {
      throw ferry.device.isAttached ? await afterFailure(error, () => this.#settleAgain(ferry)) : error;
    }
    await ferry.returnAll({ isHeld: false });
  }

  async settleOn(device: string): Promise<void> {
    // After the cut-over nothing is unmounted, and this does nothing.
    await this.#options.mounts.mountAll(device);
    await this.#options.users.start();
  }

  takePauseMs(): number | undefined {
    return this.#volume?.takePauseMs();
  }

  async #stopUsers(device: string): Promise<void> {
    await this.#options.users.stop();
    await this.#options.mounts.unmountAll(device);
  }

  async #bringUp(): Promise<Ferry> {
    const ferry = await Ferry.bringUp(this.#options.ferry);
    try {
      await this.#makeShim(ferry);
      return ferry;
    } catch (error) {
      throw await afterFailure(error, () => ferry.releaseUnused());
    }
  }

  async #settleAgain(ferry: Ferry): Promise<void> {
    if (!this.#isShimThere) await this.#makeShim(ferry);
    await this.settle();
  }

  async #makeShim(ferry: Ferry): Promise<void> {
    await createMapped({ name: this.#name, segments: this.#tableOver(ferry) });
    this.#takeShim(ferry);
  }

  #takeShim(ferry: Ferry, running?: readonly Segment[]): void {
    this.#isShimThere = true;
    const user = { name: this.#name, segments: this.#tableOver(ferry), ...(running && { running }) };
    this.#volume = new MappedVolume([user], ferry.virtualNumber);
  }

  #tableOver(ferry: Ferry): Segment[] {
    const { sizeBytes } = this.#options.ferry.plan.source;
    return linearTable({ device: ferry.virtualNumber, startSector: 0 }, sizeBytes / sectorBytes);
  }

  async #removeShim(): Promise<void> {
    if (!this.#isShimThere) return;
    await removeMapped(this.#name);
    this.#isShimThere = false;
  }
}
