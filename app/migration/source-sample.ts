/**
 * Whether the source is still as the job left it: a hash of those of its parts that change when anybody mounts
 * it or writes to it without the job. Taken when nobody uses the source any more and before anybody uses the
 * virtual device; compared before a job goes on, because what has crossed and a source that was changed since
 * would be mixed.
 *
 * The parts are the first MiB of the disk, of each of its partitions, and of what device-mapper lays on it,
 * where file systems keep what they rewrite at each mount, and the last MiB of the disk. What cannot be read when
 * the sample is taken is left out of it: a disk with bad places is to be moved all the same.
 *
 * It is the same whether the disk is hidden or shows: what identifies it counts as hidden.
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import * as z from 'zod';
import { DiskferryError } from '../base/error.ts';
import { kibibyte, mebibyte } from '../base/units.ts';
import type { Extent } from '../base/units.ts';
import type { PlannedDisk } from '../contract/plan.ts';
import { GuardPlaces, maskBytes } from '../devices/guard-places.ts';
import type { Inventory } from '../devices/inventory.ts';
import { isLostData } from '../devices/lost-data.ts';
import type { OpenDisk } from '../devices/open-disk.ts';
import { descriptorPath, dropCache, openPath } from '../devices/open-disk.ts';

const partBytes = mebibyte;
/** A bad disk takes long for each read that fails, and users may be waiting. */
const pieceBytes = 64 * kibibyte;

export const sourceSampleSchema = z.object({
  extents: z.array(z.object({ offsetBytes: z.int().nonnegative(), lengthBytes: z.int().positive() })),
  sha256: z.string(),
});
export type SourceSample = z.infer<typeof sourceSampleSchema>;

export interface SampledDisk {
  readonly majorMinor: string;
  readonly sizeBytes: number;
  /** Where something begins that was seen on the disk besides its partitions. */
  readonly begins: readonly number[];
}

export function extentsToSample(inventory: Inventory, { majorMinor, sizeBytes, begins }: SampledDisk): Extent[] {
  const partitions = inventory.devices.flatMap(({ partition }) =>
    partition?.diskMajorMinor === majorMinor ? [partition.offsetBytes] : [],
  );
  const starts = new Set([0, Math.max(0, sizeBytes - partBytes), ...partitions, ...begins]);
  return [...starts]
    .filter((offsetBytes) => offsetBytes < sizeBytes)
    .sort((one, other) => one - other)
    .map((offsetBytes) => ({ offsetBytes, lengthBytes: Math.min(partBytes, sizeBytes - offsetBytes) }));
}

/** `volumeBytes`: of the volume that lies on it, by which the guard's places are known. */
export async function takeSample(
  disk: OpenDisk,
  { extents, volumeBytes }: { readonly extents: readonly Extent[]; readonly volumeBytes: number },
): Promise<SourceSample> {
  const places = new GuardPlaces(volumeBytes);
  // Others may have read the disk before its last user had written everything.
  await dropCache(disk);
  const handle = await openPath(descriptorPath(disk.base), constants.O_RDONLY);
  try {
    const hash = createHash('sha256');
    const taken: Extent[] = [];
    for (const extent of extents.flatMap(piecesOf)) {
      const bytes = await readPiece(handle, extent);
      if (bytes === undefined) continue;
      maskBytes(places, bytes, extent.offsetBytes);
      hash.update(bytes);
      taken.push(extent);
    }
    return { extents: taken, sha256: hash.digest('hex') };
  } finally {
    await handle.close();
  }
}

function piecesOf({ offsetBytes, lengthBytes }: Extent): Extent[] {
  const count = Math.ceil(lengthBytes / pieceBytes);
  return Array.from({ length: count }, (_, index) => ({
    offsetBytes: offsetBytes + index * pieceBytes,
    lengthBytes: Math.min(pieceBytes, lengthBytes - index * pieceBytes),
  }));
}

/** Undefined when the disk cannot deliver all of it. */
async function readPiece(handle: FileHandle, { offsetBytes, lengthBytes }: Extent): Promise<Uint8Array | undefined> {
  const bytes = new Uint8Array(lengthBytes);
  try {
    for (let done = 0; done < lengthBytes;) {
      const { bytesRead } = await handle.read(bytes, done, lengthBytes - done, offsetBytes + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return bytes;
  } catch (error) {
    if (isLostData(error)) return undefined;
    throw error;
  }
}

/** Throws `source-changed`, also where what was sampled cannot be read any more: then nobody can say. */
export async function requireSample(
  { path, sizeBytes }: Pick<PlannedDisk, 'path' | 'sizeBytes'>,
  disk: OpenDisk,
  before: SourceSample,
): Promise<void> {
  const now = await takeSample(disk, { extents: before.extents, volumeBytes: sizeBytes });
  if (now.sha256 === before.sha256) return;
  const why =
    now.extents.length < before.extents.length
      ? 'can no longer be read where it was looked at before the job died, so nobody can say whether it has changed'
      : 'has been written to since the job died, so what is on it does not fit what has crossed';
  throw new DiskferryError('source-changed', `${path}: ${why}`, { context: { device: path } });
}
