/**
 * The fuse frontend's kernel side: a file served over FUSE, and the loop device on top that consumers use.
 * The mount comes first, then the engine that serves it, then the loop device, whose set-up already
 * reads through the engine. Taken down in reverse: the loop device must go before the engine, or
 * every later open of it would hang.
 */
import { close, closeSync, constants, fsync, open as openCallback } from 'node:fs';
import { open, readFile, unlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { DiskferryError, messageOf } from '../base/error.ts';
import type { DeviceGeometry } from '../frontends/frontend.ts';
import { requestDataBytesMax } from '../router/request.ts';
import { addon, isAddonError } from '../../native/binding.ts';
import type { LoopDevice } from '../../native/binding.ts';
import type { DeviceHost, VirtualDevice } from './device-host.ts';
import type { FrontendChoice } from './messages.ts';

// Off the main thread: each may wait for the engine, and the last close for a write-back.
const syncFile = promisify(fsync);
const closeFile = promisify(close);
const openFile = promisify(openCallback) as (path: string, flags: number) => Promise<number>;

/** udev and blkid look at a device that changes; they let go within moments. */
const detachWaitMsMax = 5000;
const detachPollMs = 50;

export class FuseHost implements DeviceHost {
  readonly choice: FrontendChoice;
  readonly #path: string;
  readonly #fuseFd: number;
  #isMounted = true;
  #isOpen = true;

  /** Mounts a file named `virtual-device` in `directory`, which is the job's own. */
  static async mount(directory: string, job: string): Promise<FuseHost> {
    const path = join(directory, 'virtual-device');
    const options = { path, name: `diskferry-${job}`, maxReadBytes: requestDataBytesMax };
    try {
      await writeFile(path, '', { flag: 'wx', mode: 0o600 });
      return new FuseHost(path, addon().fuseMount(options));
    } catch (cause) {
      throw new DiskferryError('frontend-failed', `${path}: cannot be served by FUSE: ${messageOf(cause)}`, { cause });
    }
  }

  private constructor(path: string, fuseFd: number) {
    this.#path = path;
    this.#fuseFd = fuseFd;
    this.choice = { kind: 'fuse', fuseFd };
  }

  /** Puts a loop device on the mounted file, with the source's block size. */
  async attach(geometry: DeviceGeometry): Promise<VirtualDevice> {
    const backing = await open(this.#path, constants.O_RDWR);
    try {
      const loop = await addon().loopAttach({
        backingFd: backing.fd,
        backingName: this.#path,
        logicalBlockBytes: geometry.logicalBlockBytes,
        readOnly: false,
        directIo: true,
      });
      return new LoopOverFuse(loop, this.#path, () => this.#unmount());
    } catch (cause) {
      const message = `${this.#path}: no loop device for it: ${messageOf(cause)}`;
      throw new DiskferryError('frontend-failed', message, { cause });
    } finally {
      await backing.close();
    }
  }

  /** The kernel aborts the connection when nobody holds its fd any more. */
  abort(): void {
    if (this.#isOpen) closeSync(this.#fuseFd);
    this.#isOpen = false;
  }

  async release(): Promise<void> {
    this.#unmount();
    this.abort();
    await unlink(this.#path);
  }

  /** Ends the connection once nothing holds the file; reads of the fd then fail, and the engine's frontend is closed. */
  #unmount(): void {
    if (!this.#isMounted) return;
    try {
      addon().unmountDetach(this.#path);
    } catch (error) {
      // Somebody has unmounted it by hand.
      if (!isAddonError(error) || error.code !== 'EINVAL') throw error;
    }
    this.#isMounted = false;
  }
}

class LoopOverFuse implements VirtualDevice {
  readonly name: string;
  readonly #backingPath: string;
  readonly #unmount: () => void;
  /** Undefined when the device has been let go. */
  #fd: number | undefined;
  #isLossTold = false;

  constructor(loop: LoopDevice, backingPath: string, unmount: () => void) {
    this.name = loop.path;
    this.#fd = loop.fd;
    this.#backingPath = backingPath;
    this.#unmount = unmount;
  }

  get isAttached(): boolean {
    return this.#fd !== undefined;
  }

  /**
   * The kernel detaches the device when its last user closes it, after writing back what that user left in the page
   * cache. So letting go is to write back and close; if somebody else still has it, we take hold of it again.
   */
  async detach(): Promise<void> {
    if (this.#fd === undefined) return;
    if (!this.#isLossTold) await this.#writeBack(this.#fd);
    await closeFile(this.#fd);
    this.#fd = undefined;
    if (await this.#hasGone()) {
      this.#unmount();
      return;
    }
    this.#fd = await this.#takeHoldAgain();
    if (this.#fd === undefined) return;
    throw new DiskferryError('volume-busy', `${this.name}: it is still in use, so it cannot be taken away`);
  }

  /** A failure is told once: whoever wrote has seen no error, and a person must know before the job goes on. */
  async #writeBack(fd: number): Promise<void> {
    try {
      await syncFile(fd);
    } catch (cause) {
      this.#isLossTold = true;
      const message = `${this.name}: what was written without being synced is lost: ${messageOf(cause)}`;
      throw new DiskferryError('frontend-failed', message, { cause });
    }
  }

  async #hasGone(): Promise<boolean> {
    for (let waitedMs = 0; waitedMs < detachWaitMsMax; waitedMs += detachPollMs) {
      if (!(await this.#isOurs())) return true;
      await sleep(detachPollMs);
    }
    return false;
  }

  /** The number may belong to somebody else's file by now. */
  async #isOurs(): Promise<boolean> {
    try {
      const attribute = `/sys/block/${basename(this.name)}/loop/backing_file`;
      return (await readFile(attribute, 'utf8')).trimEnd() === this.#backingPath;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw error;
    }
  }

  /** Only an open device cannot change hands, so whose it is is asked once more when it is open. */
  async #takeHoldAgain(): Promise<number | undefined> {
    const fd = await openFile(this.name, constants.O_RDWR);
    if (await this.#isOurs()) return fd;
    await closeFile(fd);
    this.#unmount();
    return undefined;
  }
}
