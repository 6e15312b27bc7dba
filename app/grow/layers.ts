/**
 * What lies on a device that is to be grown, from it up to the file system: each layer with who uses it and
 * how.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { DiskferryError } from '../base/error.ts';
import type { BlockDevice } from '../devices/block-device.ts';
import { majorMinorOf } from '../devices/block-device.ts';
import { probeContent } from '../devices/content.ts';
import { tryExclusiveOpen } from '../devices/exclusive-open.ts';
import type { Inventory, MountedVolume } from '../devices/inventory.ts';
import { findDevice } from '../devices/inventory.ts';
import type { MappedDevice } from '../devices/stack.ts';
import { holdersOf, ownerOf } from '../devices/stack.ts';
import { reachableStat } from '../devices/reachable-stat.ts';
import { capabilitySysResource, hasCapability } from '../devices/capability.ts';
import type { DeviceContent } from '../contract/plan.ts';
import { growWays } from './content-decision.ts';
import { readFileSystemSize, whileMounted } from './file-system-size.ts';
import type { FileSystemSize } from './file-system-size.ts';
import type { FileSystemUse, FoundFileSystem, FoundLayer, GrowableType } from './found.ts';
import { growableTypes } from './found.ts';
import { readContainer } from './luks-container.ts';
import { requirePrograms } from './needed-programs.ts';
import { readGroup } from './volume-group.ts';

export async function readLayers(
  inventory: Inventory,
  device: BlockDevice,
  volume: string | null,
): Promise<FoundLayer[]> {
  const content = await probeContent(device.path);
  const { fileSystemType: type } = content;
  if (type === 'crypto_LUKS') return containerLayers(inventory, device, volume);
  if (type === 'LVM2_member') return groupLayers(inventory, device, volume);
  const found = growableTypes.find((one) => one === type);
  if (found !== undefined) return [await fileSystem(inventory, device, { type: found, content })];
  return [{ kind: 'other', name: device.path, type: type ?? content.partitionTableType }];
}

function inUse(device: string, holder: string): DiskferryError {
  return new DiskferryError('device-in-use', `${device}: is in use by ${holder}`, { context: { device, holder } });
}

function requireNoOther(
  inventory: Inventory,
  device: BlockDevice,
  isExpected: (holder: BlockDevice) => boolean,
): void {
  const loop = inventory.devices.find((one) => one.loop?.block === device.majorMinor);
  const other = loop ?? holdersOf(inventory, device.majorMinor).find((holder) => !isExpected(holder));
  if (other !== undefined) throw inUse(device.path, other.path);
}

function ownerKind({ mapper }: BlockDevice): string | null {
  return mapper === null ? null : ownerOf(mapper.uuid).owner;
}

async function containerLayers(
  inventory: Inventory,
  device: BlockDevice,
  volume: string | null,
): Promise<FoundLayer[]> {
  requirePrograms(device.path, 'luks');
  requireNoOther(inventory, device, (holder) => ownerKind(holder) === 'luks');
  const [opened, second] = holdersOf(inventory, device.majorMinor).filter(
    (holder): holder is MappedDevice => holder.mapper !== null,
  );
  if (opened === undefined) return [{ kind: 'other', name: device.path, type: 'crypto_LUKS' }];
  if (second !== undefined) throw inUse(device.path, second.path);
  return [await readContainer(device, opened), ...(await readLayers(inventory, opened, volume))];
}

async function groupLayers(
  inventory: Inventory,
  device: BlockDevice,
  volume: string | null,
): Promise<FoundLayer[]> {
  requirePrograms(device.path, 'physical-volume');
  requireNoOther(inventory, device, (holder) => ownerKind(holder) === 'lvm');
  const group = await readGroup(device, volume);
  if (group === null) return [{ kind: 'other', name: device.path, type: 'LVM2_member without a volume group' }];
  const { physicalVolume, logicalVolume } = group;
  if (logicalVolume === null) return [physicalVolume];
  const above = findDevice(inventory, logicalVolume.majorMinor);
  if (above === undefined)
    throw new DiskferryError('device-changed', `${device.path}: its LV ${logicalVolume.layer.name} has gone meanwhile`, {
      context: { device: device.path },
    });
  return [physicalVolume, logicalVolume.layer, ...(await readLayers(inventory, above, null))];
}

// ---- file systems

async function fileSystem(
  inventory: Inventory,
  device: BlockDevice,
  { type, content }: { readonly type: GrowableType; readonly content: DeviceContent },
): Promise<FoundFileSystem> {
  requirePrograms(device.path, type);
  requireNoOther(inventory, device, () => false);
  const mounts = inventory.mounts.filter(({ devices }) => devices.includes(device.majorMinor));
  const use = await useOf(device, mounts);
  const size = await sizeOf(device, { type, use });
  const duplicate = type === 'btrfs' && use === 'unmounted' ? await duplicateOf(inventory, device, content) : null;
  return {
    ...{ kind: 'file-system', name: device.path, type, uuid: content.fileSystemUuid, use },
    mayGrowMounted: !type.startsWith('ext') || hasCapability(capabilitySysResource),
    mountPoints: mounts.map(({ target }) => target),
    ...size,
    obstacle:
      size.obstacle ??
      (duplicate === null ? null : `its Btrfs is on ${duplicate} as well, and the kernel could take that for it`),
  };
}

/** A mount of ours, made for a moment, goes a little later than the program that had it. */
const claimedMsMax = 3000;
const pollMs = 50;

async function useOf(device: BlockDevice, mounts: readonly MountedVolume[]): Promise<FileSystemUse> {
  if (mounts.length === 0) {
    const untilMs = performance.now() + claimedMsMax;
    while ((await tryExclusiveOpen(device.path)) !== null) {
      if (performance.now() > untilMs) return 'elsewhere';
      await sleep(pollMs);
    }
    return 'unmounted';
  }
  if (mounts.some((mount) => mount.superOptions.includes('ro') || mount.mountOptions.includes('ro')))
    return 'read-only';
  return mounts.every(({ target }) => isVisible(device, target)) ? 'mounted' : 'hidden';
}

/**
 * Whether the mount point leads to this file system. Btrfs and FUSE show a number of their own: for them it
 * is no matter.
 */
function isVisible({ majorMinor }: BlockDevice, target: string): boolean {
  const stat = reachableStat(target);
  return stat !== undefined && majorMinorOf(stat.dev) === majorMinor;
}

/** Of those that may not be grown as they are it is not asked: the tools would wait, fail or mount it. */
const notAsked: FileSystemSize = {
  ...{ sizeBytes: 0, unitBytes: 1, slackBytes: 0, limit: null, defect: null, obstacle: null },
};

async function sizeOf(
  device: BlockDevice,
  { type, use }: { readonly type: GrowableType; readonly use: FileSystemUse },
): Promise<FileSystemSize> {
  if (typeof growWays[type][use] !== 'string') return notAsked;
  const size = await readFileSystemSize(device, type, use !== 'unmounted');
  return use === 'unmounted' ? size : whileMounted(size);
}

async function duplicateOf(
  { devices }: Inventory,
  device: BlockDevice,
  { fileSystemUuid }: DeviceContent,
): Promise<string | null> {
  for (const other of devices) {
    if (other.majorMinor === device.majorMinor || other.sizeBytes === 0) continue;
    const content = other.content ?? (await probeContent(other.path).catch(orUnknown));
    if (content?.fileSystemType === 'btrfs' && content.fileSystemUuid === fileSystemUuid) return other.path;
  }
  return null;
}

function orUnknown(error: unknown): null {
  if (error instanceof DiskferryError) return null;
  throw error;
}
