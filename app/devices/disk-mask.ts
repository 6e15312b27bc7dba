/**
 * Masks, unmasks or wipes the identity of a disk that nobody else writes: at a job's start, at its end, and
 * for `diskferry unmask`. Each place (guard-places.ts) is read and, if it must change, written whole in one
 * write of the least that the disk can; what a power cut leaves in between is on both sides of it something
 * that can be gone on from. When it returns, all is durable. A place that cannot be read is left as it is.
 *
 * Masking begins at the disk's start and unmasking at its end: the primary of what there are several of goes
 * first and comes last, so that whoever knows the disk by it finds the rest as it must be. Unmasking goes on behind
 * a place that cannot be written: one bad sector, such as the backup's, must not keep the primary hidden.
 */
import { fdatasyncSync, readSync, writeSync } from 'node:fs';
import { BufferPool, pageBytes } from '../base/buffer-pool.ts';
import { BugError, DiskferryError, messageOf } from '../base/error.ts';
import { sectorBytes } from '../base/units.ts';
import { addon } from '../../native/binding.ts';
import { isLostData } from './lost-data.ts';
import type { GuardPlaces, PlaceState } from './guard-places.ts';
import { invertSector } from './guard-places.ts';

/** What is looked at: a disk, or what has been read of one. */
export interface ReadableDisk {
  /** For messages. */
  readonly path: string;
  readonly logicalBlockBytes: number;
  /** `bytes` is aligned for direct I/O, and whole logical blocks long. False: the disk cannot deliver them. */
  read(bytes: Uint8Array, offsetBytes: number): boolean;
}

/** What the mask is changed on: a disk, or in tests the record of what happens to one. */
export interface PlainDisk extends ReadableDisk {
  write(bytes: Uint8Array, offsetBytes: number): void;
  sync(): void;
}

export interface FoundIdentity {
  /** As libblkid names it. */
  readonly type: string;
  readonly offsetBytes: number;
  readonly isMasked: boolean;
}

/**
 * Through an open descriptor, which may be one for direct I/O. Throws `mask-failed`, and `identity-unreadable` when
 * a read fails for another reason than that the disk has lost what was there.
 */
export function plainDisk(fd: number, path: string, logicalBlockBytes: number): PlainDisk {
  const context = { device: path };
  const attempt = <T>(code: Code, what: string, act: () => T): T => {
    try {
      return act();
    } catch (cause) {
      throw new DiskferryError(code, `${path}: ${what} failed: ${messageOf(cause)}`, { context, cause });
    }
  };
  const whole = (code: Code, what: string, bytes: Uint8Array, move: () => number): void => {
    const count = attempt(code, what, move);
    if (count === bytes.length) return;
    throw new DiskferryError(code, `${path}: ${what} moved ${count} bytes only`, { context });
  };
  return {
    path,
    logicalBlockBytes,
    read: (bytes, at) => {
      try {
        whole('identity-unreadable', `read at ${at}`, bytes, () => readSync(fd, bytes, 0, bytes.length, at));
        return true;
      } catch (error) {
        if (error instanceof DiskferryError && isLostData(error.cause)) return false;
        throw error;
      }
    },
    write: (bytes, at) =>
      whole('mask-failed', `write at ${at}`, bytes, () => writeSync(fd, bytes, 0, bytes.length, at)),
    sync: () => attempt('mask-failed', 'flush', () => fdatasyncSync(fd)),
  };
}

type Code = 'mask-failed' | 'identity-unreadable';

/** Places could not be written; what could be is durable. */
export class RefusedPlaces extends DiskferryError {}

/** Everything on the disk by which a program could know it, or could when it is unmasked. */
export function findIdentities(disk: ReadableDisk, places: GuardPlaces): FoundIdentity[] {
  const found: FoundIdentity[] = [];
  const look: Look = (place, state, bytes, at) => {
    const type = places.typeOf(place, bytes, at);
    if (state !== 'other' && type !== null)
      found.push({ type, offsetBytes: places.offsetOf(place), isMasked: state === 'masked' });
    return false;
  };
  lookAtPlaces(disk, places, look);
  return found;
}

/** The same, and how many places the disk cannot deliver. */
export function findReadable(
  disk: ReadableDisk,
  places: GuardPlaces,
): { readonly found: FoundIdentity[]; readonly unreadable: number } {
  let unreadable = 0;
  const read: ReadableDisk['read'] = (bytes, at) => {
    const isRead = disk.read(bytes, at);
    if (!isRead) unreadable += 1;
    return isRead;
  };
  const found = findIdentities({ ...readingOf(disk), read }, places);
  return { found, unreadable };
}

