/**
 * Block devices as the kernel shows them in sysfs: readable for everybody, and nothing is opened but sysfs's
 * own attributes. Model, serial and content are not here: those come from lsblk (lsblk.ts).
 *
 * Devices come and go while we read: an attribute that has vanished leaves its device out, never half a
 * device.
 */
import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { sectorBytes } from '../base/units.ts';
import type { DeviceKind } from '../contract/device-tree.ts';
import type { BlockDevice, FileKey, LoopBacking, MapperIdentity } from './block-device.ts';
import { majorMinorOf } from './block-device.ts';
import type { Hardware } from './hardware.ts';
import { readDiskLink } from './disk-link.ts';
import { readSysfsHardware } from './hardware.ts';
import type { StatOf } from './reachable-stat.ts';
import { reachableStat } from './reachable-stat.ts';
import { listFolder, readAttribute } from './sysfs-files.ts';

/** The part of a block device that sysfs knows. */
export type SysfsDevice = Omit<
  BlockDevice,
  'model' | 'vendor' | 'serial' | 'wwn' | 'bus' | 'content' | 'usedBytes' | 'partitionUuid'
> & {
  /** Of the whole disk. */
  readonly hardware: Hardware;
};

function readNumber(folder: string, name: string): number | null {
  const value = readAttribute(join(folder, name));
  return value === null || value === '' ? null : Number(value);
}

/**
 * @param sysPath where sysfs is mounted; tests lay out a tree of their own for hardware that they lack
 * @param statOf what the path of a loop device's file leads to
 */
export function readSysfsDevices(sysPath = '/sys', statOf: StatOf = reachableStat): SysfsDevice[] {
  const classPath = join(sysPath, 'class/block');
  const devices: SysfsDevice[] = [];
  for (const name of listFolder(classPath)) {
    const device = readDevice(classPath, name, statOf);
    if (device !== null) devices.push(device);
  }
  return devices;
}

function readDevice(classPath: string, name: string, statOf: StatOf): SysfsDevice | null {
  const folder = resolveFolder(join(classPath, name));
  if (folder === null) return null;
  const isPartition = existsSync(join(folder, 'partition'));
  const diskFolder = isPartition ? dirname(folder) : folder;
  const majorMinor = readAttribute(join(folder, 'dev'));
  const sizeSectors = readNumber(folder, 'size');
  const logicalBlockBytes = readNumber(diskFolder, 'queue/logical_block_size');
  const physicalBlockBytes = readNumber(diskFolder, 'queue/physical_block_size');
  const diskMajorMinor = readAttribute(join(diskFolder, 'dev'));
  const values = [majorMinor, sizeSectors, logicalBlockBytes, physicalBlockBytes, diskMajorMinor];
  if (values.includes(null)) return null;
  return {
    majorMinor: majorMinor as string,
    kernelName: name,
    path: nodePath(folder, name),
    kind: kindOf(folder, name, isPartition),
    sizeBytes: (sizeSectors as number) * sectorBytes,
    logicalBlockBytes: logicalBlockBytes as number,
    physicalBlockBytes: physicalBlockBytes as number,
    readOnly: readAttribute(join(folder, 'ro')) === '1',
    removable: readAttribute(join(diskFolder, 'removable')) === '1',
    isZoned: !['none', null].includes(readAttribute(join(diskFolder, 'queue/zoned'))),
    diskSequence: readAttribute(join(diskFolder, 'diskseq')),
    link: readDiskLink(diskFolder),
    isRotational: toldAs(readAttribute(join(diskFolder, 'queue/rotational'))),
    partition: isPartition
      ? {
          diskMajorMinor: diskMajorMinor as string,
          offsetBytes: (readNumber(folder, 'start') ?? 0) * sectorBytes,
        }
      : null,
    loop: readLoop(folder, statOf),
    mapper: readMapper(folder),
    slaves: listFolder(join(folder, 'slaves')).flatMap(
      (slave) => readAttribute(join(classPath, slave, 'dev')) ?? [],
    ),
    hardware: readSysfsHardware(diskFolder),
  };
}

function toldAs(flag: string | null): boolean | null {
  return flag === null ? null : flag === '1';
}

/** The kernel's number for this appearance of a disk, or of the disk that a partition lies on. */
export function readDiskSequence(majorMinor: string): string | null {
  const folder = resolveFolder(`/sys/dev/block/${majorMinor}`);
  if (folder === null) return null;
  const diskFolder = existsSync(join(folder, 'partition')) ? dirname(folder) : folder;
  return readAttribute(join(diskFolder, 'diskseq'));
}

function resolveFolder(link: string): string | null {
  try {
    return realpathSync(link);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** The kernel writes `!` for the slashes in a name. Device-mapper's own names are what people know. */
function nodePath(folder: string, name: string): string {
  const mapperName = readAttribute(join(folder, 'dm/name'));
  if (mapperName !== null) return `/dev/mapper/${mapperName}`;
  return `/dev/${name.replaceAll('!', '/')}`;
}

function kindOf(folder: string, name: string, isPartition: boolean): DeviceKind {
  if (isPartition) return 'part';
  const mapperUuid = readAttribute(join(folder, 'dm/uuid'));
  if (mapperUuid?.startsWith('LVM-')) return 'lvm';
  if (mapperUuid?.startsWith('CRYPT-')) return 'crypt';
  if (mapperUuid !== null) return 'other';
  if (existsSync(join(folder, 'md'))) return 'raid';
  if (/^loop\d+$/.test(name)) return 'loop';
  if (/^sr\d+$/.test(name)) return 'rom';
  return 'disk';
}

function readMapper(folder: string): MapperIdentity | null {
  const name = readAttribute(join(folder, 'dm/name'));
  const uuid = readAttribute(join(folder, 'dm/uuid'));
  return name === null || uuid === null ? null : { name, uuid };
}

function readLoop(folder: string, statOf: StatOf): LoopBacking | null {
  const path = readAttribute(join(folder, 'loop/backing_file'));
  if (path === null) return null;
  return {
    path,
    ...backingOf(path, statOf),
    offsetBytes: readNumber(folder, 'loop/offset') ?? 0,
    limitBytes: readNumber(folder, 'loop/sizelimit') ?? 0,
  };
}

/** By path, as everybody may; as root inventory.ts replaces it with what the loop driver itself says. */
function backingOf(path: string, statOf: StatOf): { file: FileKey | null; block: string | null } {
  const stat = statOf(path);
  if (stat === undefined) return { file: null, block: null };
  if (stat.isBlockDevice()) return { file: null, block: majorMinorOf(stat.rdev) };
  return { file: { device: majorMinorOf(stat.dev), inode: Number(stat.ino) }, block: null };
}
