/**
 * One disk of the kernel's ublk driver: added, started with a geometry, stopped, deleted. Owns its character
 * device's descriptor and the nodes that we had to make.
 *
 * The disk is made recoverable: if the whole process dies, its consumers wait instead of getting errors, and
 * what was in flight is handed to the next server. Until there is one, `removeAbandoned` ends their wait.
 */
import { close, closeSync, constants, existsSync, open as openCallback, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { assert } from '../base/error.ts';
import { blockBytes } from '../base/units.ts';
import { ensureNode } from '../devices/device-node.ts';
import { listFolder } from '../devices/sysfs-files.ts';
import { ensureUblkControl } from '../devices/ublk-control.ts';
import type { DeviceGeometry } from '../frontends/frontend.ts';
import { queueDepth, rangeBytesMax, requestBytesMax } from '../frontends/ublk/protocol.ts';
import { addon, isAddonError } from '../../native/binding.ts';
import type { UblkDeviceInfo } from '../../native/ublk.ts';
import { UblkControl, ublkFlag } from '../../native/ublk.ts';

// Off the main thread: each may wait for the engine.
const openFile = promisify(openCallback) as (path: string, flags: number) => Promise<number>;
const closeFile = promisify(close);

const classPath = '/sys/class/ublk-char';
/** The kernel reads the partition table through the engine, from whatever disk that may be. */
const startMsMax = 60_000;
/** Who still has a dead disk open keeps it; the kernel deletes it when they let go. */
const deleteMsMax = 3000;

/** In the upper half of a disk's mark; the lower half is our process. */
const ourMark = 0x6469736bn;
const markShift = 32n;

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
      flags: ublkFlag.userRecovery | ublkFlag.userRecoveryReissue,
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

/** Deletes disks of ours whose process was killed; their consumers get errors then. Returns their paths. */
export async function removeAbandoned(): Promise<string[]> {
  const names = listFolder(classPath);
  if (names.length === 0) return [];
  const control = await UblkControl.find();
  const removed: string[] = [];
  for (const name of names) {
    const id = Number(name.slice('ublkc'.length));
    const info = await infoOf(control, id);
    if (info === undefined || !isAbandoned(info)) continue;
    await deleteDisk(control, id);
    removed.push(`/dev/ublkb${id}`);
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
