/**
 * Makes what consumers left in a block device's page cache reach the disks, before the device is taken away.
 * A failure is told once: whoever wrote has seen no error, and a person must know before the job goes on.
 */
import { fsync } from 'node:fs';
import { promisify } from 'node:util';
import { DiskferryError, messageOf } from '../base/error.ts';

// Off the main thread: it waits for the engine.
const syncFile = promisify(fsync);

export class WriteBack {
  readonly #deviceName: string;
  #isLossTold = false;

  constructor(deviceName: string) {
    this.#deviceName = deviceName;
  }

  async run(fd: number): Promise<void> {
    if (this.#isLossTold) return;
    try {
      await syncFile(fd);
    } catch (cause) {
      this.#isLossTold = true;
      const message = `${this.#deviceName}: what was written without being synced may be lost: ${messageOf(cause)}`;
      throw new DiskferryError('frontend-failed', message, { cause });
    }
  }
}
