/**
 * The fuse frontend's kernel side: a file served over FUSE, and the loop device on top that consumers use.
 * The mount comes first, then the engine that serves it, then the loop device, whose set-up already
 * reads through the engine. Taken down in reverse: the loop device must go before the engine, or
 * every later open of it would hang.
 */
import { closeSync, constants } from 'node:fs';
import { open, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DiskferryError, messageOf } from '../base/error.ts';
import type { DeviceGeometry } from '../frontends/frontend.ts';
import { requestDataBytesMax } from '../router/request.ts';
import { addon } from '../../native/binding.ts';
import type { LoopDevice } from '../../native/binding.ts';
import type { DeviceHost, VirtualDevice } from './device-host.ts';
import type { FrontendChoice } from './messages.ts';

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
      return new LoopOverFuse(loop, () => this.#unmount());
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
    addon().unmountDetach(this.#path);
    this.#isMounted = false;
  }
}

class LoopOverFuse implements VirtualDevice {
  readonly name: string;
  readonly #fd: number;
  readonly #unmount: () => void;
  #state: 'attached' | 'asked' | 'detached' = 'attached';

  constructor(loop: LoopDevice, unmount: () => void) {
    this.name = loop.path;
    this.#fd = loop.fd;
    this.#unmount = unmount;
  }

  /** While somebody has it open, the kernel goes on serving them and detaches it at their last close. */
  async detach(): Promise<void> {
    if (this.#state === 'attached') {
      await addon().loopDetach(this.#fd);
      closeSync(this.#fd);
      this.#state = 'asked';
    }
    if (this.#state === 'asked') {
      await this.#waitUntilGone();
      this.#unmount();
      this.#state = 'detached';
    }
  }

  async #waitUntilGone(): Promise<void> {
    const name = this.name.replace('/dev/', '');
    for (let waitedMs = 0; waitedMs < detachWaitMsMax; waitedMs += detachPollMs) {
      if (!(await isConfigured(name))) return;
      await sleep(detachPollMs);
    }
    throw new DiskferryError('volume-busy', `${this.name}: it is still in use, so it cannot be taken away`);
  }
}

async function isConfigured(loopName: string): Promise<boolean> {
  try {
    await readFile(`/sys/block/${loopName}/loop/backing_file`);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
