/**
 * One disk of the kernel's ublk driver: added, started with a geometry, stopped, deleted. Owns its character
 * device's descriptor and the nodes that we had to make.
 *
 * The disk is made recoverable: if the whole process dies, its consumers wait instead of getting errors, and
 * what was in flight is handed to the next server, a successor that takes the disk over. Nobody else may keep its
 * character device open meanwhile, or the kernel would not hand it on. Where no successor is to come,
 * `removeAbandoned` ends the wait.
 *
 *   the process is killed ─▶ quiesced ─ takeOver ─▶ (the new server fetches) ─ resume ─▶ live
 */
import { close, closeSync, constants, existsSync, open as openCallback, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { assert } from '../base/error.ts';
import { isKernelSince } from '../base/kernel-release.ts';
import { blockBytes } from '../base/units.ts';
import { ensureNode } from '../devices/device-node.ts';
import { listFolder } from '../devices/sysfs-files.ts';
import { ensureUblkControl } from '../devices/ublk-control.ts';
import { markUblk } from '../devices/udev-privacy.ts';
import type { DeviceGeometry } from '../frontends/frontend.ts';
import { queueDepth, rangeBytesMax, requestBytesMax } from '../frontends/ublk/protocol.ts';
import { addon, isAddonError } from '../../native/binding.ts';
import type { UblkDeviceInfo } from '../../native/ublk.ts';
import { UblkControl, ublkFlag } from '../../native/ublk.ts';
import { LiveFiles } from './live-files.ts';

// Off the main thread: each may wait for the engine.
const openFile = promisify(openCallback) as (path: string, flags: number) => Promise<number>;
const closeFile = promisify(close);

const classPath = '/sys/class/ublk-char';
/** The kernel reads the partition table through the engine, from whatever disk that may be. */
const startMsMax = 60_000;
/** Who still has a dead disk open keeps it; the kernel deletes it when they let go. */
const deleteMsMax = 3000;
/** The kernel takes back what a dead server had in flight; before that it hands the disk to nobody. */
const handOverMsMax = 60_000;
const handOverPollMs = 20;

/** In the upper half of a disk's mark; the lower half is our process. */
const ourMark = 0x6469736bn;
const markShift = 32n;
const recoverable = ublkFlag.userRecovery | ublkFlag.userRecoveryReissue;

/**
 * Since 6.1 the kernel hands a disk on, but before 6.12 it may crash when a server is killed that has just been about to
 * take one over (0e85f71e43ae of linux-stable: a NULL pointer in ublk_ctrl_start_recovery).
 */
export function canUblkBeTakenOver(kernelRelease?: string): boolean {
  return isKernelSince(6, 12, kernelRelease);
}

export class UblkDisk {
  readonly control: UblkControl;
  readonly characterFd: number;
  readonly path: string;
  readonly #id: number;
  readonly #sysfsPath: string;
  /** Nodes that we had to make ourselves. */
  readonly #ownNodes: string[] = [];
  #isOpen = true;
  #stopped: Promise<void> | undefined;

  static async add(control: UblkControl): Promise<UblkDisk> {
    const { id } = await control.add({
      queueDepth,
      requestBytesMax,
      flags: recoverable,
      mark: (ourMark << markShift) | BigInt(process.pid),
    });
    try {
      const path = `/dev/ublkc${id}`;
      const isOwn = await ensureNode({ path, type: 'character', sysfsPath: `${classPath}/ublkc${id}` });
      const disk = new UblkDisk(control, id, await openFile(path, constants.O_RDWR));
      if (isOwn) disk.#ownNodes.push(path);
      return disk;
    } catch (error) {
      await control.delete(id, deleteMsMax);
      throw error;
    }
  }

  /** The disk of a server that was killed, with its consumers, who wait. The new server fetches, then comes `resume`. */
  static async takeOver(control: UblkControl, path: string): Promise<UblkDisk> {
    const id = Number(/^\/dev\/ublkb(\d+)$/.exec(path)?.[1]);
    assert(Number.isInteger(id), `${path} is the path of a ublk disk`);
    const { mark, flags } = await control.info(id);
    assert(mark >> markShift === ourMark && (flags & recoverable) === recoverable, `${path} is ours to take over`);
    await startRecovery(control, id);
    const characterPath = `/dev/ublkc${id}`;
    await ensureNode({ path: characterPath, type: 'character', sysfsPath: `${classPath}/ublkc${id}` });
    const disk = new UblkDisk(control, id, await openFile(characterPath, constants.O_RDWR));
    // The dead process may have made them. Where it has not, the kernel or udev is about to remove them as well.
    disk.#ownNodes.push(characterPath, path);
    return disk;
  }

  private constructor(control: UblkControl, id: number, characterFd: number) {
    this.control = control;
    this.characterFd = characterFd;
    this.#id = id;
    this.path = `/dev/ublkb${id}`;
    this.#sysfsPath = `/sys/class/block/ublkb${id}`;
  }

  async start(geometry: DeviceGeometry): Promise<void> {
    await this.control.setParameters(this.#id, {
      ...geometry,
      requestBytesMax,
      discardGranularityBytes: Math.max(blockBytes, geometry.logicalBlockBytes),
      discardBytesMax: rangeBytesMax,
      writeZeroesBytesMax: rangeBytesMax,
    });
    await this.control.start(this.#id, process.pid, startMsMax);
    const isOwn = await ensureNode({ path: this.path, type: 'block', sysfsPath: this.#sysfsPath });
    if (isOwn) this.#ownNodes.push(this.path);
    await this.#verify(geometry);
  }

  /** After `takeOver`: what consumers have been waiting for is served. */
  async resume(): Promise<void> {
    await this.control.endRecovery(this.#id, process.pid, startMsMax);
  }

  /** Consumers must find the disk that they had. */
  async #verify(geometry: DeviceGeometry): Promise<void> {
    const fd = await openFile(this.path, constants.O_RDONLY);
    try {
      const { sizeBytes, logicalBlockBytes, physicalBlockBytes } = addon().blockGeometry(fd);
      const isSame =
        sizeBytes === geometry.sizeBytes &&
        logicalBlockBytes === geometry.logicalBlockBytes &&
        physicalBlockBytes === geometry.physicalBlockBytes;
      const found = `${sizeBytes} bytes in blocks of ${logicalBlockBytes} (physically ${physicalBlockBytes})`;
      assert(isSame, `${this.path} is not as it was asked for: ${found}`);
    } finally {
      await closeFile(fd);
    }
  }

  /** False when it has been stopped, by us or by somebody's hand. */
  get isThere(): boolean {
    return existsSync(this.#sysfsPath);
  }

  get isStopping(): boolean {
    return this.#stopped !== undefined;
  }

  get majorMinor(): string {
    return readFileSync(`${this.#sysfsPath}/dev`, 'utf8').trim();
  }

  /** The block device goes; who has it open gets errors. Once, however often it is called. */
  stop(): Promise<void> {
    this.#stopped ??= this.control.stop(this.#id);
    return this.#stopped;
  }

  closeCharacter(): void {
    if (this.#isOpen) closeSync(this.characterFd);
    this.#isOpen = false;
  }

  async delete(): Promise<void> {
    this.closeCharacter();
    for (const path of this.#ownNodes) await rm(path, { force: true });
    await deleteDisk(this.control, this.#id);
  }
}

/**
 * EBUSY: the dead server is not quite gone. EINVAL: a successor was killed right after this very step, which is not to be
 * repeated (nr_queues_ready in ublk_ctrl_start_recovery).
 */
async function startRecovery(control: UblkControl, id: number): Promise<void> {
  const endMs = performance.now() + handOverMsMax;
  for (;;) {
    try {
      await control.startRecovery(id);
      return;
    } catch (error) {
      if (!isAddonError(error)) throw error;
      if (error.code === 'EINVAL') return;
      if (error.code !== 'EBUSY' || performance.now() >= endMs) throw error;
    }
    await sleep(handOverPollMs);
  }
}

/** Should somebody still have it open, the kernel goes on by itself when they let go (ublk_ctrl_del_dev). */
async function deleteDisk(control: UblkControl, id: number): Promise<void> {
  try {
    await control.delete(id, deleteMsMax);
  } catch (error) {
    if (!isAddonError(error) || error.code !== 'ETIMEDOUT') throw error;
  }
}

/**
 * Throws when no disk can be made, as where the control device is hidden or, before kernel 6.5, there are 64
 * already.
 */
export async function tryUblk(): Promise<void> {
  await ensureUblkControl();
  const disk = await UblkDisk.add(await UblkControl.find());
  await disk.delete();
}

/**
 * Deletes disks of ours whose process was killed and that no successor will take over; their consumers get errors then.
 * `job` is one of which it is known that nobody will. Returns their paths.
 */
export async function removeAbandoned(job?: string): Promise<string[]> {
  const names = listFolder(classPath);
  if (names.length === 0) return [];
  const control = await UblkControl.find();
  const removed: string[] = [];
  for (const name of names) {
    const id = Number(name.slice('ublkc'.length));
    const info = await infoOf(control, id);
    const path = `/dev/ublkb${id}`;
    if (info === undefined || !isAbandoned(info) || LiveFiles.isAwaited(path, job)) continue;
    await deleteDisk(control, id);
    // Its number may be another program's next.
    await markUblk(path, false);
    removed.push(path);
  }
  return removed;
}

/** Undefined when it has just gone. */
async function infoOf(control: UblkControl, id: number): Promise<UblkDeviceInfo | undefined> {
  try {
    return await control.info(id);
  } catch (error) {
    if (isAddonError(error) && error.code === 'ENODEV') return undefined;
    throw error;
  }
}

/** A disk that has not been started yet may be that of a job which is about to. */
function isAbandoned({ mark, state }: UblkDeviceInfo): boolean {
  if (mark >> markShift !== ourMark) return false;
  const processId = Number(mark & ((1n << markShift) - 1n));
  return state === 'quiesced' || (state === 'dead' && !existsSync(`/proc/${processId}`));
}
