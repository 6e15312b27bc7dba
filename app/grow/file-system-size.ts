/**
 * How large a file system is by its own account, what its tool may leave unused, and what its superblock says
 * against growing it. Reads only; from the mounted file system where what lies on the disk may be behind.
 */
import { DiskferryError } from '../base/error.ts';
import { countBtrfsDevices } from '../devices/content.ts';
import type { MountableDevice } from '../devices/private-mount.ts';
import { withPrivateMount } from '../devices/private-mount.ts';
import { runProgram } from '../devices/program.ts';
import type { FoundFileSystem, GrowableType } from './found.ts';

export type FileSystemSize = Pick<
  FoundFileSystem,
  'sizeBytes' | 'unitBytes' | 'slackBytes' | 'limit' | 'defect' | 'obstacle'
>;

/** How each is mounted for the moment. ext4 serves ext2 and ext3 too, and can grow them. */
export const privateMounts = {
  ext2: { type: 'ext4', options: ['noatime'] },
  ext3: { type: 'ext4', options: ['noatime'] },
  ext4: { type: 'ext4', options: ['noatime'] },
  // The disk that it was copied from may be mounted still.
  xfs: { type: 'xfs', options: ['nouuid'] },
  btrfs: { type: 'btrfs', options: ['skip_balance'] },
} as const;

const readers: Readonly<
  Record<GrowableType, (device: MountableDevice, isMounted: boolean) => Promise<FileSystemSize>>
> = { ext2: readExt, ext3: readExt, ext4: readExt, xfs: readXfs, btrfs: readBtrfs, f2fs: readF2fs, ntfs: readNtfs };

export async function readFileSystemSize(
  device: MountableDevice,
  type: GrowableType,
  isMounted: boolean,
): Promise<FileSystemSize> {
  return readers[type](device, isMounted);
}

async function textOf(path: string, program: string, parameters: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await runProgram(program, parameters);
  if (exitCode === 0) return stdout;
  throw unreadable(path, `${program} says: ${stderr.trim() || `exit code ${exitCode}`}`);
}

function unreadable(path: string, why: string): DiskferryError {
  return new DiskferryError('cannot-be-grown', `${path}: the size of its file system cannot be read: ${why}`, {
    context: { device: path },
  });
}

/** Throws when the program has not written it as expected. */
function numberIn(path: string, text: string, pattern: RegExp): number {
  const value = Number(pattern.exec(text)?.[1]);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw unreadable(path, `nothing matches ${String(pattern)}`);
}

// ---- ext2, ext3, ext4

/**
 * resize2fs leaves a last group away that would have no more than this beside its own tables
 * (lib/ext2fs/initialize.c).
 */
const lastGroupBlocksMin = 50;
/** Superblock, bitmaps and descriptors of a group. */
const groupOverheadBlocks = 64;
const descriptorBytes = 64;

async function readExt({ path }: MountableDevice): Promise<FileSystemSize> {
  return parseExt(path, await textOf(path, 'dumpe2fs', ['-h', path]));
}

/** Pure; the header as dumpe2fs(8) prints it. */
export function parseExt(path: string, header: string): FileSystemSize {
  const blockBytes = numberIn(path, header, /^Block size:\s+(\d+)$/m);
  const blocks = numberIn(path, header, /^Block count:\s+(\d+)$/m);
  const tableBlocks = numberIn(path, header, /^Inode blocks per group:\s+(\d+)$/m);
  const groupBlocks = numberIn(path, header, /^Blocks per group:\s+(\d+)$/m);
  const reserved = Number(/^Reserved GDT blocks:\s+(\d+)$/m.exec(header)?.[1] ?? 0);
  const descriptors = Math.ceil(((blocks / groupBlocks) * descriptorBytes) / blockBytes);
  const slackBlocks = lastGroupBlocksMin + groupOverheadBlocks + tableBlocks + reserved + descriptors;
  const clusterBytes = Number(/^Cluster size:\s+(\d+)$/m.exec(header)?.[1] ?? blockBytes);
  const features = new Set(/^Filesystem features:\s+(.*)$/m.exec(header)?.[1]?.split(/\s+/) ?? []);
  return {
    ...{ sizeBytes: blocks * blockBytes, unitBytes: blockBytes },
    slackBytes: slackBlocks * blockBytes + clusterBytes,
    limit: features.has('64bit') ? null : { bytes: blocksOf32Bits * blockBytes, why: without64Bits },
    defect: extDefect(header, features),
    obstacle: extObstacle(header, features),
  };
}

