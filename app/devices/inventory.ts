/**
 * Everything about this machine's storage at one moment, as plain data: block devices, mounts and swap.
 * Nothing is opened for it and no privilege is needed; as root it is more exact (loop devices' files, content
 * without udev).
 *
 * Preflight decides on an inventory alone, so every decision can be tested without the hardware.
 */
import { readdirSync } from 'node:fs';
import { z } from 'zod';
import { DiskferryError } from '../base/error.ts';
import type { BlockDevice, FileKey, LoopBacking } from './block-device.ts';
import { probeContent } from './content.ts';
import type { LsblkDevice } from './lsblk.ts';
import { readLsblk } from './lsblk.ts';
import type { Mount } from './mounts.ts';
import { readMounts, sourceDevice } from './mounts.ts';
import { runProgram } from './program.ts';
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
}

/** @param probes look at the content of devices that udev has no record of; opens them, so only as root */
export async function readInventory(options: { readonly probes: boolean }): Promise<Inventory> {
  const [lsblk, backings, userOptions] = await Promise.all([
    readLsblk(),
    readLoopBackings(),
    readUserOptions(),
  ]);
  const merged = readSysfsDevices().map((device) => merge(device, lsblk, backings));
  const devices = options.probes ? await Promise.all(merged.map(withProbedContent)) : merged;
  const mounts = readMounts().map((mount) => ({
    ...mount,
    devices: devicesUnder(mount, devices),
    userOptions: userOptions.get(mount.id) ?? [],
  }));
  return { devices, mounts, swaps: readSwaps() };
}

export function findDevice(inventory: Inventory, majorMinor: string): BlockDevice | undefined {
  return inventory.devices.find((device) => device.majorMinor === majorMinor);
}

/** A partition has the model, serial and bus of its disk. */
function merge(
  device: SysfsDevice,
  lsblk: ReadonlyMap<string, LsblkDevice>,
  backings: ReadonlyMap<string, FileKey>,
): BlockDevice {
  const own = lsblk.get(device.majorMinor);
  const disk = device.partition === null ? own : lsblk.get(device.partition.diskMajorMinor);
  return {
    ...device,
    loop: device.loop === null ? null : withExactFile(device.loop, backings.get(device.path)),
    model: own?.model ?? disk?.model ?? null,
    vendor: own?.vendor ?? disk?.vendor ?? null,
    serial: own?.serial ?? disk?.serial ?? null,
    wwn: own?.wwn ?? disk?.wwn ?? null,
    bus: own?.bus ?? disk?.bus ?? null,
    content: own?.content ?? null,
    usedBytes: own?.usedBytes ?? null,
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
  const result = await runProgram('losetup', ['--list', '--json', '--output', columns]);
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

function devicesUnder(mount: Mount, devices: readonly BlockDevice[]): string[] {
  if (devices.some((device) => device.majorMinor === mount.majorMinor)) return [mount.majorMinor];
  const named = sourceDevice(mount);
  if (named === null) return [];
  return mount.fsType === 'btrfs' ? btrfsMembers(named, devices) : [named];
}

/** All devices of the Btrfs that `member` belongs to, from /sys/fs/btrfs/UUID/devices. */
function btrfsMembers(member: string, devices: readonly BlockDevice[]): string[] {
  const name = devices.find((device) => device.majorMinor === member)?.kernelName;
  const fileSystems = readdirSync('/sys/fs/btrfs', { withFileTypes: true }).filter((entry) =>
    /^[0-9a-f-]{36}$/.test(entry.name),
  );
  for (const { name: uuid } of fileSystems) {
    const names = readdirSync(`/sys/fs/btrfs/${uuid}/devices`);
    if (name === undefined || !names.includes(name)) continue;
    return devices.filter((device) => names.includes(device.kernelName)).map((device) => device.majorMinor);
  }
  return [member];
}
