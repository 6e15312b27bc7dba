/**
 * A mounted volume, with device-mapper: its users stop once, at the start, and are mounted again on a linear
 * device of ours over the virtual device. The cut-over only changes that device's table to the destination,
 * while it is in use; the kernel removes it when the volume is unmounted one day.
 */
import { afterFailure } from '../base/error.ts';
import { sectorBytes } from '../base/units.ts';
import {
  createMapped,
  ensureDeviceMapper,
  removeMapped,
  removeWhenUnused,
} from '../devices/device-mapper.ts';
import { linearTable } from '../devices/dm-table.ts';
import { MappedVolume } from '../substitution/mapped-volume.ts';
import { Ferry } from './ferry.ts';
import type { Placement } from './placement.ts';
import type { StoppedUsers } from './plain-placement.ts';

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
    const { sizeBytes } = this.#options.ferry.plan.source;
    const below = ferry.virtualNumber;
    const segments = linearTable({ device: below, startSector: 0 }, sizeBytes / sectorBytes);
    await createMapped({ name: this.#name, segments });
    this.#isShimThere = true;
    this.#volume = new MappedVolume([{ name: this.#name, segments }], below);
  }

  async #removeShim(): Promise<void> {
    if (!this.#isShimThere) return;
    await removeMapped(this.#name);
    this.#isShimThere = false;
  }
}