/** resize2fs takes one less where it would be just this. */
const blocksOf32Bits = 2 ** 32;
const without64Bits = 'lacks the feature "64bit" ("resize2fs -b" gives it to one that is not mounted)';

function extDefect(header: string, features: ReadonlySet<string>): string | null {
  const state = /^Filesystem state:\s+(.*)$/m.exec(header)?.[1] ?? 'unknown';
  if (state.includes('errors') || /^FS Error count:/m.test(header)) return 'has recorded errors';
  if (features.has('needs_recovery')) return 'was not unmounted cleanly';
  return state === 'clean' ? null : `is in the state "${state}"`;
}

/** What resize2fs or the kernel refuses to grow or to mount, which would be seen only when the partition has grown. */
const refusedFeatures: readonly (readonly [feature: string, why: string])[] = [
  ['journal_dev', 'is the journal of another file system'],
  // resize2fs by its own words while it is not mounted, older kernels while it is.
  ['bigalloc', 'has clusters of several blocks (bigalloc), which Diskferry does not grow'],
  // ext4_resize_begin in fs/ext4/resize.c.
  ['sparse_super2', 'has the feature "sparse_super2", which the kernel does not grow'],
];

function extObstacle(header: string, features: ReadonlySet<string>): string | null {
  if (/^Journal device:/m.test(header)) return 'has an external journal';
  return refusedFeatures.find(([feature]) => features.has(feature))?.[1] ?? null;
}

/** While it is mounted it is never clean, and its journal is not empty: only what it has recorded counts. */
export function whileMounted(size: FileSystemSize): FileSystemSize {
  return { ...size, defect: size.defect === 'has recorded errors' ? size.defect : null };
}

// ---- XFS

/** An allocation group must have at least so many blocks (XFS_MIN_AG_BLOCKS in fs/xfs/libxfs/xfs_fs.h). */
const groupBlocksMin = 64;

async function readXfs(device: MountableDevice, isMounted: boolean): Promise<FileSystemSize> {
  const { path } = device;
  if (isMounted) {
    // What xfs_growfs has changed is in the log first.
    const { stdout } = await withPrivateMount(device, privateMounts.xfs, ({ run, directory }) =>
      run('xfs_growfs', ['-n', directory]),
    );
    const blockBytes = numberIn(path, stdout, /^data\s+=\s+bsize=(\d+)\s/m);
    const blocks = numberIn(path, stdout, /^data\s+=.*\sblocks=(\d+),/m);
    return xfsSize(blocks, blockBytes, { defect: null, obstacle: null });
  }
  const text = await textOf(path, 'xfs_db', ['-r', '-c', 'sb 0', '-c', 'print', path]);
  const field = (name: string): number => numberIn(path, text, new RegExp(`^${name} = (\\d+)$`, 'm'));
  const obstacle =
    field('logstart') === 0 ? 'has an external log' : field('rblocks') > 0 ? 'has a realtime section' : null;
  const { stdout } = await runProgram('xfs_logprint', ['-t', path]);
  const isClean = obstacle !== null || stdout.includes('<CLEAN>');
  const defect = isClean ? null : 'was not unmounted cleanly (its log holds changes: mount and unmount it once)';
  return xfsSize(field('dblocks'), field('blocksize'), { defect, obstacle });
}

function xfsSize(
  blocks: number,
  blockBytes: number,
  state: Pick<FileSystemSize, 'defect' | 'obstacle'>,
): FileSystemSize {
  const sizes = { sizeBytes: blocks * blockBytes, unitBytes: blockBytes, limit: null };
  return { ...sizes, slackBytes: groupBlocksMin * blockBytes, ...state };
}

