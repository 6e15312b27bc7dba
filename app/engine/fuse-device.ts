/**
 * The fuse frontend's kernel side: a file served over FUSE, and the loop device on top that consumers use.
 * The mount comes first, then the engine that serves it, then the loop device, whose set-up already
 * reads through the engine. Taken down in reverse: the loop device must go before the engine, or
 * every later open of it would hang.
 */
import { closeSync, constants } from 'node:fs';
import { open, readFile, unlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { DiskferryError, messageOf } from '../base/error.ts';
import type { DeviceGeometry } from '../frontends/frontend.ts';
import { requestDataBytesMax } from '../router/request.ts';
import { addon, isAddonError } from '../../native/binding.ts';
import type { LoopDevice } from '../../native/binding.ts';
import { DeviceHold } from './device-hold.ts';
import type { DeviceHost, VirtualDevice } from './device-host.ts';
import type { FrontendChoice } from './messages.ts';
import { WriteBack } from './write-back.ts';

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
      throw new DiskferryError('frontend-failed', `${path}: cannot be served by FUSE: ${messageOf(cause)}`, {
        cause,
      });
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
      // Before kernel 6.16 a loop device takes the size that the kernel knows already, and asks nobody.
      await backing.stat();
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

  /**
   * Ends the connection once nothing holds the file; reads of the fd then fail, and the engine's frontend is
   * closed.
   */
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
  readonly #writeBack: WriteBack;
  readonly #hold: DeviceHold;

  constructor(loop: LoopDevice, backingPath: string, unmount: () => void) {
    this.name = loop.path;
    this.#writeBack = new WriteBack(loop.path);
    const held = { path: loop.path, openFlags: constants.O_RDWR, isOurs: () => this.#isOurs() };
    this.#hold = new DeviceHold(held, loop.fd);
    this.#backingPath = backingPath;
    this.#unmount = unmount;
  }

  get isAttached(): boolean {
    return this.#hold.fd !== undefined;
  }

  /** What its last user left in the page cache is written back first. */
  async detach(): Promise<void> {
    const { fd } = this.#hold;
    if (fd === undefined) return;
    await this.#writeBack.run(fd);
    await this.#hold.letGo();
    this.#unmount();
  }

  async #isOurs(): Promise<boolean> {
    try {
      const attribute = `/sys/block/${basename(this.name)}/loop/backing_file`;
      return (await readFile(attribute, 'utf8')).trimEnd() === this.#backingPath;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw error;
    }
  }
}
