/**
 * Everything about this machine's storage at one moment, as plain data: block devices, mounts and swap.
 * Nothing is opened for it and no privilege is needed; as root it is more exact (loop devices' files, content
 * without udev).
 *
 * Preflight decides on an inventory alone, so every decision can be tested without the hardware.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { DiskferryError } from '../base/error.ts';
import type { BlockDevice, FileKey, LoopBacking } from './block-device.ts';
import { probeContent } from './content.ts';
import type { DriveList } from './drive-list.ts';
import { readDriveList } from './drive-list.ts';
import type { Hardware } from './hardware.ts';
import { noHardware, parseUdevHardware } from './hardware.ts';
import type { LsblkDevice } from './lsblk.ts';
import { parseLsblk, readLsblk } from './lsblk.ts';
import type { Mount } from './mounts.ts';
import { readMounts, sourceDevice } from './mounts.ts';
import { headerMsMax, runProgram } from './program.ts';
import type { StatOf } from './reachable-stat.ts';
import { reachableStat } from './reachable-stat.ts';
import type { Swap } from './swaps.ts';
import { readSwaps } from './swaps.ts';
import type { SysfsDevice } from './sysfs.ts';
import { readSysfsDevices } from './sysfs.ts';
import { readUserOptions } from './user-mount-options.ts';

/**
 * A mount and the block devices under its file system, as `majorMinor`: none for tmpfs, several for Btrfs.
 */
export interface MountedVolume extends Mount {
  readonly devices: readonly string[];
  /** Which the kernel does not know: `_netdev`, `x-systemd.…` */
  readonly userOptions: readonly string[];
}

export interface Inventory {
  readonly devices: readonly BlockDevice[];
  readonly mounts: readonly MountedVolume[];
  readonly swaps: readonly Swap[];
  readonly driveList: DriveList;
}

/** What the machine says, before it is put together. Tests have those of other machines. */
export interface Sightings {
  readonly sysfs: readonly SysfsDevice[];
  /** By `majorMinor`, as of the following. */
  readonly lsblk: ReadonlyMap<string, LsblkDevice>;
  readonly udev: (majorMinor: string) => Hardware;
  /** By the loop device's path. */
  readonly loopBackings: ReadonlyMap<string, FileKey>;
  readonly driveList: DriveList;
  readonly mounts: readonly Mount[];
  /** By the mount's id. */
  readonly userOptions: ReadonlyMap<number, readonly string[]>;
  readonly swaps: readonly Swap[];
  /** The kernel names of each mounted Btrfs' devices. */
  readonly btrfsSets: readonly (readonly string[])[];
  readonly statOf: StatOf;
}

export interface InventoryOptions {
  /** Looks at the content of devices that udev has no record of; opens them, so only as root. */
  readonly probes: boolean;
  /** Asks drivelist, whose vote counts only where it is decided whether a disk may be used. */
  readonly votes: boolean;
}

export async function readInventory({ probes, votes }: InventoryOptions): Promise<Inventory> {
  const found = joinInventory(await look(votes));
  if (!probes) return found;
  return { ...found, devices: await Promise.all(found.devices.map(withProbedContent)) };
}

const notAsked: DriveList = { drives: [], refusal: null };

async function look(votes: boolean): Promise<Sightings> {
  const [lsblk, loopBackings, userOptions, driveList] = await Promise.all([
    readLsblk(),
    readLoopBackings(),
    readUserOptions(),
    votes ? readDriveList() : notAsked,
  ]);
  return {
    sysfs: readSysfsDevices(),
    lsblk: parseLsblk(lsblk, (majorMinor) => existsSync(udevRecord(majorMinor))),
    udev: readUdevHardware,
    loopBackings,
    driveList,
    mounts: readMounts(),
    userOptions,
    swaps: readSwaps(),
    btrfsSets: readBtrfsSets(),
    statOf: reachableStat,
  };
}

/** Pure. */
export function joinInventory(seen: Sightings): Inventory {
  const { userOptions, swaps, driveList } = seen;
  const devices = seen.sysfs.map((device) => merge(device, seen));
  const mounts = seen.mounts.map((mount) => ({
    ...mount,
    devices: devicesUnder(mount, devices, seen),
    userOptions: userOptions.get(mount.id) ?? [],
  }));
  return { devices, mounts, swaps, driveList };
}

/**
 * Whether the same devices are still there, with the same things on each other, and the same is mounted: what is seen
 * without opening, or waiting for, any of them.
 */
export function isCurrent({ devices, mounts }: Pick<Inventory, 'devices' | 'mounts'>): boolean {
  return seenOf(devices, mounts) === seenOf(readSysfsDevices(), readMounts());
}

function seenOf(
  devices: readonly (SysfsDevice | BlockDevice)[],
  mounts: readonly Pick<Mount, 'id' | 'majorMinor' | 'target'>[],
): string {
  const stack = devices.map(({ majorMinor, path, sizeBytes, diskSequence, slaves, mapper, loop }) => [
    ...[majorMinor, path, sizeBytes, diskSequence, slaves, mapper, loop?.path],
  ]);
  return JSON.stringify([stack, mounts.map(({ id, majorMinor, target }) => [id, majorMinor, target])]);
}

