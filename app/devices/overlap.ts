/**
 * What lies on what: partitions on disks, device-mapper and md on their members, loop devices on files, files
 * on file systems, file systems on disks. Answers the two questions on which data depends: do two disks share
 * storage, and what uses a disk.
 *
 * Pure walks over an inventory. A device that has vanished from the inventory ends its walk.
 */
import { present } from '../base/error.ts';
import type { BlockDevice, FileKey } from './block-device.ts';
import { fileKeyText } from './block-device.ts';
import type { Inventory, MountedVolume } from './inventory.ts';
import { findDevice } from './inventory.ts';
import { mountOfPath } from './mounts.ts';

/** A block device or a regular file. A file's path must be absolute and without links. */
export type Storage =
  | { readonly kind: 'block'; readonly majorMinor: string }
  | { readonly kind: 'file'; readonly file: FileKey; readonly path: string };

function keyOf(storage: Storage): string {
  return storage.kind === 'block' ? `block ${storage.majorMinor}` : `file ${fileKeyText(storage.file)}`;
}

export function isSameStorage(one: Storage, other: Storage): boolean {
  return keyOf(one) === keyOf(other);
}

/** What `storage` lies on directly. */
function directlyBelow(inventory: Inventory, storage: Storage): Storage[] {
  if (storage.kind === 'file') {
    const devices = volumeOfFile(inventory, storage)?.devices ?? [];
    return devices.map((majorMinor) => ({ kind: 'block', majorMinor }));
  }
  const device = findDevice(inventory, storage.majorMinor);
  if (device === undefined) return [];
  const below: Storage[] = device.slaves.map((majorMinor) => ({ kind: 'block', majorMinor }));
  if (device.partition !== null) below.push({ kind: 'block', majorMinor: device.partition.diskMajorMinor });
  if (device.loop !== null) below.push(...backingOf(device));
  return below;
}

function backingOf(device: BlockDevice): Storage[] {
  const loop = present(device.loop, 'a loop device has a backing');
  if (loop.block !== null) return [{ kind: 'block', majorMinor: loop.block }];
  return loop.file === null ? [] : [{ kind: 'file', file: loop.file, path: loop.path }];
}

/** The mount that holds a file: by its device number; where that is anonymous (Btrfs), by its path. */
export function volumeOfFile(
  inventory: Inventory,
  file: { readonly file: FileKey; readonly path: string },
): MountedVolume | null {
  const byNumber = inventory.mounts.find((mount) => mount.majorMinor === file.file.device);
  return byNumber ?? mountOfPath(inventory.mounts, file.path);
}

/** `storage` itself and everything under it, down to the disks. */
export function everythingBelow(inventory: Inventory, storage: Storage): Storage[] {
  const found = new Map<string, Storage>();
  const visit = (current: Storage): void => {
    if (found.has(keyOf(current))) return;
    found.set(keyOf(current), current);
    for (const next of directlyBelow(inventory, current)) visit(next);
  };
  visit(storage);
  return [...found.values()];
}

/** True when `storage` is `base` or lies on it, over any number of layers. */
export function liesOn(inventory: Inventory, storage: Storage, base: Storage): boolean {
  return everythingBelow(inventory, storage).some((below) => isSameStorage(below, base));
}

/** All block devices that lie on `base`, over any number of layers; not `base` itself. */
export function devicesOn(inventory: Inventory, base: Storage): BlockDevice[] {
  return inventory.devices.filter((device) => {
    const storage: Storage = { kind: 'block', majorMinor: device.majorMinor };
    return !isSameStorage(storage, base) && liesOn(inventory, storage, base);
  });
}

// ---- do two disks share storage?

/** Where a device's bytes are, as far as partitions and loop devices merely shift them. */
interface Place {
  readonly base: Storage;
  readonly fromBytes: number;
  readonly toBytes: number;
}

function placeOf(inventory: Inventory, storage: Storage): Place {
  const device = storage.kind === 'block' ? findDevice(inventory, storage.majorMinor) : undefined;
  if (device === undefined) return { base: storage, fromBytes: 0, toBytes: Infinity };
  const [below] = device.slaves.length === 0 ? directlyBelow(inventory, storage) : [];
  if (below === undefined) return { base: storage, fromBytes: 0, toBytes: device.sizeBytes };
  const offsetBytes = device.partition?.offsetBytes ?? device.loop?.offsetBytes ?? 0;
  const under = placeOf(inventory, below);
  const fromBytes = under.fromBytes + offsetBytes;
  return { base: under.base, fromBytes, toBytes: fromBytes + device.sizeBytes };
}

function placesMeet(one: Place, other: Place): boolean {
  return (
    isSameStorage(one.base, other.base) && one.fromBytes < other.toBytes && other.fromBytes < one.toBytes
  );
}

/**
 * `same`: both are one device or file. `overlaps`: a byte written to one may change the other (one lies on
 * the other, or both on the same part of a third). Two partitions of a disk, or two images on one file
 * system, do not.
 */
export function compareStorage(
  inventory: Inventory,
  one: Storage,
  other: Storage,
): 'same' | 'overlaps' | 'apart' {
  if (isSameStorage(one, other)) return 'same';
  if (liesOn(inventory, one, other) || liesOn(inventory, other, one)) return 'overlaps';
  return placesMeet(placeOf(inventory, one), placeOf(inventory, other)) ? 'overlaps' : 'apart';
}
