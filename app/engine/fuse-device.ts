/**
 * The fuse frontend's kernel side: a file served over FUSE, and the loop device on top that consumers use.
 * The mount comes first, then the engine that serves it, then the loop device, whose set-up already
 * reads through the engine. Taken down in reverse: the loop device must go before the engine, or
 * every later open of it would hang.
 */
import { closeSync, constants, open as openCallback, openSync, writeSync } from 'node:fs';
import { open, unlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { DiskferryError, messageOf, present } from '../base/error.ts';
import { isKernelSince } from '../base/kernel-release.ts';
import { readAttribute } from '../devices/sysfs-files.ts';
import { makeLoopPrivate } from '../devices/udev-privacy.ts';
import type { DeviceGeometry } from '../frontends/frontend.ts';
import { requestDataBytesMax } from '../router/request.ts';
import { addon, isAddonError } from '../../native/binding.ts';
import type { LoopDevice } from '../../native/binding.ts';
import { DeviceHold } from './device-hold.ts';
import type { DeviceHost, DeviceKeeper, VirtualDevice } from './device-host.ts';
import type { FrontendChoice } from './messages.ts';
import { WriteBack } from './write-back.ts';

/** In the job's directory. */
export const virtualFileName = 'virtual-device';
/** struct fuse_out_header with FUSE_NOTIFY_RESEND in the place of the error (linux/fuse.h, kernel 6.9). */
const resendNotice = new Uint8Array(new Uint32Array([16, 7, 0, 0]).buffer);

// Off the main thread: it may wait for the engine.
const openFile = promisify(openCallback) as (path: string, flags: number) => Promise<number>;

export interface FuseOptions {
  /** The job's own. */
  readonly directory: string;
  readonly job: string;
  /** Another device of ours will lie on it, for everybody: udev is to leave it alone (devices/udev-privacy.ts). */
  readonly isPrivate?: boolean;
  /** /dev/fuse, opened by the supervisor, which keeps it: a successor can go on with it. */
  readonly sharedFd?: number | undefined;
  readonly keeper?: DeviceKeeper | undefined;
}

/** Non-blocking: a blocking read in flight keeps later ones of the ring waiting. */
export function openFuse(): number {
  return openSync('/dev/fuse', constants.O_RDWR | constants.O_NONBLOCK);
}

/** FUSE_NOTIFY_RESEND came with kernel 6.9. */
export function canBeTakenOver(kernelRelease?: string): boolean {
  return isKernelSince(6, 9, kernelRelease);
}

export class FuseHost implements DeviceHost {
  readonly choice: FrontendChoice;
  readonly #path: string;
  readonly #fuseFd: number;
  readonly #keeper: DeviceKeeper | undefined;
  #isMounted = true;
  #isOpen = true;

  /** Mounts a file named `virtual-device` in `directory`. */
  static async mount({ directory, job, isPrivate = false, sharedFd, keeper }: FuseOptions): Promise<FuseHost> {
    const path = join(directory, virtualFileName);
    try {
      if (isPrivate) await makeLoopPrivate(path);
      const deviceFd = sharedFd ?? openFuse();
      await writeFile(path, '', { flag: 'wx', mode: 0o600 });
      addon().fuseMount({ path, name: `diskferry-${job}`, maxReadBytes: requestDataBytesMax, deviceFd });
      return new FuseHost(path, deviceFd, keeper);
    } catch (cause) {
      throw new DiskferryError('frontend-failed', `${path}: cannot be served by FUSE: ${messageOf(cause)}`, {
        cause,
      });
    }
  }

  /** Goes on with what was mounted for a process that was killed. */
  static takeOver({ directory, sharedFd, keeper }: FuseOptions): FuseHost {
    return new FuseHost(join(directory, virtualFileName), present(sharedFd, 'the connection to take over'), keeper);
  }

  private constructor(path: string, fuseFd: number, keeper: DeviceKeeper | undefined) {
    this.#path = path;
    this.#fuseFd = fuseFd;
    this.#keeper = keeper;
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
      await this.#keeper?.keep(loop.path);
      return this.#deviceAt(loop);
    } catch (cause) {
      const message = `${this.#path}: no loop device for it: ${messageOf(cause)}`;
      throw new DiskferryError('frontend-failed', message, { cause });
    } finally {
      await backing.close();
    }
  }

  /**
   * The device of a process that was killed. The kernel sends again every request that it has had no answer to;
   * the engine must be serving.
   */
  async adopt(path: string): Promise<VirtualDevice> {
    writeSync(this.#fuseFd, resendNotice);
    return this.#deviceAt({ path, fd: await openFile(path, constants.O_RDWR) });
  }

  #deviceAt(loop: LoopDevice): VirtualDevice {
    return new LoopOverFuse(loop, {
      backingPath: this.#path,
      unmount: () => this.#unmount(),
      keeper: this.#keeper,
    });
  }

  /** Ends the connection, whoever else holds its fd: who waits for the device gets errors. */
  abort(): void {
    if (this.#isMounted) unlessUnmounted(() => addon().unmountForce(this.#path));
    this.#closeFd();
  }

  async release(): Promise<void> {
    this.#unmount();
    this.#closeFd();
    await unlink(this.#path);
  }

  /**
   * Ends the connection once nothing holds the file; reads of the fd then fail, and the engine's frontend is
   * closed.
   */
  #unmount(): void {
    if (!this.#isMounted) return;
    unlessUnmounted(() => addon().unmountDetach(this.#path));
    this.#isMounted = false;
  }

  #closeFd(): void {
    if (this.#isOpen) closeSync(this.#fuseFd);
    this.#isOpen = false;
  }
}

/** Somebody may have unmounted it by hand. */
function unlessUnmounted(unmount: () => void): void {
  try {
    unmount();
  } catch (error) {
    if (!isAddonError(error) || error.code !== 'EINVAL') throw error;
  }
}

interface Backing {
  readonly backingPath: string;
  readonly unmount: () => void;
  readonly keeper: DeviceKeeper | undefined;
}

class LoopOverFuse implements VirtualDevice {
  readonly name: string;
  readonly #backing: Backing;
  readonly #writeBack: WriteBack;
  readonly #hold: DeviceHold;

  constructor(loop: LoopDevice, backing: Backing) {
    this.name = loop.path;
    this.#writeBack = new WriteBack(loop.path);
    const held = { path: loop.path, openFlags: constants.O_RDWR, isOurs: () => this.#isOurs() };
    this.#hold = new DeviceHold(held, loop.fd);
    this.#backing = backing;
  }

  get isAttached(): boolean {
    return this.#hold.fd !== undefined;
  }

  /** What its last user left in the page cache is written back first. */
  async detach(): Promise<void> {
    const { fd } = this.#hold;
    if (fd === undefined) return;
    await this.#writeBack.run(fd);
    await this.#backing.keeper?.letGo();
    try {
      await this.#hold.letGo();
    } catch (error) {
      await this.#backing.keeper?.keep(this.name);
      throw error;
    }
    this.#backing.unmount();
  }

  #isOurs(): boolean {
    return readAttribute(`/sys/block/${basename(this.name)}/loop/backing_file`) === this.#backing.backingPath;
  }
}
