/** What is said of a disk, the same on every screen: model, serial, bus, size, what is on it. */
import type { DeviceTree } from '../../app/contract/device-tree.ts';
import type { DeviceContent, PlannedDisk } from '../../app/contract/plan.ts';
import { bytesText } from '../text/figures.ts';
import { text } from '../text/text.ts';

type Disk = Pick<PlannedDisk, 'path' | 'model' | 'serial' | 'bus' | 'sizeBytes' | 'content'>;

/** By which a person knows it: "Samsung SSD 870 S/N S5Y…", or its path where it says nothing. */
export function diskName({ path, model, serial }: Pick<Disk, 'path' | 'model' | 'serial'>): string {
  if (model === null) return path;
  return [model, serial === null ? '' : `S/N ${serial}`].filter((part) => part !== '').join(' ');
}

export function contentText(content: DeviceContent | null): string {
  if (content === null) return text('disks.notLooked');
  const { fileSystemType, partitionTableType, label } = content;
  const type = fileSystemType ?? partitionTableType;
  if (type === null) return text('disks.empty');
  return label === null ? type : `${type}, ${text('device.label', { label })}`;
}

export function holdsData(content: DeviceContent | null): boolean {
  return content !== null && (content.fileSystemType ?? content.partitionTableType) !== null;
}

/** In the order in which people compare disks. */
export function diskFacts({ serial, bus, sizeBytes, content }: Disk): string[] {
  return [
    bytesText(sizeBytes),
    ...(bus === null ? [] : [bus]),
    ...(serial === null ? [] : [text('disks.serial', { serial })]),
    contentText(content),
  ];
}

/** One line of the device tree. */
export function deviceFacts(tree: DeviceTree): string[] {
  const { vendor, model, mountPoints, usedBytes, backingFile, health, isSwap, isSystem, readOnly, removable } = tree;
  const name = [vendor, model].filter((part) => part !== null).join(' ').trim();
  return [
    ...(name === '' ? [] : [name]),
    ...diskFacts(tree),
    ...(mountPoints.length === 0 ? [] : [text('device.mounted', { where: mountPoints.join(', ') })]),
    ...(usedBytes === null ? [] : [text('device.used', { used: bytesText(usedBytes) })]),
    ...(backingFile === null ? [] : [text('device.over', { file: backingFile })]),
    ...(isSystem ? [text('device.system')] : []),
    ...(isSwap ? [text('device.swap')] : []),
    ...(readOnly ? [text('device.readOnly')] : []),
    ...(removable ? [text('device.removable')] : []),
    ...(health === null || health.state === 'unknown' ? [] : [text(`device.health.${health.state}`)]),
    ...(typeof health?.poweredOnHours === 'number' ? [text('device.hours', { count: health.poweredOnHours })] : []),
  ];
}
