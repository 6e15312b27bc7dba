/**
 * Puts the virtual device in the source's place under its users, and takes it out again. `remount` stops the users,
 * moves the mounts and starts the users; `attach` has no users yet, and both lists are empty.
 *
 * Always holds: when a step fails, the steps before it are taken back, so that the users run again where they ran.
 */
import { bothOf } from '../base/error.ts';
import type { Users } from '../substitution/users.ts';
import type { VolumeMounts } from '../substitution/volume-mounts.ts';
import { Ferry } from './ferry.ts';
import type { FerryOptions } from './ferry.ts';

export interface PlacementOptions {
  readonly sourcePath: string;
  readonly users: Users;
  readonly mounts: VolumeMounts;
  readonly ferry: FerryOptions;
}

export class Placement {
  readonly #options: PlacementOptions;

  constructor(options: PlacementOptions) {
    this.#options = options;
  }

  /** The users stop and the virtual device is there, for them to settle on. */
  async putIn(): Promise<Ferry> {
    const { sourcePath } = this.#options;
    try {
      await this.#stopUsers(sourcePath);
      return await Ferry.bringUp(this.#options.ferry);
    } catch (error) {
      throw await this.#putBack(sourcePath, error);
    }
  }

  /**
   * The users stop and the virtual device is gone. Throws `volume-busy` with the users running on it again. May be
   * called again when a later step has failed.
   */
  async takeOut(ferry: Ferry): Promise<void> {
    const { device } = ferry;
    try {
      if (device.isAttached) await this.#stopUsers(device.name);
      await ferry.detach();
    } catch (error) {
      // Once it is gone its name may be somebody else's, and the users wait for one of the disks.
      throw device.isAttached ? await this.#putBack(device.name, error) : error;
    }
  }

  /** After `putIn` or `takeOut`: the users run on the virtual device or on one of the two disks. */
  async settleOn(device: string): Promise<void> {
    await this.#options.mounts.mountAll(device);
    await this.#options.users.start();
  }

  async #stopUsers(device: string): Promise<void> {
    await this.#options.users.stop();
    await this.#options.mounts.unmountAll(device);
  }

  /** Returns the error to throw: why the step failed and, if so, that the volume is not back in its place. */
  async #putBack(device: string, error: unknown): Promise<unknown> {
    try {
      await this.settleOn(device);
      return error;
    } catch (second) {
      return bothOf(error, second);
    }
  }
}
