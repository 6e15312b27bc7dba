/**
 * A destination that shows although the job goes back to its source, because it could not be hidden again. What is on
 * it can be read all the same, so nothing keeps it from going back; but that it shows by the job's own doing must be
 * durable before the source is written, or whoever goes on after a crash would think that somebody has used it.
 */
import { DiskferryError, messageOf } from '../base/error.ts';

export interface ShownDestinationOptions {
  /** Makes it durable in the job's record. */
  readonly keep: () => Promise<void>;
  /** What people must know. */
  readonly warn: (message: string) => void;
}

export class ShownDestination {
  readonly #options: ShownDestinationOptions;

  constructor(options: ShownDestinationOptions) {
    this.#options = options;
  }

  /** As far as `hide` can do it. */
  async hiddenBy(hide: () => Promise<void>): Promise<void> {
    try {
      await hide();
    } catch (error) {
      if (!(error instanceof DiskferryError) || error.code !== 'mask-failed') throw error;
      this.#options.warn(`${error.message}; the undo goes on${await this.#keep()}`);
    }
  }

  /** Data goes before appearance, so an undo goes on also when this fails. Returns what people should do. */
  async #keep(): Promise<string> {
    const when = 'before the next start of the machine, or both may be taken for the volume';
    const advice = `. Disconnect this disk when it has ended, and ${when}`;
    try {
      await this.#options.keep();
      return advice;
    } catch (error) {
      return `, but could not be gone on with if it were broken off: ${messageOf(error)}${advice}`;
    }
  }
}