/** Whether masking would change nothing. */
export function isMasked(disk: ReadableDisk, places: GuardPlaces): boolean {
  let isPlainSomewhere = false;
  lookAtPlaces(disk, places, (_place, state) => {
    isPlainSomewhere ||= state === 'plain';
    return false;
  });
  return !isPlainSomewhere;
}

/** Visits them to see, not to change. */
function lookAtPlaces(disk: ReadableDisk, places: GuardPlaces, look: Look): void {
  const write = (): never => {
    throw new BugError('a disk that is only looked at is not written');
  };
  visitPlaces({ ...readingOf(disk), write, sync: write }, places, look);
}

function readingOf(disk: ReadableDisk): ReadableDisk {
  const { path, logicalBlockBytes } = disk;
  return { path, logicalBlockBytes, read: (bytes, at) => disk.read(bytes, at) };
}

/** No program knows the disk any more. Returns how many places have changed. */
export function maskDisk(disk: PlainDisk, places: GuardPlaces): number {
  return invertWhere(disk, places, 'plain');
}

/** It is known again as it was. Throws RefusedPlaces when some cannot be written; all the others are done then. */
export function unmaskDisk(disk: PlainDisk, places: GuardPlaces): number {
  return invertWhere(disk, places, 'masked');
}

/** What identifies it, masked or not, is gone for good. */
export function wipeDisk(disk: PlainDisk, places: GuardPlaces): number {
  return visitPlaces(disk, places, (_place, state, bytes, at) => {
    if (state === 'other') return false;
    bytes.fill(0, at, at + sectorBytes);
    return true;
  });
}

function invertWhere(disk: PlainDisk, places: GuardPlaces, wanted: PlaceState): number {
  const invert: Look = (_place, state, bytes, at) => {
    if (state !== wanted) return false;
    invertSector(bytes, at);
    return true;
  };
  const changed = visitPlaces(disk, places, invert, wanted === 'plain' ? 'upwards' : 'downwards');
  // A run that was killed may have changed them, and flushed nothing.
  if (changed === 0) disk.sync();
  return changed;
}

/** Whether the block that holds the place's sector, at `at`, has been changed and must be written. */
export type Look = (place: number, state: PlaceState, bytes: Uint8Array, at: number) => boolean;

/** Shows each to `look`, and writes those that it has changed. Returns how many. */
export function visitPlaces(
  disk: PlainDisk,
  places: GuardPlaces,
  look: Look,
  order: 'upwards' | 'downwards' = 'upwards',
): number {
  const { bytes } = new BufferPool(pageBytes, (view) => addon().misalignmentBytes(view));
  const block = bytes.subarray(0, disk.logicalBlockBytes);
  const refusals: unknown[] = [];
  let [changed, unreadable] = [0, 0];
  for (let index = 0; index < places.count; index += 1) {
    const place = order === 'upwards' ? index : places.count - 1 - index;
    const offset = places.offsetOf(place);
    const start = Math.floor(offset / block.length) * block.length;
    if (!disk.read(block, start)) {
      // What cannot be read cannot be recognised either.
      unreadable += 1;
      continue;
    }
    const at = offset - start;
    if (!look(place, places.stateOf(place, block, at), block, at)) continue;
    try {
      disk.write(block, start);
      changed += 1;
    } catch (error) {
      if (order === 'upwards') throw error;
      refusals.push(error);
    }
  }
  if (unreadable > 0 && unreadable === places.count) throw nothingReadable(disk);
  if (changed > 0) disk.sync();
  if (refusals.length > 0) throw refused(disk, refusals);
  return changed;
}

function refused({ path }: PlainDisk, [first, ...others]: readonly unknown[]): RefusedPlaces {
  const more = others.length === 0 ? '' : `, and so did ${others.length} more of the places by which it is known`;
  return new RefusedPlaces('mask-failed', `${messageOf(first)}${more}`, { context: { device: path }, cause: first });
}

function nothingReadable({ path }: PlainDisk): DiskferryError {
  const message = `${path}: nothing of what could identify it can be read`;
  return new DiskferryError('identity-unreadable', message, { context: { device: path } });
}
