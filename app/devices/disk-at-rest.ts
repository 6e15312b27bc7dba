/**
 * The identity of a disk that no engine serves: looked for, and made visible again. For `diskferry unmask`, and
 * for the end of a job that died when one disk was the truth already. The disk is claimed while it is written;
 * what hides nothing is not even claimed, because its users may be on it already.
 */
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import type { PlannedDisk } from '../contract/plan.ts';
import type { FoundIdentity } from './disk-mask.ts';
import { findIdentities, plainDisk, unmaskDisk } from './disk-mask.ts';
import { GuardPlaces } from './guard-places.ts';
import { dropCache, openDisk, openFile, openPath } from './open-disk.ts';

export type DiskAtRest = Pick<PlannedDisk, 'path' | 'kind' | 'logicalBlockBytes'>;

/**
 * The types of what is hidden on the disk, as libblkid names them. A volume knows the sectors at its own end,
 * which is not that of a larger disk: hence several sizes.
 */
export async function hiddenOn(disk: DiskAtRest, volumeSizes: readonly number[]): Promise<string[]> {
  const all = volumeSizes.map((size) => identitiesAtRest(disk, new GuardPlaces(size)));
  const found = (await Promise.all(all)).flat();
  return [...new Set(found.filter(({ isMasked }) => isMasked).map(({ type }) => type))];
}

/** At the places of a volume, hidden or not. The disk may be in use. */
export async function identitiesAtRest(disk: DiskAtRest, places: GuardPlaces): Promise<FoundIdentity[]> {
  const { path, logicalBlockBytes } = disk;
  const handle = await openToLook(disk);
  try {
    return findIdentities(plainDisk(handle.fd, path, logicalBlockBytes), places);
  } finally {
    await handle.close();
  }
}

/** For reading, past every cache, and without a claim. */
export async function openToLook({ path, kind }: DiskAtRest): Promise<FileHandle> {
  if (kind === 'block') return openPath(path, constants.O_RDONLY | constants.O_DIRECT);
  return (await openFile(path, constants.O_RDONLY)).handle;
}

/** Durable when it resolves. Throws `device-in-use` when somebody has it, `mask-failed`. */
export async function showDisk(disk: PlannedDisk, volumeSizes: readonly number[]): Promise<void> {
  const open = await openDisk(disk, 'write');
  try {
    const plain = plainDisk(open.handle.fd, disk.path, disk.logicalBlockBytes);
    for (const size of volumeSizes) unmaskDisk(plain, new GuardPlaces(size));
    await dropCache(open);
  } finally {
    await open.close();
  }
}

export async function showIfHidden(disk: PlannedDisk, volumeSizes: readonly number[]): Promise<void> {
  if ((await hiddenOn(disk, volumeSizes)).length > 0) await showDisk(disk, volumeSizes);
}