// ---- Btrfs

async function readBtrfs(device: MountableDevice, isMounted: boolean): Promise<FileSystemSize> {
  const { path } = device;
  const text = await textOf(path, 'btrfs', ['inspect-internal', 'dump-super', path]);
  const field = (name: string): number => numberIn(path, text, new RegExp(`^${name}\\s+(\\d+)`, 'm'));
  const unitBytes = field('sectorsize');
  const isOne = (await countBtrfsDevices(path)) === 1;
  const sizeBytes = isMounted && isOne ? await mountedBtrfsBytes(device) : field('dev_item.total_bytes');
  const obstacle = isOne ? null : 'is one of several devices of a Btrfs';
  return { sizeBytes, unitBytes, slackBytes: 0, limit: null, defect: null, obstacle };
}

async function mountedBtrfsBytes(device: MountableDevice): Promise<number> {
  const { stdout } = await withPrivateMount(device, privateMounts.btrfs, ({ run, directory }) =>
    run('btrfs', ['filesystem', 'show', '--raw', directory]),
  );
  return numberIn(device.path, stdout, /^\s*devid\s+\d+\s+size\s+(\d+)\s/m);
}

// ---- F2FS, NTFS

/** It grows by whole zones: segments of 2 MiB, and by as many as a section and a zone have. */
const segmentBytes = 2 * 1024 * 1024;
/** F2FS_MAX_SEGMENT in include/linux/f2fs_fs.h. */
const f2fsBytesMax = 2 ** 23 * segmentBytes;

async function readF2fs({ path }: MountableDevice): Promise<FileSystemSize> {
  const text = await textOf(path, 'dump.f2fs', ['-d', '1', path]);
  const field = (name: string): number => numberIn(path, text, new RegExp(`^${name}\\s+\\[0x\\s*[0-9a-f]+ : (\\d+)\\]`, 'm'));
  const unitBytes = 2 ** field('log_blocksize');
  const zoneBytes = field('segs_per_sec') * field('secs_per_zone') * segmentBytes;
  // Written by the last checkpoint of an unmount; a flag asks for a check all the same.
  const state = /^Info: checkpoint state = [0-9a-f]+ :(.*)$/m.exec(text)?.[1] ?? '';
  const defect = /\bunmount\b/.test(state) && !/\bfsck\b/.test(state) ? null : 'was not unmounted cleanly';
  const sizes = { sizeBytes: field('block_count') * unitBytes, unitBytes, slackBytes: 2 * zoneBytes };
  return { ...sizes, limit: { bytes: f2fsBytesMax, why: 'no F2FS can be larger' }, defect, obstacle: null };
}

const ntfsClustersMax = 2 ** 32 - 1;

async function readNtfs({ path }: MountableDevice): Promise<FileSystemSize> {
  // By force only to be told the size of one that Windows is to check.
  const text = await textOf(path, 'ntfsresize', ['--info', '--force', '--no-progress-bar', path]);
  const unitBytes = numberIn(path, text, /^Cluster size\s*:\s*(\d+) bytes/m);
  const sizeBytes = numberIn(path, text, /^Current volume size\s*:\s*(\d+) bytes/m);
  const { exitCode, stdout, stderr } = await runProgram('ntfsresize', ['--info', '--no-progress-bar', path]);
  const probe = await runProgram('ntfs-3g.probe', ['--readwrite', path]);
  const defect =
    exitCode !== 0
      ? `is to be checked first: ${/ERROR: (.*)/.exec(`${stdout}${stderr}`)?.[1] ?? `exit code ${exitCode}`}`
      : probe.exitCode === 0
        ? null
        : 'was not shut down (Windows sleeps, or was started fast)';
  // Its last sector holds a copy of the boot sector and counts for no cluster.
  const limit = { bytes: ntfsClustersMax * unitBytes, why: 'Windows knows no more clusters' };
  return { sizeBytes, unitBytes, slackBytes: 2 * unitBytes, limit, defect, obstacle: null };
}
