/**
 * Device-mapper's commands, one function each, as the kernel has them: no policy, no nodes in /dev, no
 * waiting for udev (app/devices/device-mapper.ts adds these). Every function throws an `AddonError` with
 * the failed ioctl.
 *
 * A device has an active table and a place for a loaded one. `resumeDevice` makes the loaded table the active
 * one; until then nothing that was loaded has any effect, and `clearTable` takes it back.
 */
import { assert } from '../app/base/error.ts';
import type { SwapTimes } from './binding.ts';
import { addon } from './binding.ts';
import type { DmDevice, DmListEntry, DmTarget, MessageOptions } from './device-mapper-message.ts';
import {
  decodeDependencies,
  decodeDevice,
  decodeList,
  decodeTable,
  decodeVersion,
  dmFlag,
  encodeMessage,
  encodeTable,
  flagsOf,
} from './device-mapper-message.ts';

export type { DmDevice, DmListEntry, DmTarget } from './device-mapper-message.ts';

/** In the order of `commands` in device-mapper.cc. */
const deviceMapperCommands = [
  'version',
  'list',
  'create',
  'remove',
  'suspend',
  'status',
  'load',
  'clear',
  'dependencies',
  'table',
  'targetVersion',
] as const;
type DeviceMapperCommand = (typeof deviceMapperCommands)[number];

/** For the kernel's answers: most fit in the first, and a table of a million segments in the last. */
const answerBytes = { first: 16 * 1024, max: 256 * 1024 * 1024 } as const;

function call(command: DeviceMapperCommand, message: Uint8Array, keySerial = 0): Promise<Uint8Array> {
  return addon().deviceMapperCall(deviceMapperCommands.indexOf(command), message, keySerial);
}

/** Asks again with more room until the answer is whole. */
async function ask(command: DeviceMapperCommand, options: MessageOptions): Promise<Uint8Array> {
  for (let bytes = answerBytes.first; ; bytes *= 4) {
    const answer = await call(command, encodeMessage({ ...options, answerBytes: bytes }));
    if ((flagsOf(answer) & dmFlag.bufferFull) === 0) return answer;
    assert(
      bytes < answerBytes.max,
      `device-mapper's answer about ${options.name ?? 'its devices'} has no end`,
    );
  }
}

/** Of the kernel's interface, such as "4.48.0". Needs only that device-mapper is there. */
export async function deviceMapperVersion(): Promise<string> {
  return decodeVersion(await call('version', encodeMessage({})));
}

/** Throws with EINVAL when the kernel has no such target and cannot load it. Since kernel 5.5. */
export async function requireTarget(type: string): Promise<void> {
  await call('targetVersion', encodeMessage({ name: type, answerBytes: answerBytes.first }));
}

export async function listDevices(): Promise<DmListEntry[]> {
  return decodeList(await ask('list', {}));
}

/** Without a table. EBUSY when the name or the uuid is taken. */
export async function createDevice(device: {
  readonly name: string;
  readonly uuid: string;
}): Promise<DmDevice> {
  return decodeDevice(await call('create', encodeMessage(device)));
}

export interface LoadOptions {
  readonly name: string;
  readonly targets: readonly DmTarget[];
  readonly readOnly?: boolean;
  /** Of the key that the table names; 0: it names none, or one that our session has. */
  readonly keySerial?: number;
}

/**
 * EINVAL: a target or its parameters are wrong (the kernel log has the reason); EBUSY: a device is claimed;
 * ENOKEY: a key that the table names is not to be found.
 */
export async function loadTable({
  name,
  targets,
  readOnly = false,
  keySerial = 0,
}: LoadOptions): Promise<DmDevice> {
  const message = encodeTable({ name, flags: dmFlag.secureData | (readOnly ? dmFlag.readOnly : 0) }, targets);
  try {
    return decodeDevice(await call('load', message, keySerial));
  } finally {
    message.fill(0);
  }
}

export async function clearTable(name: string): Promise<DmDevice> {
  return decodeDevice(await call('clear', encodeMessage({ name })));
}

