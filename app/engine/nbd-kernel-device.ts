/**
 * The nbd frontend's kernel side: a block device /dev/nbdN, connected to our worker by socket pairs. The
 * kernel chooses a device that nobody uses. It is told at once what other clients negotiate (size, blocks,
 * what we can do), so both ends begin with the transmission phase.
 *
 * We keep the device open, and the kernel disconnects it when the last who has it open closes it: so it goes
 * away by being let go, never under somebody's feet, and nothing of it stays when this process is killed.
 *
 *   the engine's process has died    its sockets with it: requests wait for `deadConnectionSeconds`, and fail
 *   its worker alone has died        `abort`: requests fail at once
 *   its worker does not answer       requests wait for `requestSeconds`, then as if it had died
 *
 * Where a successor may come, a keeper has the device open as well, and the limits are others. The kernel sends what was
 * in flight once more only when it looks at a request that has taken too long and finds its socket replaced; and only
 * without a limit of its own does a request that is merely slow not cost the connection (nbd_xmit_timeout, since 5.8). So
 * there is none, it looks every few seconds, and who gives up a dead device has to disconnect it.
 */
import { close, closeSync, constants, open as openCallback, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { assert, DiskferryError, messageOf } from '../base/error.ts';
import { isKernelSince } from '../base/kernel-release.ts';
import { ensureNode } from '../devices/device-node.ts';
import { ensureKernelPart } from '../devices/kernel-part.ts';
import { listFolder, readAttribute } from '../devices/sysfs-files.ts';
import { privateBackend, teachUdev } from '../devices/udev-privacy.ts';
import type { DeviceGeometry } from '../frontends/frontend.ts';
import { offeredFlags } from '../frontends/nbd/protocol.ts';
import { addon, isAddonError } from '../../native/binding.ts';
import { connectNbd, disconnectNbd, reconfigureNbd } from '../../native/nbd.ts';
import { DeviceHold } from './device-hold.ts';
import type { DeviceHost, DeviceKeeper, VirtualDevice } from './device-host.ts';
import type { FrontendChoice } from './messages.ts';
import { WriteBack } from './write-back.ts';

// Off the main thread: each may wait for the engine.
const openFile = promisify(openCallback) as (path: string, flags: number) => Promise<number>;
const closeFile = promisify(close);

/**
 * The kernel has a queue for each, but one engine serves them all: with two, large writes were half as fast
 * (one CPU).
 */
const connectionCount = 1;
/** Longer than any disk takes to give up on a bad sector: a request that is late costs the whole device. */
const requestSeconds = 600;
/** Time for another engine to take over. */
const deadConnectionSecondsUsual = 30;
/** The successor starts, and waits for the dead process's last request, which a disk may hold for long. */
const successorSeconds = 600;
const lookMs = 5000;
/** In the kernel's message to the successor: none. */
const unlimited = 0;

export function canNbdBeTakenOver(kernelRelease?: string): boolean {
  return isKernelSince(5, 8, kernelRelease);
}

export interface NbdKernelOptions {
  readonly job: string;
  /** Another device of ours will lie on it, for everybody: udev is to leave it alone (devices/udev-privacy.ts). */
  readonly isPrivate?: boolean;
  readonly deadConnectionSeconds?: number;
  /** There may be a successor. */
  readonly keeper?: DeviceKeeper | undefined;
}

interface SocketPair {
  readonly ours: number;
  readonly kernels: number;
}

export class NbdKernelHost implements DeviceHost {
  readonly choice: FrontendChoice;
  readonly #pairs: readonly SocketPair[];
  readonly #job: string;
  readonly #identifier: string;
  readonly #deadConnectionSeconds: number;
  readonly #keeper: DeviceKeeper | undefined;
  #device: NbdDevice | undefined;

  /** Throws `frontend-failed` when the kernel has no nbd. */
  static async make(options: NbdKernelOptions): Promise<NbdKernelHost> {
    try {
      await ensureKernelPart('nbd');
      if (options.isPrivate === true) await teachUdev();
      return new NbdKernelHost(options);
    } catch (cause) {
      throw new DiskferryError('frontend-failed', `nbd: no device can be made: ${messageOf(cause)}`, {
        cause,
      });
    }
  }

  private constructor({ job, isPrivate = false, deadConnectionSeconds, keeper }: NbdKernelOptions) {
    const usual = keeper === undefined ? deadConnectionSecondsUsual : successorSeconds;
    this.#job = job;
    this.#identifier = `${identifierOf(job, isPrivate)}${process.pid}`;
    this.#deadConnectionSeconds = deadConnectionSeconds ?? usual;
    this.#keeper = keeper;
    this.#pairs = Array.from({ length: connectionCount }, () => {
      const [ours, kernels] = addon().socketPair();
      return { ours, kernels };
    });
    this.choice = { kind: 'nbd', socketFds: this.#pairs.map(({ ours }) => ours) };
  }

  async attach(geometry: DeviceGeometry): Promise<VirtualDevice> {
    const index = await this.#connect(geometry);
    const device = new NbdDevice(index, this.#identifier, this.#keeper);
    try {
      await device.hold(geometry);
      if (this.#keeper !== undefined) device.lookEvery(lookMs);
    } catch (cause) {
      await disconnectNbd(index);
      const message = `${device.name}: the device cannot be used: ${messageOf(cause)}`;
      throw new DiskferryError('frontend-failed', message, { cause });
    }
    this.#device = device;
    return device;
  }

  /** The device of a process that was killed, with its users: our sockets take the place of the dead ones. */
  async adopt(path: string): Promise<VirtualDevice> {
    const index = indexOf(path);
    const identifier = backendOf(index);
    if (identifier === null || !isOf(this.#job, identifier))
      throw new DiskferryError('frontend-failed', `${path}: it cannot be taken over: somebody has disconnected it`);
    try {
      const device = new NbdDevice(index, identifier, this.#keeper);
      await reconfigureNbd(index, {
        sockets: this.#pairs.map(({ kernels }) => kernels),
        backendIdentifier: identifier,
      });
      this.#device = device;
      await device.holdAgain();
      return device;
    } catch (cause) {
      // Nobody else serves it, and who waits has no limit.
      await disconnectNbd(index);
      throw new DiskferryError('frontend-failed', `${path}: it cannot be taken over: ${messageOf(cause)}`, { cause });
    }
  }

  async #connect({ sizeBytes, logicalBlockBytes }: DeviceGeometry): Promise<number> {
    try {
      return await connectNbd({
        sizeBytes,
        logicalBlockBytes,
        serverFlags: offeredFlags,
        sockets: this.#pairs.map(({ kernels }) => kernels),
        requestSeconds: this.#keeper === undefined ? requestSeconds : unlimited,
        deadConnectionSeconds: this.#deadConnectionSeconds,
        backendIdentifier: this.#identifier,
      });
    } catch (cause) {
      throw notConnected(cause);
    }
  }

  /** Should the kernel not hear us, its own limits end the wait. */
  abort(): void {
    for (const { ours } of this.#pairs) addon().shutDownSocket(ours);
    this.#device?.disconnect().catch(() => {});
  }

  async release(): Promise<void> {
    for (const { ours, kernels } of this.#pairs) for (const fd of [ours, kernels]) closeSync(fd);
    await this.#device?.removeNode();
  }
}

function notConnected(cause: unknown): DiskferryError {
  if (isAddonError(cause) && cause.code === 'ENOSPC')
    return new DiskferryError('no-device-left', 'nbd: the kernel has no number left for another device', { cause });
  return new DiskferryError('frontend-failed', `nbd: the kernel connects no device: ${messageOf(cause)}`, { cause });
}

class NbdDevice implements VirtualDevice {
  readonly name: string;
  readonly #index: number;
  readonly #identifier: string;
  readonly #writeBack: WriteBack;
  readonly #keeper: DeviceKeeper | undefined;
  #hold: DeviceHold | undefined;
  #hasOwnNode = false;

  constructor(index: number, identifier: string, keeper: DeviceKeeper | undefined) {
    this.#keeper = keeper;
    this.name = `/dev/nbd${index}`;
    this.#index = index;
    this.#identifier = identifier;
    this.#writeBack = new WriteBack(this.name);
  }

  get isAttached(): boolean {
    return this.#hold?.fd !== undefined;
  }

  /**
   * Only now may the kernel disconnect it at the last close: before we hold it, udev's would be the last.
   * Opened for reading, because udev looks anew at what was open for writing.
   */
  async hold(geometry: DeviceGeometry): Promise<void> {
    this.#hasOwnNode = await ensureNode({ path: this.name, type: 'block', sysfsPath: this.#sysfsPath });
    const fd = await openFile(this.name, constants.O_RDONLY);
    try {
      assertSameShape(fd, this.name, geometry);
      await this.#keeper?.keep(this.name);
      await reconfigureNbd(this.#index, { disconnectsOnClose: true, backendIdentifier: this.#identifier });
    } catch (error) {
      await this.#keeper?.letGo();
      await closeFile(fd);
      await this.removeNode();
      throw error;
    }
    this.#holdBy(fd);
  }

  /** As `hold`, after a process that was killed; the keeper has it. */
  async holdAgain(): Promise<void> {
    this.#holdBy(await openFile(this.name, constants.O_RDONLY));
  }

  #holdBy(fd: number): void {
    this.#hold = new DeviceHold({ path: this.name, openFlags: constants.O_RDONLY, isOurs: () => this.#isOurs() }, fd);
  }

  /** At requests that are under way. Without it the kernel looks every half minute. */
  lookEvery(ms: number): void {
    writeFileSync(`${this.#sysfsPath}/queue/io_timeout`, String(ms));
  }

  /** What is under way fails, and so does all that comes. */
  async disconnect(): Promise<void> {
    await disconnectNbd(this.#index);
  }

  async removeNode(): Promise<void> {
    if (this.#hasOwnNode) await rm(this.name, { force: true });
    this.#hasOwnNode = false;
  }

  async detach(): Promise<void> {
    const fd = this.#hold?.fd;
    if (fd === undefined) return;
    if (this.#isOurs()) await this.#writeBack.run(fd);
    await this.#keeper?.letGo();
    try {
      await this.#hold?.letGo();
    } catch (error) {
      await this.#keeper?.keep(this.name);
      throw error;
    }
  }

  /** Before and after it is connected the attribute is there and shows nothing (backend_show in nbd.c). */
  #isOurs(): boolean {
    return backendOf(this.#index) === this.#identifier;
  }

  get #sysfsPath(): string {
    return `/sys/block/nbd${this.#index}`;
  }
}

/**
 * Consumers must find the disk that they had. What nbd shows as the physical block is always the logical one.
 */
function assertSameShape(fd: number, path: string, { sizeBytes, logicalBlockBytes }: DeviceGeometry): void {
  const found = addon().blockGeometry(fd);
  const isSame = found.sizeBytes === sizeBytes && found.logicalBlockBytes === logicalBlockBytes;
  const described = `${found.sizeBytes} bytes in blocks of ${found.logicalBlockBytes}`;
  assert(isSame && !found.readOnly, `${path} is not as it was asked for: ${described}`);
}

/** Behind it comes the number of a process. */
function identifierOf(job: string, isPrivate: boolean): string {
  return `${isPrivate ? privateBackend : 'diskferry-'}${job}-`;
}

function indexOf(path: string): number {
  const index = Number(/^\/dev\/nbd(\d+)$/.exec(path)?.[1]);
  assert(Number.isInteger(index), `${path} is the path of an nbd device`);
  return index;
}

/** Null where there is no such device; empty or null where it has no server. */
function backendOf(index: number): string | null {
  return readAttribute(`/sys/block/nbd${index}/backend`);
}

/** What a dead job has left, and nobody will serve: who uses it gets errors. Returns their paths. */
export async function disconnectAbandoned(job: string): Promise<string[]> {
  const paths: string[] = [];
  for (const name of listFolder('/sys/block').filter((one) => /^nbd\d+$/.test(one))) {
    const index = Number(name.slice('nbd'.length));
    if (isOf(job, backendOf(index))) {
      await disconnectNbd(index);
      paths.push(`/dev/${name}`);
    }
  }
  return paths;
}

function isOf(job: string, backend: string | null): boolean {
  const starts = [false, true].map((isPrivate) => identifierOf(job, isPrivate));
  return starts.some((start) => backend?.startsWith(start) === true && /^\d+$/.test(backend.slice(start.length)));
}
