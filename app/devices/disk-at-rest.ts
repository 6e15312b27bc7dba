/**
 * The identity of a disk that no engine serves: looked for, and made visible again. For `diskferry unmask`, and
 * for the end of a job that died when one disk was the truth already. The disk is claimed while it is written, but
 * where users that are moved live may be on it; what hides nothing is not even opened for writing.
 */
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import type { PlannedDisk } from '../contract/plan.ts';
import type { FoundIdentity, PlainDisk } from './disk-mask.ts';
import { findIdentities, plainDisk, unmaskDisk } from './disk-mask.ts';
import { GuardPlaces } from './guard-places.ts';
import type { Claim } from './open-disk.ts';
import { dropCache, openDisk, openFile, openPath } from './open-disk.ts';
import { volumeSizes } from './volume-size.ts';

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
export function identitiesAtRest(disk: DiskAtRest, places: GuardPlaces): Promise<FoundIdentity[]> {
  return looking(disk, (plain) => findIdentities(plain, places));
}

/** Of the volumes that what identifies the disk tells of, hidden or not. */
export function volumeSizesAtRest(disk: DiskAtRest & Pick<PlannedDisk, 'sizeBytes'>): Promise<number[]> {
  return looking(disk, (plain) => volumeSizes(plain, new GuardPlaces(disk.sizeBytes)));
}

/** How many places of a volume the disk cannot deliver, so that nobody knows whether they hide something. */
export function unreadablePlaces(disk: DiskAtRest, volumeBytes: number): Promise<number> {
  return looking(disk, (plain) => {
    let count = 0;
    const read: PlainDisk['read'] = (bytes, at) => {
      const isRead = plain.read(bytes, at);
      if (!isRead) count += 1;
      return isRead;
    };
    findIdentities({ ...plain, read }, new GuardPlaces(volumeBytes));
    return count;
  });
}

async function looking<T>(disk: DiskAtRest, look: (plain: PlainDisk) => T): Promise<T> {
  const { path, logicalBlockBytes } = disk;
  const handle = await openToLook(disk);
  try {
    return look(plainDisk(handle.fd, path, logicalBlockBytes));
  } finally {
    await handle.close();
  }
}

/** For reading, past every cache, and without a claim. */
export async function openToLook({ path, kind }: DiskAtRest): Promise<FileHandle> {
  if (kind === 'block') return openPath(path, constants.O_RDONLY | constants.O_DIRECT);
  return (await openFile(path, constants.O_RDONLY)).handle;
}

export interface ShowOptions {
  readonly volumeSizes: readonly number[];
  /** `shared`: device-mapper devices may lie on it and stay there. */
  readonly claim?: Claim;
}

/** Durable when it resolves. Throws `device-in-use` when somebody has it, `mask-failed`. */
export async function showDisk(disk: PlannedDisk, { volumeSizes, claim }: ShowOptions): Promise<void> {
  const open = await openDisk(disk, 'write', claim);
  try {
    const plain = plainDisk(open.handle.fd, disk.path, disk.logicalBlockBytes);
    for (const size of volumeSizes) unmaskDisk(plain, new GuardPlaces(size));
    await dropCache(open);
  } finally {
    await open.close();
  }
}

/** True: it was hidden. */
export async function showIfHidden(disk: PlannedDisk, options: ShowOptions): Promise<boolean> {
  if ((await hiddenOn(disk, options.volumeSizes)).length === 0) return false;
  await showDisk(disk, options);
  return true;
}
