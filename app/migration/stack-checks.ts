/**
 * What lies on the source by device-mapper or otherwise, and whether it can be moved while it is in use.
 * Pure; each check returns the first objection.
 */
import { DiskferryError } from '../base/error.ts';
import type { BlockDevice } from '../devices/block-device.ts';
import type { DiskFacts } from '../devices/disk-facts.ts';
import type { Inventory } from '../devices/inventory.ts';
import { findDevice } from '../devices/inventory.ts';
import { devicesOn } from '../devices/overlap.ts';
import type { StackFacts } from '../devices/stack-facts.ts';
import type { UserTable } from '../devices/stack.ts';
import { holdersOf, ownerOf, pathsBelow, whyNotMovable } from '../devices/stack.ts';
import type { Objection } from './disk-checks.ts';
import type { DestinationShape } from './pair-checks.ts';
import { chooseWay } from './way.ts';

/** An LV or an opened container as the source: what it lies on can be moved, and it stays what it is. */
export function mappedSourceObjection(inventory: Inventory, source: DiskFacts): Objection {
  const device =
    source.storage.kind === 'block' ? findDevice(inventory, source.storage.majorMinor) : undefined;
  if (device === undefined || device.mapper === null) return undefined;
  const { owner } = ownerOf(device.mapper.uuid);
  if (owner !== 'lvm' && owner !== 'luks') return undefined;
  const below = pathsBelow(inventory, device).join(' or ');
  const why =
    owner === 'lvm'
      ? 'is a logical volume: it is its physical volume that can be moved'
      : 'is the inside of a LUKS container: its content would lie unencrypted on the destination';
  return new DiskferryError('source-is-mapped', `${source.path}: ${why}`, {
    context: { device: source.path, below },
  });
}

/** `tables` is null for those who may not read them. */
export function stackObjection(
  inventory: Inventory,
  source: DiskFacts,
  tables: readonly UserTable[] | null,
): Objection {
  const { storage } = source;
  const holders = storage.kind === 'block' ? holdersOf(inventory, storage.majorMinor) : [];
  if (holders.length === 0) return deepHolderObjection(inventory, source);
  const others = holders.filter(({ mapper }) => mapper === null);
  if (others.length > 0) return heldBy(source, others);
  for (const holder of holders) {
    const table = tables?.find(({ majorMinor }) => majorMinor === holder.majorMinor) ?? null;
    const why = whyNotMovable(inventory, holder, table);
    if (why !== null) return notMovable(source, `${holder.path}, which lies on it, ${why}`);
  }
  return undefined;
}

/** What holds partitions of the disk, or a file's loop device. Partitions are the disk itself. */
function deepHolderObjection(inventory: Inventory, source: DiskFacts): Objection {
  const holders = devicesOn(inventory, source.storage).filter(({ kind }) => kind !== 'part');
  return holders.length === 0 ? undefined : heldBy(source, holders);
}

function heldBy({ path }: DiskFacts, holders: readonly BlockDevice[]): DiskferryError {
  const paths = holders.map((holder) => holder.path);
  return new DiskferryError('source-has-holders', `${path}: is in use by ${paths.join(', ')}`, {
    context: { device: path, holders: paths },
  });
}

function notMovable({ path }: DiskFacts, why: string): DiskferryError {
  return new DiskferryError('stack-not-supported', `${path}: ${why}`, { context: { device: path } });
}

/** Tables lead to block devices only. */
export function mappedDestinationObjection(
  inventory: Inventory,
  source: DiskFacts,
  { path, storage }: DestinationShape,
): Objection {
  if (storage.kind === 'block' || chooseWay(inventory, source) !== 'live') return undefined;
  const why = `what lies on ${source.path} can move to a block device only, and this is a file`;
  return new DiskferryError('device-not-a-disk', `${path}: ${why}`, { context: { device: path } });
}

/** What only LVM and the LUKS header know. */
export function stackFactsObjection(
  source: DiskFacts,
  stack: StackFacts,
  destination: DestinationShape,
): Objection {
  return volumeGroupObjection(source, stack, destination) ?? luksObjection(source, stack);
}

function volumeGroupObjection(
  source: DiskFacts,
  { physicalVolume }: StackFacts,
  destination: DestinationShape,
): Objection {
  if (physicalVolume === null) return undefined;
  const { groupName, isShared, isDuplicate, metadataAreaCount } = physicalVolume;
  if (isShared)
    return notMovable(source, `the volume group ${groupName} on it is shared with other machines`);
  if (isDuplicate)
    return notMovable(source, `LVM sees this physical volume of ${groupName} on another disk too`);
  if (metadataAreaCount > 1 && destination.sizeBytes > source.sizeBytes) {
    return notMovable(
      source,
      `LVM keeps metadata of ${groupName} at its end, and ${destination.path} ends elsewhere`,
    );
  }
  return undefined;
}

function luksObjection(source: DiskFacts, { luksHeader, tables }: StackFacts): Objection {
  if (luksHeader?.isReencrypting === true) return notMovable(source, 'it is being re-encrypted');
  const asksKey = tables.some(({ segments }) => segments.some(({ hasKeyInKeyring }) => hasKeyInKeyring));
  if (luksHeader === null && asksKey) {
    return notMovable(source, 'its LUKS header is not on it, and its key is nowhere else to be had');
  }
  return undefined;
}
