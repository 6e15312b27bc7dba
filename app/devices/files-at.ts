/**
 * Which files lie on some places of a disk, as far as its file system's own tools can say: for people who have to
 * know what they have lost. Reads only; takes a limited time; whatever is not known is said to be unknown, because a
 * list that leaves something out unseen would be worse than none.
 *
 * ext2, ext3 and ext4 by debugfs(8): icheck tells the inodes of blocks, ncheck the paths of inodes. Blocks of the
 * file system's own structures belong to no file and show up as such.
 */
import { messageOf } from '../base/error.ts';
import type { Extent } from '../base/units.ts';
import { runProgram } from './program.ts';

/** So many blocks of the file system are looked up, and so many paths told. */
const blocksMax = 2000;
const pathsMax = 100;
/** For each program; icheck reads all inodes of the file system. */
const programMsMax = 60_000;

export interface FilesAt {
  readonly paths: readonly string[];
  /** Why these may not be all; null when they are. */
  readonly unknown: string | null;
}

/** `areAllExtents`: nothing else was lost than these. Never throws. */
export async function filesAt(
  device: string,
  fileSystemType: string | null,
  { extents, areAllExtents }: { readonly extents: readonly Extent[]; readonly areAllExtents: boolean },
): Promise<FilesAt> {
  if (fileSystemType === null || !/^ext[234]$/.test(fileSystemType)) {
    return { paths: [], unknown: `no tool tells the files of ${fileSystemType ?? 'unknown content'} here` };
  }
  try {
    return await extFilesAt(device, extents, areAllExtents);
  } catch (error) {
    return { paths: [], unknown: messageOf(error) };
  }
}

async function extFilesAt(device: string, extents: readonly Extent[], areAllExtents: boolean): Promise<FilesAt> {
  const superblock = await debugfs(device, 'show_super_stats -h');
  const blockSize = /^Block size:\s+(\d+)$/m.exec(superblock)?.[1];
  if (blockSize === undefined) throw new Error('debugfs does not know the block size of the file system');
  const blocks = blocksOf(extents, Number(blockSize));
  const looked = blocks.slice(0, blocksMax);
  const inodes = new Set<string>();
  let ownBlocks = 0;
  for (const line of (await debugfs(device, `icheck ${looked.join(' ')}`)).split('\n')) {
    const [, inode] = /^\d+\t(\d+)$/.exec(line) ?? [];
    if (inode !== undefined) inodes.add(inode);
    else if (/^\d+\t</.test(line)) ownBlocks += 1;
  }
  const paths = inodes.size === 0 ? [] : await pathsOf(device, [...inodes]);
  return { paths: paths.slice(0, pathsMax), unknown: whatIsMissing() };

  function whatIsMissing(): string | null {
    if (!areAllExtents || looked.length < blocks.length) return 'there are more places than were looked up';
    if (paths.length > pathsMax) return `${paths.length - pathsMax} more files`;
    if (paths.length < inodes.size) return `${inodes.size - paths.length} inodes without a path`;
    return ownBlocks > 0 ? `${ownBlocks} blocks that are free or the file system's own` : null;
  }
}

function blocksOf(extents: readonly Extent[], blockSize: number): number[] {
  const blocks: number[] = [];
  for (const { offsetBytes, lengthBytes } of extents) {
    const end = Math.ceil((offsetBytes + lengthBytes) / blockSize);
    // One more than are looked up shows that there are more.
    for (let block = Math.floor(offsetBytes / blockSize); block < end && blocks.length <= blocksMax; block += 1)
      blocks.push(block);
  }
  return blocks;
}

async function pathsOf(device: string, inodes: readonly string[]): Promise<string[]> {
  const answer = await debugfs(device, `ncheck ${inodes.join(' ')}`);
  const byInode = new Map<string, string>();
  for (const line of answer.split('\n')) {
    const [, inode, path] = /^(\d+)\t(.+)$/.exec(line) ?? [];
    // A file may have several names; one is enough to find it.
    if (inode !== undefined && path !== undefined && !byInode.has(inode)) byInode.set(inode, path.replace(/^\/+/, '/'));
  }
  return [...byInode.values()].sort();
}

async function debugfs(device: string, request: string): Promise<string> {
  const { exitCode, stdout, stderr } = await runProgram('debugfs', ['-R', request, device], programMsMax);
  // It says what it is, and then what is wrong; its exit code is 0 also when it could not open the file system.
  const said = stderr.split('\n').slice(1).join(' ').trim();
  if (exitCode !== 0 || stdout === '') throw new Error(`debugfs: ${said === '' ? 'no answer' : said}`);
  return stdout;
}
