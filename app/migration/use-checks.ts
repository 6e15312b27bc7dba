/**
 * Who uses the disks: mounts, swap, device-mapper and md, loop devices, other processes, and the running
 * system itself. The source may be plainly mounted (the `remount` way); everything else must let go first.
 * The destination must be used by nobody. Pure; each check returns the first objection.
 */
import { DiskferryError } from '../base/error.ts';
import type { BlockDevice } from '../devices/block-device.ts';
import type { DiskFacts } from '../devices/disk-facts.ts';
import type { Inventory, MountedVolume } from '../devices/inventory.ts';
import { findDevice } from '../devices/inventory.ts';
import { mountOfPath } from '../devices/mounts.ts';
import type { Storage } from '../devices/overlap.ts';
import { devicesOn, everythingBelow, isSameStorage, liesOn, volumeOfFile } from '../devices/overlap.ts';
import { holdersOf as directHoldersOf } from '../devices/stack.ts';
import type { Swap } from '../devices/swaps.ts';
import type { Objection } from './disk-checks.ts';

/** The type of the mount that the fuse frontend makes. */
const virtualFileSystem = 'fuse.diskferry';

/** Mounts of the disk itself, in the order of mounting. */
export function mountsOf(inventory: Inventory, disk: DiskFacts): MountedVolume[] {
  const { storage } = disk;
  if (storage.kind === 'file') return [];
  return inventory.mounts.filter((mount) => mount.devices.includes(storage.majorMinor));
}

/**
 * Loop devices, RAID, LVM, LUKS: devices that the kernel runs on the disk. Partitions are the disk itself.
 */
function holdersOf(inventory: Inventory, disk: DiskFacts): BlockDevice[] {
  return devicesOn(inventory, disk.storage).filter(({ kind }) => kind !== 'part');
}

function isOn(inventory: Inventory, majorMinors: readonly string[], disk: DiskFacts): boolean {
  return majorMinors.some((majorMinor) => liesOn(inventory, { kind: 'block', majorMinor }, disk.storage));
}

/** A file that is attached to a loop device is in use through it, and better named by it. */
export function loopObjection(inventory: Inventory, disk: DiskFacts): Objection {
  const { storage, path } = disk;
  const loop = inventory.devices.find((device) => {
    const file = device.loop?.file ?? null;
    return file !== null && isSameStorage({ kind: 'file', file, path }, storage);
  });
  if (loop === undefined) return undefined;
  return new DiskferryError('device-has-loop', `${path}: is in use by the loop device ${loop.path}`, {
    context: { device: path, loop: loop.path },
  });
}

/** A disk of a job that is running already, and gone when it ends. */
export function virtualDeviceObjection(inventory: Inventory, disk: DiskFacts): Objection {
  const isServed = everythingBelow(inventory, disk.storage).some(
    (storage) => storage.kind === 'file' && volumeOfFile(inventory, storage)?.fsType === virtualFileSystem,
  );
  if (!isServed) return undefined;
  return new DiskferryError(
    'device-in-use',
    `${disk.path}: lies on the virtual device of a running migration`,
    {
      context: { device: disk.path },
    },
  );
}

export function swapObjection(inventory: Inventory, disk: DiskFacts): Objection {
  const swap = inventory.swaps.find((candidate) =>
    swapStorage(candidate).some((on) => liesOn(inventory, on, disk.storage)),
  );
  if (swap === undefined) return undefined;
  const what = swap.path === disk.path ? 'is active swap' : `holds the active swap ${swap.path}`;
  return new DiskferryError('device-is-swap', `${disk.path}: ${what}`, {
    context: { device: disk.path, swap: swap.path },
  });
}

function swapStorage({ path, block, file }: Swap): Storage[] {
  if (block !== null) return [{ kind: 'block', majorMinor: block }];
  return file === null ? [] : [{ kind: 'file', file, path }];
}

export function writerObjection(disk: DiskFacts): Objection {
  const writer = disk.closer?.writers[0];
  if (writer === undefined) return undefined;
  const who = `${writer.command || 'a process'} (process ${writer.pid})`;
  return new DiskferryError('device-in-use', `${disk.path}: is open for writing by ${who}`, {
    context: { device: disk.path, process: writer.pid },
  });
}

/** The kernel's own word, after all that we could name: somebody holds it where we cannot see. */
export function exclusiveObjection(disk: DiskFacts): Objection {
  const refusal = disk.closer?.exclusiveRefusal ?? null;
  if (refusal === null) return undefined;
  const why =
    refusal === 'EBUSY'
      ? 'is in use, perhaps by a container or another migration'
      : `cannot be opened: ${refusal}`;
  return new DiskferryError('device-in-use', `${disk.path}: ${why}`, { context: { device: disk.path } });
}

/** Whether a disk is one that this running system needs, in any use of it. */
export function holdsSystem(
  inventory: Inventory,
  disk: DiskFacts,
  systemPaths: readonly string[],
): boolean {
  return (
    systemObjection(inventory, disk, systemPaths) !== undefined ||
    swapObjection(inventory, disk) !== undefined
  );
}

