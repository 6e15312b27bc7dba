/**
 * A mounted volume, with device-mapper: its users stop once, at the start, and are mounted again on a linear
 * device of ours over the virtual device. The cut-over only changes that device's table to the destination,
 * while it is in use; the kernel removes it when the volume is unmounted one day.
 */
import { afterFailure } from '../base/error.ts';
import { ensureDeviceMapper } from '../devices/device-mapper.ts';
import { Shim } from '../substitution/shim.ts';
import { Ferry } from './ferry.ts';
import type { Placement } from './placement.ts';
import type { StoppedUsers } from './plain-placement.ts';

export class RemountPlacement implements Placement {
  readonly #options: StoppedUsers;
  readonly #shim: Shim;

  constructor(options: StoppedUsers) {
    const { job, plan } = options.ferry;
    this.#options = options;
    this.#shim = new Shim({ job, sizeBytes: plan.source.sizeBytes });
  }

  get staysOn(): string | null {
    return this.#shim.staysOn;
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

  /** As after `settle`. */
  async adopt(): Promise<Ferry> {
    const ferry = await Ferry.bringUp(this.#options.ferry);
    try {
      await this.#shim.adopt(ferry.virtualNumber);
      return ferry;
    } catch (error) {
      throw await afterFailure(error, () => ferry.abandon());
    }
  }

  deviceOf(): string {
    return this.#shim.path;
  }

  async settle(): Promise<void> {
    await this.settleOn(this.#shim.path);
  }

  async goDirect(ferry: Ferry, endBytes: number): Promise<void> {
    await this.#shim.moveTo({ ...(await ferry.placeUpTo(endBytes)), flushFd: null });
  }

  async leaveDirect(ferry: Ferry): Promise<void> {
    await this.#shim.moveTo({ to: ferry.virtualNumber, flushFd: null });
  }

  async beforeCommit(): Promise<void> {}

  async afterCommit(ferry: Ferry): Promise<void> {
    await this.#shim.moveTo({ to: ferry.destinationNumber, flushFd: null });
    await this.#shim.leaveToUsers();
    await ferry.detach();
  }

  async goBack(ferry: Ferry): Promise<void> {
    try {
      if (this.#shim.isOurs) await this.#stopUsers(this.#shim.path);
      await this.#shim.remove();
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
    return this.#shim.takePauseMs();
  }

  async #stopUsers(device: string): Promise<void> {
    await this.#options.users.stop();
    await this.#options.mounts.unmountAll(device);
  }

  async #bringUp(): Promise<Ferry> {
    const ferry = await Ferry.bringUp(this.#options.ferry);
    try {
      await this.#shim.make(ferry.virtualNumber);
      return ferry;
    } catch (error) {
      throw await afterFailure(error, () => ferry.releaseUnused());
    }
  }

  async #settleAgain(ferry: Ferry): Promise<void> {
    if (!this.#shim.isOurs) await this.#shim.make(ferry.virtualNumber);
    await this.settle();
  }
}
