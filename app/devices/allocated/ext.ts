/**
 * Free blocks of ext2, ext3 and ext4, from dumpe2fs(8): it reads the block bitmaps by the same library as
 * e2fsck, and knows what a group whose bitmap was never written holds (superblock copies and descriptors).
 *
 * Trusted only when the superblock says clean, without a journal to replay and without recorded errors, and
 * when the bitmaps' free blocks add up to the superblock's count.
 */
import { runProgramLines } from '../program.ts';
import type { FreeExtents } from './free-extents.ts';
import { AllocationUnknown, assertAgreement, numberIn } from './unknown.ts';

/** Groups follow the header after an empty line; in them everything is indented. */
const groupFreeBlocks = '  Free blocks: ';

export async function readExtFree(path: string, free: FreeExtents): Promise<void> {
  let header = '';
  let blockBytes = 0;
  const end = await runProgramLines('dumpe2fs', [path], (line) => {
    if (line.startsWith(groupFreeBlocks)) {
      if (blockBytes === 0) blockBytes = checkHeader(header);
      addRanges(line.slice(groupFreeBlocks.length), blockBytes, free);
    } else if (blockBytes === 0) {
      header += `${line}\n`;
    }
  });
  if (end.exitCode !== 0)
    throw new AllocationUnknown(`dumpe2fs ended with ${end.exitCode}: ${end.stderr.trim()}`);
  if (blockBytes === 0) throw new AllocationUnknown('dumpe2fs listed no block groups');
  // Counted in clusters where the file system has them (bigalloc), but printed in blocks' worth of groups.
  assertAgreement(free.addedBytes, numberIn(header, /^Free blocks:\s+(\d+)$/m, 'free blocks') * blockBytes);
}

/** Returns the block size. */
function checkHeader(header: string): number {
  const state = /^Filesystem state:\s+(.*)$/m.exec(header)?.[1] ?? 'unknown';
  if (state !== 'clean') throw new AllocationUnknown(`the ext file system is in the state "${state}"`);
  const features = /^Filesystem features:\s+(.*)$/m.exec(header)?.[1]?.split(/\s+/) ?? [];
  for (const feature of ['needs_recovery', 'journal_dev']) {
    if (features.includes(feature))
      throw new AllocationUnknown(`the ext file system has the feature ${feature}`);
  }
  if (/^FS Error count:/m.test(header))
    throw new AllocationUnknown('the ext file system has recorded errors');
  return numberIn(header, /^Block size:\s+(\d+)$/m, 'block size');
}

/** "8451-16384, 17000, 17002-17010"; nothing at all for a full group. */
function addRanges(text: string, blockBytes: number, free: FreeExtents): void {
  for (const range of text.split(', ')) {
    if (range.trim() === '') continue;
    const match = /^(\d+)(?:-(\d+))?$/.exec(range.trim());
    if (match === null) throw new AllocationUnknown(`dumpe2fs wrote an unexpected range: ${range}`);
    const first = Number(match[1]);
    const last = Number(match[2] ?? first);
    free.add(first * blockBytes, (last - first + 1) * blockBytes);
  }
}
