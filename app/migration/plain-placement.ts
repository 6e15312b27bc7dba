/**
 * Without device-mapper. `remount` stops the users, moves the mounts and starts the users, at the start and
 * once more at the cut-over; `attach` has no users yet, and both lists are empty.
 */
import { afterFailure } from '../base/error.ts';
import type { Users } from '../substitution/users.ts';
import type { VolumeMounts } from '../substitution/volume-mounts.ts';
import { Ferry } from './ferry.ts';
import type { FerryOptions } from './ferry.ts';
import type { Placement } from './placement.ts';

export interface StoppedUsers {
  readonly users: Users;
  readonly mounts: VolumeMounts;
  readonly ferry: FerryOptions;
}

export class PlainPlacement implements Placement {
  readonly staysOn = null;
  readonly #options: StoppedUsers;

  constructor(options: StoppedUsers) {
    this.#options = options;
  }

  async putIn(): Promise<Ferry> {
    const { path } = this.#options.ferry.plan.source;
    if (this.#options.ferry.isRecovered) return Ferry.bringUp(this.#options.ferry);
    try {
      await this.#stopUsers(path);
      return await Ferry.bringUp(this.#options.ferry);
    } catch (error) {
      throw await afterFailure(error, () => this.settleOn(path));
    }
  }

  /** As after `settle`: users run, and everything is mounted. */
  adopt(): Promise<Ferry> {
    return Ferry.bringUp(this.#options.ferry);
  }

  deviceOf(ferry: Ferry): string {
    return ferry.device.name;
  }

  async settle(ferry: Ferry): Promise<void> {
    await this.settleOn(ferry.device.name);
  }

  /** The users stop and the virtual device is gone. */
  async beforeCommit(ferry: Ferry): Promise<void> {
    const { device } = ferry;
    try {
      if (device.isAttached) await this.#stopUsers(device.name);
      await ferry.detach();
    } catch (error) {
      // Once it is gone its name may be somebody else's, and the users wait for one of the disks.
      throw device.isAttached ? await afterFailure(error, () => this.settleOn(device.name)) : error;
    }
  }

  async afterCommit(): Promise<void> {}

  async goBack(ferry: Ferry): Promise<void> {
    await this.beforeCommit(ferry);
    await ferry.returnAll({ isHeld: false });
  }

  async settleOn(device: string): Promise<void> {
    await this.#options.mounts.mountAll(device);
    await this.#options.users.start();
  }

  takePauseMs(): undefined {}

  async #stopUsers(device: string): Promise<void> {
    await this.#options.users.stop();
    await this.#options.mounts.unmountAll(device);
  }
}