/**
 * drivelist sees the disk mounted where our own walk sees no such mount of it: one of the two is wrong, and which one
 * cannot be known. Its other words are no objection: what it calls a system disk is any that cannot be unplugged.
 */
export function driveListObjection(inventory: Inventory, disk: DiskFacts): Objection {
  const { storage, path } = disk;
  const below = everythingBelow(inventory, storage).flatMap((one) =>
    one.kind === 'block' ? (findDevice(inventory, one.majorMinor)?.path ?? []) : [],
  );
  for (const drive of inventory.driveList.drives.filter((one) => below.includes(one.path))) {
    const device = inventory.devices.find((one) => one.path === drive.path);
    const unseen = drive.mountPoints.find((target) => !isMountedFrom(inventory, target, device));
    if (unseen === undefined) continue;
    return new DiskferryError(
      'device-in-use',
      `${path}: drivelist sees ${drive.path} mounted on ${unseen}, where Diskferry sees no mount of it`,
      { context: { device: path, mount: unseen } },
    );
  }
  return undefined;
}

function isMountedFrom(inventory: Inventory, target: string, disk: BlockDevice | undefined): boolean {
  if (disk === undefined) return true;
  const base: Storage = { kind: 'block', majorMinor: disk.majorMinor };
  return inventory.mounts.some(
    (mount) =>
      mount.target === target &&
      mount.devices.some((majorMinor) => liesOn(inventory, { kind: 'block', majorMinor }, base)),
  );
}

/** The disk that this system, or Diskferry itself, runs from. */
export function systemObjection(
  inventory: Inventory,
  disk: DiskFacts,
  systemPaths: readonly string[],
): Objection {
  for (const path of systemPaths) {
    const mount = mountOfPath(inventory.mounts, path);
    if (mount === null || !isOn(inventory, mount.devices, disk)) continue;
    return new DiskferryError(
      'device-holds-system',
      `${disk.path}: holds ${path}, which this running system needs`,
      {
        context: { device: disk.path, path },
      },
    );
  }
  return undefined;
}

// ---- the source

/** Mounts that could not be put back just as they are on another device. */
export function sourceMountObjection(inventory: Inventory, source: DiskFacts): Objection {
  const refuse = (target: string, why: string): DiskferryError =>
    new DiskferryError('mount-not-supported', `${source.path}: ${why}`, {
      context: { device: source.path, mount: target },
    });
  const mounts = mountsOf(inventory, source);
  for (const mount of mounts) {
    const { target, fsType } = mount;
    if (fsType.startsWith('fuse')) {
      return refuse(target, `is mounted on ${target} by a FUSE driver (${fsType})`);
    }
    if (mount.devices.length > 1) {
      return refuse(target, `is mounted on ${target} together with other devices`);
    }
    if (!isWholeVolume(mount)) {
      return refuse(target, `its directory ${mount.root} is bind-mounted on ${target}`);
    }
    const inner = inventory.mounts.find((other) => other.parentId === mount.id && !mounts.includes(other));
    if (inner !== undefined) {
      return refuse(inner.target, `${inner.target} is mounted inside its mount ${target}`);
    }
  }
  // What lies on device-mapper devices stays where it is: their tables move.
  if (hasHolders(inventory, source)) return undefined;
  const part = inventory.mounts.find(
    (mount) => !mounts.includes(mount) && isOn(inventory, mount.devices, source),
  );
  if (part !== undefined) return refuse(part.target, `a part of it is mounted on ${part.target}`);
  return undefined;
}

function hasHolders(inventory: Inventory, { storage }: DiskFacts): boolean {
  return storage.kind === 'block' && directHoldersOf(inventory, storage.majorMinor).length > 0;
}

/** The root of the file system, or a Btrfs subvolume that was asked for as such. */
function isWholeVolume({ root, fsType, superOptions }: MountedVolume): boolean {
  return root === '/' || (fsType === 'btrfs' && superOptions.includes(`subvol=${root}`));
}

// ---- the destination

export function destinationMountObjection(inventory: Inventory, destination: DiskFacts): Objection {
  const mount = inventory.mounts.find(({ devices }) => isOn(inventory, devices, destination));
  if (mount === undefined) return undefined;
  return new DiskferryError('destination-mounted', `${destination.path}: is mounted on ${mount.target}`, {
    context: { device: destination.path, mount: mount.target },
  });
}

export function destinationHolderObjection(inventory: Inventory, destination: DiskFacts): Objection {
  const holders = holdersOf(inventory, destination);
  if (holders.length === 0) return undefined;
  const paths = holders.map(({ path }) => path);
  return new DiskferryError('device-in-use', `${destination.path}: is in use by ${paths.join(', ')}`, {
    context: { device: destination.path, holders: paths },
  });
}
