/**
 * Free blocks of ext2, ext3 and ext4, from dumpe2fs(8): it reads the block bitmaps by the same library as
 * e2fsck, and knows what a group whose bitmap was never written holds (superblock copies and descriptors).
 *
 * Trusted only when the superblock says clean, without a journal to replay and without recorded errors, and
 * when the bitmaps' free blocks add up to the superblock's count.
 */
import { runProgramLines } from '../program.ts';
import type { FreeExtents } from './free-extents.ts';
import { AllocationUnknown, assertAgreement, numberIn, toolFailed } from './unknown.ts';

/** Groups follow the header after an empty line; in them everything is indented. */
const groupFreeBlocks = '  Free blocks: ';

interface Geometry {
  readonly blockBytes: number;
  /** What the bitmaps count in; more than a block on file systems with clusters (bigalloc). */
  readonly clusterBytes: number;
  readonly freeBlocks: number;
}

export async function readExtFree(path: string, free: FreeExtents): Promise<void> {
  let header = '';
  let geometry: Geometry | undefined;
  const end = await runProgramLines('dumpe2fs', [path], (line) => {
    if (line.startsWith(groupFreeBlocks)) {
      geometry ??= checkHeader(header);
      addRanges(line.slice(groupFreeBlocks.length), geometry, free);
    } else if (geometry === undefined) {
      header += `${line}\n`;
    }
  });
  if (end.exitCode !== 0) throw toolFailed('dumpe2fs', end);
  const { freeBlocks, blockBytes } = geometry ?? checkHeader(header);
  assertAgreement(free.addedBytes, freeBlocks * blockBytes);
}

function checkHeader(header: string): Geometry {
  const state = /^Filesystem state:\s+(.*)$/m.exec(header)?.[1] ?? 'unknown';
  if (state !== 'clean') throw new AllocationUnknown(`the ext file system is in the state "${state}"`);
  const features = /^Filesystem features:\s+(.*)$/m.exec(header)?.[1]?.split(/\s+/) ?? [];
  const unfit = features.find((feature) => feature === 'needs_recovery' || feature === 'journal_dev');
  if (unfit !== undefined) throw new AllocationUnknown(`the ext file system has the feature ${unfit}`);
  if (/^FS Error count:/m.test(header)) {
    throw new AllocationUnknown('the ext file system has recorded errors');
  }
  const blockBytes = numberIn(header, /^Block size:\s+(\d+)$/m, 'block size');
  const clusterBytes = Number(/^Cluster size:\s+(\d+)$/m.exec(header)?.[1] ?? blockBytes);
  return { blockBytes, clusterBytes, freeBlocks: numberIn(header, /^Free blocks:\s+(\d+)$/m, 'free blocks') };
}

/**
 * "8451-16384, 17000, 17002-17010"; nothing at all for a full group. With clusters each number is the first
 * block of a cluster, also the one behind the dash.
 */
function addRanges(text: string, { blockBytes, clusterBytes }: Geometry, free: FreeExtents): void {
  for (const range of text.split(', ')) {
    if (range.trim() === '') continue;
    const match = /^(\d+)(?:-(\d+))?$/.exec(range.trim());
    if (match === null) throw new AllocationUnknown(`dumpe2fs wrote an unexpected range: ${range}`);
    const first = Number(match[1]);
    const last = Number(match[2] ?? first);
    free.add(first * blockBytes, (last - first) * blockBytes + clusterBytes);
  }
}
