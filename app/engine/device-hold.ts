/**
 * Our hold on a block device that the kernel takes away when the last who has it open closes it. So it goes
 * away by being let go, never under somebody's feet: if somebody else still has it, we take hold of it again.
 *
 * A device's number may belong to somebody else as soon as nobody holds it, so whose it is is asked anew each
 * time.
 */
import { close, open } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { DiskferryError } from '../base/error.ts';

// Off the main thread: each may wait for the engine, and the last close for a write-back.
const closeFile = promisify(close);
const openFile = promisify(open) as (path: string, flags: number) => Promise<number>;

/** udev and blkid look at a device that changes; they let go within moments. */
const letGoMsMax = 5000;
const letGoPollMs = 50;

export interface HeldDevice {
  readonly path: string;
  /** To open it again. */
  readonly openFlags: number;
  /** True while what stands at the path is still the device that was held. */
  readonly isOurs: () => boolean;
}

export class DeviceHold {
  readonly #device: HeldDevice;
  #fd: number | undefined;

  constructor(device: HeldDevice, fd: number) {
    this.#device = device;
    this.#fd = fd;
  }

  /** Undefined when the device has been let go. */
  get fd(): number | undefined {
    return this.#fd;
  }

  /**
   * When this returns, the device has gone. Throws `volume-busy`, and holds it as before, when it is still in
   * use.
   */
  async letGo(): Promise<void> {
    if (this.#fd === undefined) return;
    await closeFile(this.#fd);
    this.#fd = undefined;
    if (await this.#hasGone()) return;
    this.#fd = await this.#takeHoldAgain();
    if (this.#fd === undefined) return;
    const message = `${this.#device.path}: it is still in use, so it cannot be taken away`;
    throw new DiskferryError('volume-busy', message);
  }

  async #hasGone(): Promise<boolean> {
    for (let waitedMs = 0; waitedMs < letGoMsMax; waitedMs += letGoPollMs) {
      if (!this.#device.isOurs()) return true;
      await sleep(letGoPollMs);
    }
    return false;
  }

  /** Only an open device cannot change hands, so whose it is is asked once more when it is open. */
  async #takeHoldAgain(): Promise<number | undefined> {
    const fd = await openFile(this.#device.path, this.#device.openFlags);
    if (this.#device.isOurs()) return fd;
    await closeFile(fd);
    return undefined;
  }
}
