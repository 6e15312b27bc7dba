/**
 * Puts the virtual device in the source's place under its users, and takes it out again. `remount` stops the users,
 * moves the mounts and starts the users; `attach` has no users yet, and both lists are empty.
 *
 * Always holds: when a step fails, the steps before it are taken back, so that the users run again where they ran.
 */
import { DiskferryError, messageOf } from '../base/error.ts';
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
    return this.#withUsersStopped(this.#options.sourcePath, () => Ferry.bringUp(this.#options.ferry));
  }

  /** The users stop and the virtual device is gone. Throws `volume-busy` with the users running on it again. */
  async takeOut(ferry: Ferry): Promise<void> {
    await this.#withUsersStopped(ferry.device.name, () => ferry.detach());
  }

  /** After `putIn` or `takeOut`: the users run on the virtual device or on one of the two disks. */
  async settleOn(device: string): Promise<void> {
    await this.#options.mounts.mountAll(device);
    await this.#options.users.start();
  }

  /** Stops the users and unmounts, then acts; puts them back on `device` if any of it fails. */
  async #withUsersStopped<T>(device: string, act: () => Promise<T>): Promise<T> {
    const { users, mounts } = this.#options;
    try {
      await users.stop();
      await mounts.unmountAll(device);
      return await act();
    } catch (error) {
      await this.settleOn(device).catch((second: unknown) => {
        throw bothOf(error, second);
      });
      throw error;
    }
  }
}

/** Both matter: why the step failed, and that the volume is not back in its place. */
function bothOf(first: unknown, second: unknown): Error {
  if (!(first instanceof DiskferryError)) return new AggregateError([first, second], messageOf(first));
  const { code, message, context } = first;
  return new DiskferryError(code, `${message}; then ${messageOf(second)}`, { context, cause: second });
}
