/**
 * Device-mapper devices: our own are created and removed here, with their nodes under /dev/mapper; the
 * tables of any device, ours or a consumer's, are read and replaced. Errors name the device and what stood
 * in the way.
 *
 * Always holds: a device that could not be set up whole is taken away again; a table that could not be
 * swapped in is taken back, and the device runs on its old one. Where even that fails, the error is
 * `device-suspended`: whoever uses the device waits until it is resumed.
 */
import { existsSync, rmSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { ErrorCode } from '../base/error.ts';
import { afterFailure, assert, DiskferryError } from '../base/error.ts';
import type { SwapTimes } from '../../native/binding.ts';
import { addon, isAddonError } from '../../native/binding.ts';
import type { DmDevice, DmTarget } from '../../native/device-mapper.ts';
import {
  clearTable,
  createDevice,
  deviceDependencies,
  deviceInfo,
  deviceStatus,
  deviceTable,
  listDevices,
  loadTable,
  removeDevice,
  removeDeviceAtLastClose,
  requireTarget,
  resumeDevice,
  suspendDevice,
  swapTable,
} from '../../native/device-mapper.ts';
import { majorMinorOf } from './block-device.ts';
import type { Segment } from './dm-table.ts';
import { segmentsOf, targetsOf } from './dm-table.ts';
import { hasModule, loadModule } from './kernel-module.ts';
import type { Audience } from './udev.ts';
import { isUdevRunning, withUdev } from './udev.ts';
import { keySerialFor } from './volume-key.ts';

const moduleName = 'dm_mod';
/** There as soon as device-mapper is. */
const sysfsPath = '/sys/class/misc/device-mapper';
const folder = '/dev/mapper';
const ownPrefix = 'diskferry-';
/** As udev's: anything else would be escaped in the node's name. */
const ownNamePattern = /^diskferry-[A-Za-z0-9_.-]{1,100}$/;
/** udev has a device open for a moment after each change. */
const removalAttempts = { max: 20, pauseMs: 50 } as const;

export interface MappedDevice {
  readonly name: string;
  /** `/dev/mapper/NAME` */
  readonly path: string;
  readonly majorMinor: string;
}

export interface MappedDeviceOptions {
  /** `diskferry-…` */
  readonly name: string;
  readonly segments: readonly Segment[];
  readonly readOnly?: boolean;
  readonly audience?: Audience;
}

/** It is there, or its module could be loaded. */
export async function isDeviceMapperOffered(): Promise<boolean> {
  return existsSync(sysfsPath) || hasModule(moduleName);
}

/** Makes it be there. Throws with modprobe's words when that cannot be. */
export async function ensureDeviceMapper(): Promise<void> {
  if (!existsSync(sysfsPath)) await loadModule(moduleName);
}

export function mappedPath(name: string): string {
  return `${folder}/${name}`;
}

/** The part before the first dash tells tools whose device it is, as LVM- and CRYPT- do. */
function uuidOf(name: string): string {
  return `DISKFERRY-${name.slice(ownPrefix.length)}`;
}

function isOwn(name: string): boolean {
  return ownNamePattern.test(name);
}

function errorOf(name: string, code: ErrorCode, options: { why: string; cause?: unknown }): DiskferryError {
  const { why, cause } = options;
  return new DiskferryError(code, `${mappedPath(name)}: ${why}`, {
    context: { device: mappedPath(name), name },
    cause,
  });
}

/** What an errno of each ioctl means; what is not here is told as the kernel told it. */
const meanings: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  'open ENOENT': ['no-device-mapper', 'this kernel offers no device-mapper'],
  'open ENODEV': ['no-device-mapper', 'this kernel offers no device-mapper'],
  'open ENXIO': ['no-device-mapper', 'this kernel offers no device-mapper'],
  'open EACCES': ['device-permission-denied', 'device-mapper is for root only'],
  'open EPERM': ['device-permission-denied', 'device-mapper is for root only'],
  // The kernel says so for want of a number as well as of memory (dm_create in drivers/md/dm.c).
  'ioctl(DM_DEV_CREATE) ENXIO': ['no-device-left', 'the kernel can make no more device-mapper devices'],
  'ioctl(DM_DEV_CREATE) EBUSY': ['device-in-use', 'a device of this name exists already'],
  'ioctl(DM_DEV_REMOVE) EBUSY': ['device-in-use', 'it is in use and cannot be removed'],
  'ioctl(DM_TABLE_LOAD) EBUSY': ['device-in-use', 'a device in its table is in use by something else'],
  'ioctl(DM_TABLE_LOAD) ENOKEY': ['passphrase-needed', 'the kernel needs its key again'],
  'ioctl(DM_TABLE_LOAD) ENODEV': ['device-missing', 'a device in its table does not exist'],
  'ioctl(DM_TABLE_LOAD) ENXIO': ['device-missing', 'a device in its table does not exist'],
};

