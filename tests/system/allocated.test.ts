/**
 * Proof that what the maps of free space leave out is free: file systems of every kind are filled, churned
 * and unmounted; a copy gets random garbage into every extent that the map calls free; then the file system's
 * own checker must find nothing, and every byte, name, mode, owner, time, link and attribute must be as
 * before.
 */
import { copyFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import type { Allocation } from '../../app/devices/allocated.ts';
import { readAllocation } from '../../app/devices/allocated.ts';
import { runCommand } from '../../app/devices/command.ts';
import { attachLoopDisk, fillWithRandom, makeImage } from './support/loop-disk.ts';
import { useScratch } from './support/scratch.ts';
import type { Scratch } from './support/scratch.ts';
import { churn, fingerprint } from './support/tree.ts';

const sizeBytes = 400 * mebibyte;
const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();

interface Kind {
  readonly type: string;
  readonly make: readonly [string, ...string[]];
  readonly mountOptions?: string;
  /** More to do in the mounted root than the usual churn; a shell script. */
  readonly extra?: string;
  /** A shell script that ends with 0 on a sound file system; `$1` is the device, not mounted. */
  readonly check: string;
}

// Superblock copies are in no file, and e2fsck looks at one only when it is told to use it. It ends with 4
// then, because the copy's counts are old; with 8 if the copy were damaged.
const checkExt = `
  block=$(dumpe2fs -h "$1" | sed -n 's/^Block size: *//p')
  e2fsck -f -n "$1" || exit 1
  for copy in $(dumpe2fs "$1" | sed -n 's/.*Backup superblock at \\([0-9]*\\).*/\\1/p'); do
    e2fsck -f -n -b "$copy" -B "$block" "$1" || [ $? = 4 ] || exit 1
  done`;

function ext(...options: readonly string[]): Kind {
  return { type: 'ext4', make: ['mkfs.ext4', '-q', '-F', ...options], check: checkExt };
}

function xfs(...options: readonly string[]): Kind {
  const extra = 'cp --reflink=always big reflinked';
  return { type: 'xfs', make: ['mkfs.xfs', '-q', '-f', ...options], extra, check: 'xfs_repair -n "$1"' };
}

const btrfsExtra = `
  btrfs -q subvolume create sub
  cp -r tree sub/
  btrfs -q subvolume snapshot sub snap
  rm -r sub/tree/1*
  cp --reflink=always big reflinked
  dd if=/dev/urandom of=reflinked bs=4k seek=7 count=3 conv=notrunc status=none
  touch nocow && chattr +C nocow
  dd if=/dev/urandom of=nocow bs=64k count=40 status=none
  fallocate -l 3M prealloc
  dd if=/dev/urandom of=prealloc bs=4k seek=9 count=5 conv=notrunc status=none`;

function btrfs(...options: readonly string[]): Kind {
  const make = ['mkfs.btrfs', '-q', '-f', ...options] as const;
  return { type: 'btrfs', make, extra: btrfsExtra, check: 'btrfs check "$1"' };
}

const kinds: readonly (readonly [string, Kind])[] = [
  ['ext4 as mkfs makes it (64bit, flex_bg, lazy initialisation)', ext()],
  ['ext4 initialised at once', ext('-E', 'lazy_itable_init=0,lazy_journal_init=0')],
  ['ext4 with 1 KiB blocks', ext('-b', '1024')],
  ['ext4 with 2 KiB blocks and small groups', ext('-b', '2048', '-g', '4096')],
  ['ext4 with clusters (bigalloc)', ext('-O', 'bigalloc', '-C', '65536')],
  ['ext4 with descriptors in every group (meta_bg)', ext('-O', 'meta_bg,^resize_inode')],
  ['ext4 without a journal', ext('-O', '^has_journal')],
  ['ext4 with uninit_bg, without flex_bg', ext('-O', '^metadata_csum,uninit_bg,^flex_bg')],
  ['ext4 with inline data and attributes in inodes', ext('-O', 'inline_data,ea_inode')],
  ['ext3', { ...ext(), type: 'ext3', make: ['mkfs.ext3', '-q', '-F'] }],
  ['ext2', { ...ext(), type: 'ext2', make: ['mkfs.ext2', '-q', '-F', '-b', '1024'] }],
  ['XFS as mkfs makes it', xfs()],
  [
    'XFS with 1 KiB blocks, five groups and reverse mappings',
    xfs('-b', 'size=1024', '-d', 'agcount=5', '-m', 'rmapbt=1'),
  ],
  ['Btrfs as mkfs makes it (metadata twice)', btrfs()],
  ['Btrfs with everything once', btrfs('-m', 'single', '-d', 'single')],
  ['Btrfs with everything twice', btrfs('-m', 'dup', '-d', 'dup')],
  ['Btrfs with mixed groups', btrfs('--mixed')],
  ['Btrfs with the old space cache and small nodes', btrfs('-R', '^free-space-tree', '-n', '4096')],
  ['Btrfs with compression', { ...btrfs(), mountOptions: 'compress=zstd' }],
];

describe.skipIf(!isRoot)('free space of an unmounted file system', () => {
  test.each(kinds)('%s: may be overwritten with garbage', async (_, kind) => {
    const scratch = scratchOf();
    const image = scratch.path('source.img');
    makeImage(image, sizeBytes);
    const source = (await attachLoopDisk(image, sizeBytes)).path;
    const before = await makeFilled(scratch, kind, source);
    const { freeExtents, freeBytes, allocatedBytes } = await knownAllocation(source, kind.type);

    const copyImage = scratch.path('copy.img');
    copyFileSync(image, copyImage);
    for (const { offsetBytes, lengthBytes } of freeExtents) {
      fillWithRandom(copyImage, offsetBytes, lengthBytes);
    }

    const copy = (await attachLoopDisk(copyImage, sizeBytes)).path;
    await runCommand('bash', ['-c', kind.check, 'bash', copy], `checking ${copy}`);
    expect(await fingerprintOf(scratch, copy, kind.type)).toBe(before);
    expect(freeBytes + allocatedBytes).toBe(sizeBytes);
    expect(freeBytes).toBeGreaterThan(sizeBytes / 4);
  });
});

async function makeFilled(scratch: Scratch, kind: Kind, device: string): Promise<string> {
  const [program, ...options] = kind.make;
  await runCommand(program, [...options, device], 'mkfs');
  const target = await scratch.makeDirectory('filled');
  await runCommand('mount', ['-o', kind.mountOptions ?? 'defaults', device, target], 'mount');
  await churn(target, kind.extra);
  await runCommand('umount', [target], 'umount');
  return fingerprintOf(scratch, device, kind.type);
}

/** Mounts read-only, without replaying anything. */
async function fingerprintOf(scratch: Scratch, device: string, type: string): Promise<string> {
  const target = await scratch.makeDirectory('looked-at');
  await runCommand('mount', ['-o', 'ro', device, target], 'mount');
  if (type === 'btrfs') await expectCleanScrub(target);
  const result = await fingerprint(target);
  await runCommand('umount', [target], 'umount');
  return result;
}

/** A scrub also reads the copies that no file shows, and ends with 0 even if one of them is bad. */
async function expectCleanScrub(target: string): Promise<void> {
  const report = await runCommand('btrfs', ['scrub', 'start', '-B', '-r', '-R', target], 'scrub');
  expect(report.match(/\w+_errors: [1-9]\d*/g)).toBeNull();
  expect(report).toMatch(/csum_errors: 0/);
}

async function knownAllocation(
  path: string,
  fileSystemType: string,
): Promise<Allocation & { kind: 'known' }> {
  const allocation = await readAllocation({ path, sizeBytes, fileSystemType });
  if (allocation.kind === 'unknown') throw new Error(allocation.reason);
  return allocation;
}
