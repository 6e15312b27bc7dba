/**
 * What makes a disk unfit by itself, whatever it is used for: missing, empty, not a disk, no whole number of
 * blocks, read-only, no permission, or content that belongs to a set of disks. Pure; each check returns the
 * first objection.
 */
import { DiskferryError } from '../base/error.ts';
import { sectorBytes } from '../base/units.ts';
import type { BlockDevice } from '../devices/block-device.ts';
import type { AbsentDisk, DiskFacts } from '../devices/disk-facts.ts';
import { isAbsent } from '../devices/disk-facts.ts';
import type { Inventory } from '../devices/inventory.ts';
import { findDevice } from '../devices/inventory.ts';
import { devicesOn } from '../devices/overlap.ts';

export type Objection = DiskferryError | undefined;

/** Members of sets: moving one disk of it would leave two members with one name. */
const setMembers: Readonly<Record<string, string>> = {
  linux_raid_member: 'a member of a Linux RAID',
  isw_raid_member: 'a member of an Intel RAID',
  ddf_raid_member: 'a member of a DDF RAID',
  mpath_member: 'a path of a multipath disk',
  zfs_member: 'a member of a ZFS pool',
  bcache: 'a bcache device',
  drbd: 'a DRBD device',
};

/** The disk, or why there is none. */
export function requireDisk(disk: DiskFacts | AbsentDisk): DiskFacts {
  if (!isAbsent(disk)) return disk;
  const { path, reason } = disk;
  const context = { device: path };
  if (disk.kind === 'missing') {
    throw new DiskferryError('device-missing', `${path}: there is no such disk or file`, { context });
  }
  if (disk.kind === 'not-a-disk') {
    throw new DiskferryError('device-not-a-disk', `${path}: is a ${reason}`, { context });
  }
  const code = reason === 'EACCES' || reason === 'EPERM' ? 'device-permission-denied' : 'device-missing';
  throw new DiskferryError(code, `${path}: cannot be looked at: ${reason}`, { context });
}

export function sizeObjection({ path, sizeBytes, logicalBlockBytes }: DiskFacts): Objection {
  const context = { device: path };
  if (sizeBytes === 0) {
    return new DiskferryError('device-empty', `${path}: has a size of 0 bytes`, { context });
  }
  const multiple = logicalBlockBytes ?? sectorBytes;
  if (sizeBytes % multiple === 0) return undefined;
  return new DiskferryError(
    'size-not-in-blocks',
    `${path}: its size of ${sizeBytes} bytes is not a multiple of ${multiple}`,
    { context: { ...context, multiple } },
  );
}

/**
 * Permissions count only for the user that will open the disk: `asks` is false while somebody else (root,
 * asked for later) will.
 */
export function accessObjection(disk: DiskFacts, asks: boolean): Objection {
  const { path } = disk;
  const context = { device: path };
  if (disk.readOnly) return new DiskferryError('device-read-only', `${path}: is read-only`, { context });
  const refusal = disk.readRefusal ?? disk.writeRefusal;
  if (refusal === null || !asks) return undefined;
  const what = disk.readRefusal === null ? 'writing' : 'reading';
  return new DiskferryError('device-permission-denied', `${path}: ${what} is not permitted (${refusal})`, {
    context,
  });
}

function unfit(disk: DiskFacts, path: string, why: string): DiskferryError {
  return new DiskferryError('content-not-supported', `${path}: ${why}, which this version does not move`, {
    context: { device: disk.path },
  });
}

export function zonedObjection(inventory: Inventory, disk: DiskFacts): Objection {
  if (disk.storage.kind === 'file') return undefined;
  const isZoned = findDevice(inventory, disk.storage.majorMinor)?.isZoned ?? false;
  return isZoned ? unfit(disk, disk.path, 'is a zoned disk') : undefined;
}

/** Looks at the disk and at everything on it, such as its partitions. */
export function contentObjection(inventory: Inventory, disk: DiskFacts): Objection {
  const member = setMembers[disk.content?.fileSystemType ?? ''];
  if (member !== undefined) return unfit(disk, disk.path, `is ${member}`);
  const memberCount = disk.closer?.memberCount ?? 1;
  if (memberCount > 1) return unfit(disk, disk.path, `is one of ${memberCount} devices of a Btrfs`);
  const part = devicesOn(inventory, disk.storage).find((device) => memberKind(device) !== undefined);
  return part === undefined ? undefined : unfit(disk, part.path, `is ${memberKind(part) ?? ''}`);
}

/**
 * A member of a set may be in use without any sign of it in the kernel's books (ZFS), and a set that is not running is
 * still somebody's data.
 */
export function destinationMemberObjection(inventory: Inventory, destination: DiskFacts): Objection {
  const own = setMembers[destination.content?.fileSystemType ?? ''];
  const part = devicesOn(inventory, destination.storage).find((device) => memberKind(device) !== undefined);
  const what = own ?? (part === undefined ? undefined : memberKind(part));
  if (what === undefined) return undefined;
  const member = own === undefined && part !== undefined ? part.path : destination.path;
  const message = `${destination.path}: ${member === destination.path ? 'is' : `its part ${member} is`} ${what}`;
  return new DiskferryError('destination-is-member', message, { context: { device: destination.path, member } });
}

function memberKind(device: BlockDevice): string | undefined {
  return setMembers[device.content?.fileSystemType ?? ''];
}