/** ENXIO of every other command: there is no device of this name. */
function meaningOf(call: string, errno: string): readonly [ErrorCode, string] | undefined {
  const meaning = meanings[`${call} ${errno}`];
  if (meaning !== undefined || !call.startsWith('ioctl')) return meaning;
  if (errno === 'ENXIO') return ['device-missing', 'there is no such device'];
  return errno === 'ENOMEM' ? ['mapping-failed', `the kernel has no memory for it (${call}: ENOMEM)`] : undefined;
}

async function named<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (cause) {
    if (!isAddonError(cause)) throw cause;
    const [code, why] = meaningOf(cause.syscall, cause.code) ?? ['mapping-failed', cause.message];
    throw errorOf(name, code, { why, cause });
  }
}

/** The number is not there when nothing follows the path. */
function numberAt(path: string): bigint | undefined {
  const status = statSync(path, { bigint: true, throwIfNoEntry: false });
  return status?.isBlockDevice() === true ? status.rdev : undefined;
}

/** udev's is a link; without udev, or when it did not come in time, ours is a node. */
function ensureNode({ name, deviceNumber }: DmDevice): void {
  const path = mappedPath(name);
  if (numberAt(path) === deviceNumber) return;
  rmSync(path, { force: true });
  const [major = 0, minor = 0] = majorMinorOf(deviceNumber).split(':').map(Number);
  addon().makeBlockNode(path, major, minor);
}

/** The kernel gives EINVAL for both an unknown target and bad parameters. */
async function whyRefused(segments: readonly Segment[]): Promise<string> {
  for (const type of new Set(targetsOf(segments).map((target) => target.type))) {
    try {
      await requireTarget(type);
    } catch (error) {
      if (isAddonError(error) && error.code === 'EINVAL')
        return `this kernel has no device-mapper target "${type}"`;
      throw error;
    }
  }
  return 'the kernel refused its table; the kernel log has the reason';
}

async function load(name: string, segments: readonly Segment[], readOnly: boolean): Promise<void> {
  await named(name, async () => {
    try {
      await loadTable({ name, targets: targetsOf(segments), readOnly, keySerial: keySerialFor(segments) });
    } catch (cause) {
      if (!isAddonError(cause) || cause.code !== 'EINVAL') throw cause;
      throw errorOf(name, 'mapping-failed', { why: await whyRefused(segments), cause });
    }
  });
}

/** Makes a device of ours; it is there, with its node, when this returns. */
export async function createMapped(options: MappedDeviceOptions): Promise<MappedDevice> {
  const { name, segments, readOnly = false, audience = 'everybody' } = options;
  assert(isOwn(name), `not a name for a device of ours: ${name}`);
  await named(name, () => createDevice({ name, uuid: uuidOf(name) }));
  try {
    await load(name, segments, readOnly);
    const { device } = await named(name, () => withUdev(audience, (cookie) => resumeDevice(name, cookie)));
    ensureNode(device);
    return { name, path: mappedPath(name), majorMinor: majorMinorOf(device.deviceNumber) };
  } catch (error) {
    throw await afterFailure(error, () => removeMapped(name));
  }
}

async function removeOrWait(name: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await withUdev('everybody', (cookie) => removeDevice(name, cookie));
      return;
    } catch (error) {
      const mayPass = isAddonError(error) && error.code === 'EBUSY' && isUdevRunning();
      if (!mayPass || attempt === removalAttempts.max) throw error;
      await sleep(removalAttempts.pauseMs);
    }
  }
}

/** Takes a device of ours away, with its node. */
export async function removeMapped(name: string): Promise<void> {
  assert(isOwn(name), `not a device of ours: ${name}`);
  await named(name, () => removeOrWait(name));
  rmSync(mappedPath(name), { force: true });
}

/** Takes a device of ours away as soon as nobody has it open any more, which may be now. */
export async function removeWhenUnused(name: string): Promise<void> {
  assert(isOwn(name), `not a device of ours: ${name}`);
  await named(name, () => withUdev('everybody', (cookie) => removeDeviceAtLastClose(name, cookie)));
}

export interface ReplaceOptions {
  /** Any device, also a consumer's: its LV, its LUKS container. */
  readonly name: string;
  readonly segments: readonly Segment[];
  /** Open on what must be on disk before the new table serves; null: nothing is flushed. */
  readonly flushFd: number | null;
}

