/**
 * The identity of a disk that no engine serves: looked for, and made visible again. For `diskferry unmask`, and
 * for the end of a job that died when one disk was the truth already. The disk is claimed while it is written, but
 * where users that are moved live may be on it; what hides nothing is not even opened for writing.
 */
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { mebibyte } from '../base/units.ts';
import type { PlannedDisk } from '../contract/plan.ts';
import type { FoundIdentity, PlainDisk, ReadableDisk } from './disk-mask.ts';
import { findIdentities, findReadable, plainDisk, RefusedPlaces, unmaskDisk } from './disk-mask.ts';
import { GuardPlaces } from './guard-places.ts';
import type { Claim, Known } from './open-disk.ts';
import { dropCache, openDisk, openFile, openPath } from './open-disk.ts';
import { readByProgram } from './read-by-program.ts';
import { volumeSizes } from './volume-size.ts';

export type DiskAtRest = Pick<PlannedDisk, 'path' | 'kind' | 'logicalBlockBytes'>;

/**
 * The types of what is hidden on the disk, as libblkid names them. A volume knows the sectors at its own end,
 * which is not that of a larger disk: hence several sizes. For anybody who plans, so a program reads it.
 */
export async function hiddenOn(disk: DiskAtRest, volumeSizes: readonly number[]): Promise<string[]> {
  const all = volumeSizes.map((size) => new GuardPlaces(size));
  const plain = await readPlaces(disk, all);
  const found = all.flatMap((places) => findIdentities(plain, places));
  return [...new Set(found.filter(({ isMasked }) => isMasked).map(({ type }) => type))];
}

/** All places at a disk's start fit into one: a program for each of them would take longer than to read it all. */
const runBytesMax = 5 * mebibyte;

async function readPlaces(disk: DiskAtRest, all: readonly GuardPlaces[]): Promise<ReadableDisk> {
  const { path, logicalBlockBytes } = disk;
  const blocks = new Map<number, Uint8Array>();
  for (const wanted of groupsOf(all, logicalBlockBytes)) await readGroup(disk, wanted, blocks);
  const read: ReadableDisk['read'] = (bytes, at) => {
    const found = blocks.get(at / logicalBlockBytes);
    if (found !== undefined) bytes.set(found);
    return found !== undefined;
  };
  return { path, logicalBlockBytes, read };
}

/** The numbers of the logical blocks that have places, ascending, by groups that are read in one piece. */
function groupsOf(all: readonly GuardPlaces[], logicalBlockBytes: number): number[][] {
  const offsets = all.flatMap((places) => Array.from({ length: places.count }, (_, place) => places.offsetOf(place)));
  const blocks = [...new Set(offsets.map((offset) => Math.floor(offset / logicalBlockBytes)))];
  const groups: number[][] = [];
  for (const block of blocks.sort((one, other) => one - other)) {
    const group = groups.at(-1);
    const first = group?.[0] ?? -Infinity;
    if (group !== undefined && (block + 1 - first) * logicalBlockBytes <= runBytesMax) group.push(block);
    else groups.push([block]);
  }
  return groups;
}

/** Block by block where the disk cannot deliver all of the piece. */
async function readGroup(disk: DiskAtRest, wanted: readonly number[], blocks: Map<number, Uint8Array>): Promise<void> {
  const [first = 0] = wanted;
  const piece = await readByProgram(disk, { first, count: (wanted.at(-1) ?? first) + 1 - first });
  for (const block of wanted) {
    const at = (block - first) * disk.logicalBlockBytes;
    const found = piece?.subarray(at, at + disk.logicalBlockBytes) ?? (await readByProgram(disk, { first: block, count: 1 }));
    if (found !== undefined) blocks.set(block, found);
  }
}

/** At the places of a volume, hidden or not. The disk may be in use. */
export function identitiesAtRest(disk: DiskAtRest, places: GuardPlaces): Promise<FoundIdentity[]> {
  return looking(disk, (plain) => findIdentities(plain, places));
}

/** Of the volumes that what identifies the disk tells of, hidden or not. */
export function volumeSizesAtRest(disk: DiskAtRest & Pick<PlannedDisk, 'sizeBytes'>): Promise<number[]> {
  return looking(disk, (plain) => volumeSizes(plain, new GuardPlaces(disk.sizeBytes)));
}

/** Whether a program may know the disk by any place, and whether the disk has delivered all of them. */
export function shownAtRest(
  disk: DiskAtRest,
  volumeSizes: readonly number[],
): Promise<{ readonly shows: boolean; readonly isRead: boolean }> {
  return looking(disk, (plain) => {
    const seen = volumeSizes.map((size) => findReadable(plain, new GuardPlaces(size)));
    const shows = seen.some(({ found }) => found.some(({ isMasked }) => !isMasked));
    return { shows, isRead: seen.every(({ unreadable }) => unreadable === 0) };
  });
}

/** Places of a volume that are not as they must be on a disk that shows. */
export interface PlacesLeft {
  /** The disk cannot deliver them, so nobody knows whether they hide something. */
  readonly unreadable: number;
  readonly hidden: number;
}

export function placesLeft(disk: DiskAtRest, volumeBytes: number): Promise<PlacesLeft> {
  return looking(disk, (plain) => {
    const { found, unreadable } = findReadable(plain, new GuardPlaces(volumeBytes));
    return { unreadable, hidden: found.filter(({ isMasked }) => isMasked).length };
  });
}

/** For people; undefined: there are none. */
export function tellPlacesLeft({ unreadable, hidden }: PlacesLeft): string | undefined {
  const told = [
    ...(unreadable === 0 ? [] : [`cannot be read in ${unreadable}`]),
    ...(hidden === 0 ? [] : [`stays hidden in ${hidden}`]),
  ];
  return told.length === 0 ? undefined : `${told.join(' and ')} of the places by which programs know a disk`;
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
  readonly known?: Known;
}

/**
 * Durable when it resolves, as far as the disk can be written: places may stay hidden (`placesLeft`), but no primary
 * of what identifies it. Throws `device-in-use` when somebody has it, `mask-failed`.
 */
export async function showDisk(disk: PlannedDisk, { volumeSizes, claim, known }: ShowOptions): Promise<void> {
  const open = await openDisk(disk, 'write', claim, known);
  try {
    const plain = plainDisk(open.handle.fd, disk.path, disk.logicalBlockBytes);
    const failures = volumeSizes.flatMap((size) => showVolume(plain, new GuardPlaces(size)) ?? []);
    await dropCache(open);
    if (failures[0] !== undefined) throw failures[0];
  } finally {
    await open.close();
  }
}

/** Returns why nobody would know it. */
function showVolume(plain: PlainDisk, places: GuardPlaces): RefusedPlaces | undefined {
  try {
    unmaskDisk(plain, places);
    return undefined;
  } catch (error) {
    if (!(error instanceof RefusedPlaces)) throw error;
    return lacksPrimary(findIdentities(plain, places)) ? error : undefined;
  }
}

/** Whether of something of which there are several on the disk the first is hidden. `found`: in the disk's order. */
export function lacksPrimary(found: readonly FoundIdentity[]): boolean {
  return found.some(({ type, isMasked }, index) => isMasked && found.findIndex((one) => one.type === type) === index);
}

/** True: it was hidden. */
export async function showIfHidden(disk: PlannedDisk, options: ShowOptions): Promise<boolean> {
  if ((await hiddenOn(disk, options.volumeSizes)).length === 0) return false;
  await showDisk(disk, options);
  return true;
}