function udevRecord(majorMinor: string): string {
  return `/run/udev/data/b${majorMinor}`;
}

/** No record says nothing, and neither does one that goes away while we look. */
function readUdevHardware(majorMinor: string): Hardware {
  try {
    return parseUdevHardware(readFileSync(udevRecord(majorMinor), 'utf8'));
  } catch {
    return noHardware;
  }
}

export function findDevice(inventory: Inventory, majorMinor: string): BlockDevice | undefined {
  return inventory.devices.find((device) => device.majorMinor === majorMinor);
}

/** A partition has the model, serial and bus of its disk. */
function merge(device: SysfsDevice, { lsblk, udev, loopBackings, driveList }: Sightings): BlockDevice {
  const { hardware, ...rest } = device;
  const diskMajorMinor = device.partition?.diskMajorMinor ?? device.majorMinor;
  const own = lsblk.get(device.majorMinor);
  const disk = lsblk.get(diskMajorMinor);
  const drive = driveList.drives.find(({ path }) => path === device.path);
  const record = udev(diskMajorMinor);
  const tell = (key: keyof Hardware): string | null =>
    own?.[key] ?? disk?.[key] ?? hardware[key] ?? record[key];
  return {
    ...rest,
    loop: device.loop === null ? null : withExactFile(device.loop, loopBackings.get(device.path)),
    model: tell('model'),
    vendor: tell('vendor'),
    serial: tell('serial'),
    wwn: tell('wwn'),
    bus: own?.bus ?? disk?.bus ?? drive?.bus ?? null,
    content: own?.content ?? null,
    usedBytes: own?.usedBytes ?? null,
    partitionUuid: device.partition === null ? null : (own?.partitionUuid ?? null),
  };
}

function withExactFile(loop: LoopBacking, exact: FileKey | undefined): LoopBacking {
  return exact === undefined || loop.block !== null ? loop : { ...loop, file: exact };
}

async function withProbedContent(device: BlockDevice): Promise<BlockDevice> {
  if (device.content !== null || device.sizeBytes === 0) return device;
  try {
    return { ...device, content: await probeContent(device.path) };
  } catch (error) {
    // Unknown, as for anybody who may not look: one odd device must not hide all others.
    if (error instanceof DiskferryError) return device;
    throw error;
  }
}

// ---- what the loop driver itself says (a path may lead elsewhere by now)

const losetupSchema = z.object({
  loopdevices: z.array(
    z.object({ name: z.string(), 'back-ino': z.number().nullable(), 'back-maj:min': z.string().nullable() }),
  ),
});

/** The files by their loop device's path. Empty for everybody but root: losetup must open the devices. */
export async function readLoopBackings(): Promise<Map<string, FileKey>> {
  const columns = 'NAME,BACK-INO,BACK-MAJ:MIN';
  const result = await runProgram('losetup', ['--list', '--json', '--output', columns], headerMsMax);
  if (result.exitCode !== 0) {
    throw new DiskferryError(
      'command-failed',
      `losetup: ended with ${result.exitCode}: ${result.stderr.trim()}`,
    );
  }
  return parseLosetup(result.stdout);
}

export function parseLosetup(json: string): Map<string, FileKey> {
  const backings = new Map<string, FileKey>();
  if (json.trim() === '') return backings;
  for (const row of losetupSchema.parse(JSON.parse(json)).loopdevices) {
    const device = row['back-maj:min']?.trim() ?? '';
    const inode = row['back-ino'];
    if (device !== '' && inode !== null) backings.set(row.name, { device, inode });
  }
  return backings;
}

// ---- which devices a mounted file system lies on

function devicesUnder(
  mount: Mount,
  devices: readonly BlockDevice[],
  { statOf, btrfsSets }: Sightings,
): string[] {
  if (devices.some((device) => device.majorMinor === mount.majorMinor)) return [mount.majorMinor];
  const named = sourceDevice(mount, statOf);
  if (named === null) return [];
  return mount.fsType === 'btrfs' ? btrfsMembers(named, devices, btrfsSets) : [named];
}

/** All devices of the Btrfs that `member` belongs to. */
function btrfsMembers(
  member: string,
  devices: readonly BlockDevice[],
  sets: Sightings['btrfsSets'],
): string[] {
  const name = devices.find((device) => device.majorMinor === member)?.kernelName ?? '';
  const names = sets.find((set) => set.includes(name));
  if (names === undefined) return [member];
  return devices.filter((device) => names.includes(device.kernelName)).map((device) => device.majorMinor);
}

/** From /sys/fs/btrfs/UUID/devices; empty where the kernel has no Btrfs. */
export function readBtrfsSets(sysPath = '/sys'): string[][] {
  const folder = join(sysPath, 'fs/btrfs');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^[0-9a-f-]{36}$/.test(name))
    .map((uuid) => join(folder, uuid, 'devices'))
    .filter((path) => existsSync(path))
    .map((path) => readdirSync(path));
}