/**
 * Puts another table under a device in use; everything that was in flight has ended on the old one. A device
 * that somebody else has suspended stays so: its owner is in the middle of something.
 */
export async function replaceTable({ name, segments, flushFd }: ReplaceOptions): Promise<SwapTimes> {
  await prepareTable(name, segments);
  return activatePrepared({ name, segments, flushFd });
}

/** The kernel checks the table and opens its devices; nothing has changed yet for who uses the device. */
export async function prepareTable(name: string, segments: readonly Segment[]): Promise<void> {
  const { isReadOnly, isSuspended } = await infoOf(name);
  if (isSuspended) throw errorOf(name, 'device-suspended', { why: 'it is suspended' });
  await load(name, segments, isReadOnly);
}

/** Takes back what was prepared. Does nothing when nothing was. */
export async function dropPrepared(name: string): Promise<void> {
  await named(name, () => clearTable(name));
}

/** The second half of `replaceTable`; `segments` are those that were prepared. */
export async function activatePrepared({ name, segments, flushFd }: ReplaceOptions): Promise<SwapTimes> {
  try {
    const times = await named(name, () => swapTable({ name, flushFd }));
    await requireTable(name, segments);
    return times;
  } catch (error) {
    await goBack(name, error);
    throw error;
  }
}

/** Whether the device runs on this table. */
export async function servesTable(name: string, segments: readonly Segment[]): Promise<boolean> {
  const active = await named(name, () => deviceTable(name));
  return isDeepStrictEqual(active.map(comparable), targetsOf(segments).map(comparable));
}

/** A resume without a loaded table succeeds too: had somebody taken ours back, the old one would serve on. */
export async function requireTable(name: string, segments: readonly Segment[]): Promise<void> {
  if (await servesTable(name, segments)) return;
  throw errorOf(name, 'mapping-failed', { why: 'another program has changed its table' });
}

/** Holds back every request until `resumeMapped`, without freezing the file system on it. */
export async function suspendMapped(name: string): Promise<void> {
  await named(name, () => suspendDevice({ name, noFlush: true, skipLockfs: true }));
}

/** Puts another table under a device whose I/O is held, and lets it go on. */
export async function replaceSuspended(name: string, segments: readonly Segment[]): Promise<void> {
  await load(name, segments, (await infoOf(name)).isReadOnly);
  await resumeMapped(name);
  await requireTable(name, segments);
}

/** Who has suspended it, or its watchdog, is about to let it go on. */
export async function awaitResumed(name: string, msMax: number): Promise<void> {
  const endMs = performance.now() + msMax;
  while ((await infoOf(name)).isSuspended) {
    if (performance.now() >= endMs) throw errorOf(name, 'device-suspended', { why: 'it stays suspended' });
    await sleep(removalAttempts.pauseMs);
  }
}

/** Goes on, with the prepared table if there is one. */
export async function resumeMapped(name: string): Promise<void> {
  await named(name, () => resumeDevice(name));
}

/**
 * Goes on with the table that it has had. Should the prepared one stay, it does not: it would take that one's
 * place.
 */
export async function resumeUnchanged(name: string): Promise<void> {
  await dropPrepared(name);
  await resumeMapped(name);
}

/** The kernel shows these two as they were loaded; of others it may leave out keys and defaults. */
function comparable({ parameters, ...target }: DmTarget): DmTarget {
  const isShownWhole = target.type === 'linear' || target.type === 'striped';
  return { ...target, parameters: isShownWhole ? parameters : '' };
}

/** After a failed swap: the native call has resumed the device if it could. */
async function goBack(name: string, cause: unknown): Promise<void> {
  const { isSuspended } = await infoOf(name);
  if (isSuspended)
    throw errorOf(name, 'device-suspended', { why: 'it is suspended and could not be resumed', cause });
  await named(name, () => clearTable(name));
}

export async function infoOf(name: string): Promise<DmDevice> {
  return named(name, () => deviceInfo(name));
}

export async function tableOf(name: string): Promise<Segment[]> {
  return segmentsOf(await named(name, () => deviceTable(name)));
}

/** One text per segment, as its target reports (for linear: nothing). */
export async function statusOf(name: string): Promise<string[]> {
  const targets = await named(name, () => deviceStatus(name));
  return targets.map(({ parameters }) => parameters);
}

/** The devices that it lies on, as `majorMinor`. */
export async function dependenciesOf(name: string): Promise<string[]> {
  return (await named(name, () => deviceDependencies(name))).map(majorMinorOf);
}

/** All devices of ours, such as a crash may have left. */
export async function ownDevices(): Promise<string[]> {
  const devices = await named('control', () => listDevices());
  return devices.map(({ name }) => name).filter(isOwn);
}
