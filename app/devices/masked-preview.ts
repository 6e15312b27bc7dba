/**
 * What the system's programs will make of a disk once its identity is hidden or wiped, known before anything
 * on it has changed: they are asked of a sparse file with those parts of the disk that any of them looks at.
 * For disks whose users are to be stopped, who must not wait for programs. The disk is only read, and nobody
 * claims it.
 *
 * LVM is not asked, because it looks at block devices only; and btrfs, which goes on from a superblock to trees
 * that may be anywhere, stops there. Both know a disk by the guard's places alone.
 */
import { existsSync, ftruncateSync, mkdtempSync, rmSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BufferPool } from '../base/buffer-pool.ts';
import { DiskferryError, messageOf } from '../base/error.ts';
import { kibibyte, mebibyte } from '../base/units.ts';
import { addon } from '../../native/binding.ts';
import type { DiskAtRest } from './disk-at-rest.ts';
import { openToLook } from './disk-at-rest.ts';
import type { PlainDisk } from './disk-mask.ts';
import { plainDisk } from './disk-mask.ts';
import { recognisedBy } from './foreign-recognisers.ts';
import { GuardPlaces } from './guard-places.ts';

/** What programs look at lies so far from an end of the disk at the most, or in one of the guard's places. */
const endBytes = 4 * mebibyte;
/** A multiple of every logical block; what a bad disk cannot deliver of it is left out. */
const pieceBytes = 64 * kibibyte;
/** The first is in memory, where a file may be as long as any disk. */
const folders = ['/dev/shm', tmpdir()];

export interface PreviewedDisk extends DiskAtRest {
  readonly sizeBytes: number;
}

/**
 * What `change` would make of the disk, in the words of `recognisedBy`. Throws `memory-too-small`,
 * what reading the disk gave, and what `change` throws.
 */
export async function previewOf(
  disk: PreviewedDisk,
  change: (preview: PlainDisk) => void,
): Promise<string[]> {
  const { path, folder, file } = await makeFile(disk);
  try {
    await copyParts(disk, (bytes, at) => roomFor(disk, () => writeSync(file.fd, bytes, 0, bytes.length, at)));
    change(plainDisk(file.fd, path, disk.logicalBlockBytes));
    return await recognisedBy({ node: null, path });
  } finally {
    await file.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface PreviewFile {
  readonly folder: string;
  readonly path: string;
  readonly file: FileHandle;
}

async function makeFile(disk: PreviewedDisk): Promise<PreviewFile> {
  const place = folders.find((folder) => existsSync(folder)) ?? tmpdir();
  const folder = roomFor(disk, () => mkdtempSync(join(place, 'diskferry-look-')));
  const path = join(folder, 'disk');
  const file = await open(path, 'wx+', 0o600);
  roomFor(disk, () => ftruncateSync(file.fd, disk.sizeBytes));
  return { folder, path, file };
}

function roomFor<T>({ path }: PreviewedDisk, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    const message = `${path}: there is no room in memory to look at what identifies it: ${messageOf(cause)}`;
    throw new DiskferryError('memory-too-small', message, { context: { device: path }, cause });
  }
}

async function copyParts(disk: PreviewedDisk, write: (bytes: Uint8Array, at: number) => void): Promise<void> {
  const { path, sizeBytes, logicalBlockBytes } = disk;
  const handle = await openToLook(disk);
  const from = plainDisk(handle.fd, path, logicalBlockBytes);
  const { bytes } = new BufferPool(pieceBytes, (view) => addon().misalignmentBytes(view));
  const copy = (offsetBytes: number, lengthBytes: number): void => {
    const piece = bytes.subarray(0, Math.min(lengthBytes, sizeBytes - offsetBytes));
    if (from.read(piece, offsetBytes)) write(piece, offsetBytes);
  };
  try {
    const lastStart = Math.max(0, Math.floor((sizeBytes - endBytes) / pieceBytes) * pieceBytes);
    const head = Math.min(endBytes, sizeBytes);
    for (let at = 0; at < head; at += pieceBytes) copy(at, pieceBytes);
    for (let at = Math.max(head, lastStart); at < sizeBytes; at += pieceBytes) copy(at, pieceBytes);
    // Also those within a piece that could not be read whole.
    const places = new GuardPlaces(sizeBytes);
    for (let place = 0; place < places.count; place += 1)
      copy(Math.floor(places.offsetOf(place) / logicalBlockBytes) * logicalBlockBytes, logicalBlockBytes);
  } finally {
    await handle.close();
  }
}
