/**
 * The ublk frontend's kernel side: a block device /dev/ublkbN whose requests the engine's worker fetches
 * through /dev/ublkcN. Added before the engine, which opens its queue; started when the engine fetches;
 * stopped before the engine ends; deleted when the engine has let go of the queue, whose memory the kernel
 * shares with it.
 */
import { close, constants, open as openCallback } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterFailure, DiskferryError, messageOf } from '../base/error.ts';
import { findDiskUse } from '../devices/disk-use.ts';
import { ensureUblkControl } from '../devices/ublk-control.ts';
import { markUblk } from '../devices/udev-privacy.ts';
import type { DeviceGeometry } from '../frontends/frontend.ts';
import { UblkControl } from '../../native/ublk.ts';
import type { DeviceHost, VirtualDevice } from './device-host.ts';
import type { FrontendChoice } from './messages.ts';
import { UblkDisk } from './ublk-disk.ts';
import { WriteBack } from './write-back.ts';

// Off the main thread: each may wait for the engine.
const openFile = promisify(openCallback) as (path: string, flags: number) => Promise<number>;
const closeFile = promisify(close);

/** udev and blkid look at a device that changes; they let go within moments. */
const detachWaitMsMax = 5000;
const detachPollMs = 50;
/** Of an exclusive open: somebody has claimed the device, or it is just going. */
const passingCodes = new Set(['EBUSY', 'ENOENT', 'ENXIO']);

export class UblkHost implements DeviceHost {
  readonly choice: FrontendChoice;
  readonly #disk: UblkDisk;

  /**
   * Throws `frontend-failed` when the kernel has no ublk, or does not let us. `isPrivate`: another device of ours will lie
   * on it, for everybody, and udev is to leave it alone (devices/udev-privacy.ts).
   */
  static async add({ isPrivate = false } = {}): Promise<UblkHost> {
    try {
      await ensureUblkControl();
      const control = await UblkControl.find();
      const disk = await UblkDisk.add(control);
      await markUblk(disk.path, isPrivate).catch(async (error: unknown) => {
        throw await afterFailure(error, () => disk.delete());
      });
      return new UblkHost(disk);
    } catch (cause) {
      throw new DiskferryError('frontend-failed', `ublk: no device can be made: ${messageOf(cause)}`, {
        cause,
      });
    }
  }

  /** Goes on with the device of a process that was killed. */
  static async takeOver(path: string): Promise<UblkHost> {
    try {
      await ensureUblkControl();
      return new UblkHost(await UblkDisk.takeOver(await UblkControl.find(), path));
    } catch (cause) {
      throw new DiskferryError('frontend-failed', `${path}: it cannot be taken over: ${messageOf(cause)}`, { cause });
    }
  }

  private constructor(disk: UblkDisk) {
    this.#disk = disk;
    this.choice = { kind: 'ublk', characterFd: disk.characterFd, numberForm: disk.control.numberForm };
  }

  async attach(geometry: DeviceGeometry): Promise<VirtualDevice> {
    try {
      await this.#disk.start(geometry);
      return new UblkDevice(this.#disk);
    } catch (cause) {
      const message = `${this.#disk.path}: the device cannot be started: ${messageOf(cause)}`;
      throw new DiskferryError('frontend-failed', message, { cause });
    }
  }

  /** The kernel hands us again every request that the dead process has not answered. */
  async adopt(path: string): Promise<VirtualDevice> {
    try {
      await this.#disk.resume();
      return new UblkDevice(this.#disk);
    } catch (cause) {
      throw new DiskferryError('frontend-failed', `${path}: it cannot be taken over: ${messageOf(cause)}`, { cause });
    }
  }

  /** Nothing is in flight in the dead worker's ring any more. Should it fail, release tells. */
  abort(): void {
    this.#disk.closeCharacter();
    this.#disk.stop().catch(() => {});
  }

  async release(): Promise<void> {
    await this.#disk.delete();
    await markUblk(this.#disk.path, false);
  }
}

class UblkDevice implements VirtualDevice {
  readonly name: string;
  readonly #disk: UblkDisk;
  readonly #writeBack: WriteBack;
  #isAttached = true;

  constructor(disk: UblkDisk) {
    this.#disk = disk;
    this.name = disk.path;
    this.#writeBack = new WriteBack(disk.path);
  }

  get isAttached(): boolean {
    return this.#isAttached;
  }

  /** The device is claimed until it has gone: whoever would mount it in the last moment is refused. */
  async detach(): Promise<void> {
    if (!this.#isAttached) return;
    const deadlineMs = performance.now() + detachWaitMsMax;
    const fd = await this.#claim(deadlineMs);
    if (fd !== undefined) {
      try {
        await this.#awaitLastUser(fd, deadlineMs);
        await this.#writeBack.run(fd);
        await this.#disk.stop();
      } finally {
        await closeFile(fd);
      }
    }
    this.#isAttached = false;
  }

  /** Undefined when the device has gone already: the engine has died, or somebody has stopped it by hand. */
  async #claim(deadlineMs: number): Promise<number | undefined> {
    for (;;) {
      if (this.#disk.isStopping) await this.#disk.stop();
      if (!this.#disk.isThere) return undefined;
      try {
        return await openFile(this.name, constants.O_RDWR | constants.O_EXCL);
      } catch (error) {
        if (!passingCodes.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
      }
      await this.#waitFor('it is mounted, or part of another device', deadlineMs);
    }
  }

  async #awaitLastUser(ownFd: number, deadlineMs: number): Promise<void> {
    const { majorMinor } = this.#disk;
    for (let use = findDiskUse(majorMinor, ownFd); use !== undefined; use = findDiskUse(majorMinor, ownFd)) {
      await this.#waitFor(use, deadlineMs);
    }
  }

  async #waitFor(use: string, deadlineMs: number): Promise<void> {
    if (performance.now() >= deadlineMs) {
      throw new DiskferryError('volume-busy', `${this.name}: it cannot be taken away: ${use}`);
    }
    await sleep(detachPollMs);
  }
}
