/**
 * A mounted volume, with device-mapper: its users stop once, at the start, and are mounted again on a linear
 * device of ours over the virtual device (shim-placement.ts). To go back they stop once more.
 */
import { afterFailure } from '../base/error.ts';
import { ensureDeviceMapper } from '../devices/device-mapper.ts';
import type { Ferry } from './ferry.ts';
import type { StoppedUsers } from './plain-placement.ts';
import { ShimPlacement } from './shim-placement.ts';

export class RemountPlacement extends ShimPlacement {
  readonly #options: StoppedUsers;

  constructor(options: StoppedUsers) {
    super(options.ferry);
    this.#options = options;
  }

  async putIn(): Promise<Ferry> {
    const { plan, isRecovered } = this.#options.ferry;
    await ensureDeviceMapper();
    if (isRecovered) return this.bringUp();
    try {
      await this.#stopUsers(plan.source.path);
      return await this.bringUp();
    } catch (error) {
      throw await afterFailure(error, () => this.settleOn(plan.source.path));
    }
  }

  async settle(): Promise<void> {
    await this.settleOn(this.shim.path);
  }

  async goBack(ferry: Ferry): Promise<void> {
    try {
      if (this.shim.isOurs) await this.#stopUsers(this.shim.path);
      await this.shim.remove();
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

  async #stopUsers(device: string): Promise<void> {
    await this.#options.users.stop();
    await this.#options.mounts.unmountAll(device);
  }

  async #settleAgain(ferry: Ferry): Promise<void> {
    if (!this.shim.isOurs) await this.shim.make(ferry.virtualNumber);
    await this.settle();
  }
}