export interface SuspendOptions {
  readonly name: string;
  /** Leaves requests queued that a target holds back (multipath, mirror), instead of waiting for them. */
  readonly noFlush: boolean;
  /** Does not freeze the file system on it: it would wait for everything that is dirty. */
  readonly skipLockfs: boolean;
}

function suspendMessage({ name, noFlush, skipLockfs }: SuspendOptions): Uint8Array {
  const flags = dmFlag.suspend | (noFlush ? dmFlag.noFlush : 0) | (skipLockfs ? dmFlag.skipLockfs : 0);
  return encodeMessage({ name, flags });
}

/** Returns when everything in flight has ended; what comes after waits for the resume. */
export async function suspendDevice(options: SuspendOptions): Promise<DmDevice> {
  return decodeDevice(await call('suspend', suspendMessage(options)));
}

/** The answer says too whether an event was sent, which carries the cookie to udev. */
export interface Announced {
  readonly device: DmDevice;
  readonly ueventGenerated: boolean;
}

function announced(answer: Uint8Array): Announced {
  return { device: decodeDevice(answer), ueventGenerated: (flagsOf(answer) & dmFlag.ueventGenerated) !== 0 };
}

/** Should the device run, it is suspended for the change without flushing or freezing. */
function resumeMessage(name: string, cookie: number): Uint8Array {
  return encodeMessage({ name, cookie, flags: dmFlag.noFlush | dmFlag.skipLockfs });
}

export async function resumeDevice(name: string, cookie = 0): Promise<Announced> {
  return announced(await call('suspend', resumeMessage(name, cookie)));
}

/** EBUSY while it is open; ENXIO when there is none of that name. */
export async function removeDevice(name: string, cookie = 0): Promise<Announced> {
  return announced(await call('remove', encodeMessage({ name, cookie })));
}

/** The kernel removes it itself when the last who has it open closes it. Since kernel 3.13. */
export async function removeDeviceAtLastClose(name: string, cookie = 0): Promise<Announced> {
  return announced(await call('remove', encodeMessage({ name, cookie, flags: dmFlag.deferredRemove })));
}

export async function deviceInfo(name: string): Promise<DmDevice> {
  return decodeDevice(await call('status', encodeMessage({ name })));
}

export type TableSlot = 'active' | 'loaded';

function slotFlags(slot: TableSlot): number {
  return slot === 'loaded' ? dmFlag.queryInactive : 0;
}

/** As it was loaded, with devices as MAJOR:MINOR. */
export async function deviceTable(name: string, slot: TableSlot = 'active'): Promise<DmTarget[]> {
  const flags = dmFlag.statusTable | dmFlag.secureData | slotFlags(slot);
  const answer = await ask('table', { name, flags });
  try {
    return decodeTable(answer);
  } finally {
    answer.fill(0);
  }
}

/** What each target reports in place of its parameters. Does not make targets commit first. */
export async function deviceStatus(name: string): Promise<DmTarget[]> {
  return decodeTable(await ask('table', { name, flags: dmFlag.noFlush }));
}

/** Numbers of the devices that a table has open. */
export async function deviceDependencies(name: string, slot: TableSlot = 'active'): Promise<bigint[]> {
  return decodeDependencies(await ask('dependencies', { name, flags: slotFlags(slot) }));
}

export interface SwapOptions {
  readonly name: string;
  /** fsynced while the device is suspended. */
  readonly flushFd: number | null;
}

/** Makes the loaded table the active one in one native call, without flushing or freezing what lies on it. */
export async function swapTable({ name, flushFd }: SwapOptions): Promise<SwapTimes> {
  const suspend = suspendMessage({ name, noFlush: true, skipLockfs: true });
  // Without a cookie: the device is not new, and udev's rules keep what they knew of it.
  return addon().deviceMapperSwap({
    suspend,
    resume: resumeMessage(name, 0),
    clear: encodeMessage({ name }),
    flushFd,
  });
}
