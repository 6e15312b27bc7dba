/**
 * Free blocks of XFS, from xfs_db(8): `freesp -d` walks the free-space tree of every allocation group, and
 * lists the group's own reserve (AGFL), whose blocks have no content until they are taken.
 *
 * Trusted only when the log is clean (else the trees on disk are behind the log) and lies inside, and when
 * the superblock counts at least as much free space as the trees list. It counts more: blocks of the trees
 * themselves are free in its eyes, and used in ours.
 */
import { runProgram, runProgramLines } from '../program.ts';
import type { FreeExtents } from './free-extents.ts';
import { AllocationUnknown, numberIn, toolFailed } from './unknown.ts';

/** XFS_SB_FEAT_INCOMPAT_NEEDSREPAIR in fs/xfs/libxfs/xfs_format.h. */
const needsRepair = 1 << 4;

interface Geometry {
  readonly blockBytes: number;
  readonly groupBlocks: number;
  readonly groupCount: number;
  readonly totalBlocks: number;
  readonly freeBlocks: number;
}

export async function readXfsFree(path: string, free: FreeExtents): Promise<void> {
  await checkLog(path);
  const geometry = await readGeometry(path);
  const end = await runProgramLines('xfs_db', ['-r', '-c', 'freesp -d', path], (line) => {
    // Three numbers are group, first block, count; the histogram below has five columns.
    const match = /^\s*(\d+)\s+(\d+)\s+(\d+)\s*$/.exec(line);
    if (match !== null) addExtent(match.slice(1).map(Number), geometry, free);
  });
  if (end.exitCode !== 0 || end.stderr !== '') throw toolFailed('xfs_db', end);
  if (free.addedBytes > geometry.freeBlocks * geometry.blockBytes) {
    throw new AllocationUnknown(
      'the XFS free-space trees list more than the superblock counts: check it with xfs_repair',
    );
  }
}

async function checkLog(path: string): Promise<void> {
  const result = await runProgram('xfs_logprint', ['-t', path]);
  if (!result.stdout.includes('<CLEAN>')) {
    throw new AllocationUnknown('the XFS file system was not unmounted cleanly (its log holds changes)');
  }
}

async function readGeometry(path: string): Promise<Geometry> {
  const { stdout } = await runProgram('xfs_db', ['-r', '-c', 'sb 0', '-c', 'print', path]);
  const field = (name: string): number => numberIn(stdout, new RegExp(`^${name} = (\\d+)$`, 'm'), name);
  if (field('inprogress') !== 0) throw new AllocationUnknown('the XFS file system is not finished');
  if (field('logstart') === 0) throw new AllocationUnknown('the XFS file system has an external log');
  if (field('rblocks') !== 0) throw new AllocationUnknown('the XFS file system has a realtime section');
  const incompatible = Number(/^features_incompat = (0x[0-9a-f]+|0)$/m.exec(stdout)?.[1] ?? 0);
  if ((incompatible & needsRepair) !== 0) {
    throw new AllocationUnknown('the XFS file system asks for xfs_repair');
  }
  return {
    blockBytes: field('blocksize'),
    groupBlocks: field('agblocks'),
    groupCount: field('agcount'),
    totalBlocks: field('dblocks'),
    freeBlocks: field('fdblocks'),
  };
}

function addExtent(numbers: readonly number[], geometry: Geometry, free: FreeExtents): void {
  const [group = NaN, groupBlock = NaN, count = NaN] = numbers;
  const first = group * geometry.groupBlocks + groupBlock;
  const isInside = groupBlock + count <= geometry.groupBlocks && first + count <= geometry.totalBlocks;
  if (group >= geometry.groupCount || !isInside) {
    throw new AllocationUnknown(`xfs_db lists a free extent outside its group: ${numbers.join(' ')}`);
  }
  free.add(first * geometry.blockBytes, count * geometry.blockBytes);
}
