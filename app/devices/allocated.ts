/**
 * Which parts of an *unmounted* volume its file system does not use, so that they need not be copied (DESIGN
 * §5.8).
 *
 * A wrong answer here loses data, so: the file system must be clean; the map must agree with the file
 * system's own count of free space, taken from another place; only whole 4096-byte blocks of the disk count
 * as free; and whatever is odd makes the outcome `unknown`, which means that everything is copied. The area
 * behind the file system's end is never free.
 *
 * ext, XFS and Btrfs are asked through their own tools (e2fsprogs, xfsprogs, btrfs-progs). partclone's domain
 * map serves NTFS, FAT and exFAT only: its Btrfs map leaves out the second copy of metadata and unreadable
 * trees, and its XFS map wraps at 16 TiB (both in 0.3.23), without a word.
 */
import { DiskferryError, assertSafeInteger } from '../base/error.ts';
import type { Extent } from '../base/units.ts';
import { readBtrfsFree } from './allocated/btrfs.ts';
import { readExfatFree } from './allocated/exfat.ts';
import { readExtFree } from './allocated/ext.ts';
import { readFatFree } from './allocated/fat.ts';
import { FreeExtents } from './allocated/free-extents.ts';
import { readNtfsFree } from './allocated/ntfs.ts';
import { AllocationUnknown } from './allocated/unknown.ts';
import { readXfsFree } from './allocated/xfs.ts';

export type Allocation =
  | {
      readonly kind: 'known';
      readonly fileSystemType: string;
      /** Ascending, apart from each other, whole blocks of the disk. */
      readonly freeExtents: readonly Extent[];
      readonly freeBytes: number;
      /** What must be copied. */
      readonly allocatedBytes: number;
    }
  | { readonly kind: 'unknown'; readonly reason: string };

export interface Volume {
  /** The block device, or the image file as far as the tools take one. */
  readonly path: string;
  readonly sizeBytes: number;
  /** As libblkid names it. */
  readonly fileSystemType: string | null;
}

type FreeReader = (path: string, free: FreeExtents) => Promise<void>;

const readers: ReadonlyMap<string, FreeReader> = new Map([
  ['ext2', readExtFree],
  ['ext3', readExtFree],
  ['ext4', readExtFree],
  ['xfs', readXfsFree],
  ['btrfs', readBtrfsFree],
  ['ntfs', readNtfsFree],
  ['vfat', readFatFree],
  ['exfat', readExfatFree],
]);

/** Whether the free parts of such a file system can be found out once it is unmounted. */
export function isAllocationReadable(fileSystemType: string | null): boolean {
  return fileSystemType !== null && readers.has(fileSystemType);
}

/** The volume must not be mounted and must not change while this runs. Reads only. */
export async function readAllocation(volume: Volume): Promise<Allocation> {
  assertSafeInteger(volume.sizeBytes, 'volume size');
  const type = volume.fileSystemType;
  const reader = type === null ? undefined : readers.get(type);
  if (type === null || reader === undefined) {
    return { kind: 'unknown', reason: `free space of ${type ?? 'unrecognised content'} cannot be told` };
  }
  try {
    const free = new FreeExtents(volume.sizeBytes);
    await reader(volume.path, free);
    const { extents, freeBytes } = free.finish();
    const allocatedBytes = volume.sizeBytes - freeBytes;
    return { kind: 'known', fileSystemType: type, freeExtents: extents, freeBytes, allocatedBytes };
  } catch (error) {
    return { kind: 'unknown', reason: unknownReason(error) };
  }
}

/** A missing or failing program is a reason to copy everything, not to give up the job. */
function unknownReason(error: unknown): string {
  if (error instanceof AllocationUnknown || error instanceof DiskferryError) return error.message;
  throw error;
}
