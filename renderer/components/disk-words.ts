/** What is said of a disk, the same on every screen: model, serial, bus, size, what is on it. */
import type { DeviceTree } from '../../app/contract/device-tree.ts';
import type { DeviceContent, PlannedDisk } from '../../app/contract/plan.ts';
import { bytesText, linkText } from '../text/figures.ts';
import { text } from '../text/text.ts';

type Disk = Pick<PlannedDisk, 'path' | 'model' | 'serial' | 'bus' | 'sizeBytes' | 'content'>;

/** By which a person knows it: "Samsung SSD 870 S/N S5Y…", or its path where it says nothing. */
export function diskName({ path, model, serial }: Pick<Disk, 'path' | 'model' | 'serial'>): string {
  if (model === null) return path;
  return [model, serial === null ? '' : `S/N ${serial}`].filter((part) => part !== '').join(' ');
}

/** Where people say something else than libblkid does. */
const contentNames: Readonly<Record<string, string>> = {
  ...{ LVM2_member: 'LVM', crypto_LUKS: 'LUKS', linux_raid_member: 'RAID', zfs_member: 'ZFS', isw_raid_member: 'RAID' },
  ...{ vfat: 'FAT', exfat: 'exFAT', ntfs: 'NTFS', xfs: 'XFS', btrfs: 'Btrfs' },
};
const tableNames: Readonly<Record<string, string>> = { gpt: 'GPT', dos: 'MBR' };
const busNames: Readonly<Record<string, string>> = { sata: 'SATA', ata: 'ATA', nvme: 'NVMe', usb: 'USB', sas: 'SAS' };

export function contentText(content: DeviceContent | null): string {
  if (content === null) return text('disks.notLooked');
  const { fileSystemType, partitionTableType, label } = content;
  const type = fileSystemType === null ? tableText(partitionTableType) : (contentNames[fileSystemType] ?? fileSystemType);
  if (type === null) return text('disks.empty');
  return label === null ? type : `${type}, ${text('device.label', { label })}`;
}

function tableText(type: string | null): string | null {
  return type === null ? null : text('disks.table', { type: tableNames[type] ?? type });
}

/** All that goes when this disk is erased: its own content, and that of its partitions. */
export function erasedText({ content, children }: Pick<DeviceTree, 'content' | 'children'>): string {
  const parts = children.map((child) => `${child.path.replace(/^.*\//, '')} ${erasedText(child)}`);
  return parts.length === 0 ? contentText(content) : `${contentText(content)}: ${parts.join('; ')}`;
}

export function busText(bus: string): string {
  return busNames[bus] ?? bus;
}

/** Also where nobody has looked: what is not known may be somebody's data. */
export function holdsData(content: DeviceContent | null): boolean {
  return content === null || (content.fileSystemType ?? content.partitionTableType) !== null;
}

/** In the order in which people compare disks. */
export function diskFacts(disk: Disk): string[] {
  return [...ownFacts(disk), contentText(disk.content)];
}

/** Of the disk itself, whatever is on it. */
export function ownFacts({ serial, bus, sizeBytes }: Pick<Disk, 'serial' | 'bus' | 'sizeBytes'>): string[] {
  return [
    bytesText(sizeBytes),
    ...(bus === null ? [] : [busText(bus)]),
    ...(serial === null ? [] : [text('disks.serial', { serial })]),
  ];
}

/** One line of the device tree. */
export function deviceFacts(tree: DeviceTree): string[] {
  const { vendor, model, linkMegabits, mountPoints, usedBytes, backingFile, health, isSwap, isSystem, readOnly, removable } = tree;
  // Of virtual disks the vendor is a number.
  const known = [vendor, model].filter((part) => part !== null && !/^0x[0-9a-f]+$/i.test(part));
  const name = known.join(' ').trim();
  return [
    ...(name === '' ? [] : [name]),
    ...diskFacts(tree),
    ...(linkMegabits === null ? [] : [text('device.link', { rate: linkText(linkMegabits) })]),
    ...(mountPoints.length === 0 ? [] : [text('device.mounted', { where: mountPoints.join(', ') })]),
    ...(usedBytes === null ? [] : [text('device.used', { used: bytesText(usedBytes) })]),
    ...(backingFile === null ? [] : [text('device.over', { file: backingFile })]),
    ...(isSystem ? [text('device.system')] : []),
    ...(isSwap ? [text('device.swap')] : []),
    ...(readOnly ? [text('device.readOnly')] : []),
    ...(removable ? [text('device.removable')] : []),
    ...(health?.state === 'good' ? [text('device.health.good')] : []),
    ...(typeof health?.poweredOnHours === 'number' ? [hoursText(health.poweredOnHours)] : []),
  ];
}

function hoursText(hours: number): string {
  return text('device.hours', { count: hours, hours: hours.toLocaleString('en') });
}
