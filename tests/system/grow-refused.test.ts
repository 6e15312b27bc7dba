/** What `diskferry grow` refuses, on real disks: each leaves the disk as it was. */
import { createHash } from 'node:crypto';
import { closeSync, constants, mkdirSync, openSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, test, vi } from 'vitest';
import type { ErrorCode } from '../../app/base/error.ts';
import { mebibyte } from '../../app/base/units.ts';
import { jobsDirectoryName } from '../../app/contract/control.ts';
import { runCommand } from '../../app/devices/command.ts';
import { runProgram } from '../../app/devices/program.ts';
import { checkFileSystem, makeFileSystem, mount, unmount } from './support/file-system.ts';
import {
  attachAgain,
  attachShown,
  detach,
  endsOf,
  grow,
  growCommand,
  grownIn,
  makeGrowable,
  parseGrow,
  sfdisk,
  whileWritten,
  withStandIn,
  writeAt,
} from './support/growable-disk.ts';
import type { Growable } from './support/growable-disk.ts';
import { makeImage, readPart } from './support/loop-disk.ts';
import { Migration, runCli } from './support/migration.ts';
import { useScratch } from './support/scratch.ts';
import { usuallyOrInSoak } from './support/soak.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();
const sizeBytes = 256 * mebibyte;
const onePart = 'label: gpt\n,\n';

async function expectRefused(
  disk: Growable,
  refusal: { readonly code: ErrorCode; readonly words: string },
  ...more: readonly string[]
): Promise<void> {
  const sizeBytes = statSync(disk.file).size;
  await runCommand('blockdev', ['--flushbufs', disk.path], 'flushing');
  const before = createHash('sha256').update(endsOf(disk, sizeBytes)).digest('hex');
  const run = await grow(scratchOf(), disk.path, '--yes', ...more);
  expect(run.failure).toMatchObject({ code: refusal.code, dataIs: 'untouched' });
  expect(run.stderr).toContain(refusal.words);
  expect([2, 3]).toContain(run.exitCode);
  await runCommand('blockdev', ['--flushbufs', disk.path], 'flushing');
  expect(createHash('sha256').update(endsOf(disk, sizeBytes)).digest('hex')).toBe(before);
}

/** As a copy that ended too early, or went to a disk that is too small. */
async function cutOff(disk: Growable, toBytes: number): Promise<Growable> {
  await detach(disk.path);
  truncateSync(disk.file, toBytes);
  const path = await attachShown(disk.file, disk.blockBytes, false);
  // It shows those that it can.
  await runProgram('partx', ['--add', path]);
  return { ...disk, path };
}

const makeBy =
  (program: string) =>
  async (path: string): Promise<void> => {
    await runCommand(program, [`${path}p1`], program);
  };

const ext4 = async (path: string): Promise<void> => makeFileSystem('ext4', `${path}p1`);

describe.skipIf(!isRoot)('grow refuses (needs root)', () => {
  test.each<[string, ErrorCode, string, (path: string) => Promise<void>, string?]>([
    ['a partition without known content', 'cannot-be-grown', 'no content that is known', () => Promise.resolve()],
    ['swap', 'cannot-be-grown', 'holds swap', makeBy('mkswap')],
    ['FAT', 'cannot-be-grown', 'holds FAT', makeBy('mkfs.vfat')],
    ['a partition that another one follows', 'nothing-to-grow', 'partition 2 follows', ext4, 'label: gpt\n,32M\n,\n'],
    [
      'an ext4 that its checker finds something in',
      'needs-check',
      'e2fsck -f',
      async (path) => {
        await ext4(path);
        await runCommand('debugfs', ['-w', '-R', 'freeb 40 2', `${path}p1`], 'debugfs');
      },
    ],
    [
      'an ext4 with recorded errors',
      'needs-check',
      'recorded errors',
      async (path) => {
        await ext4(path);
        await runCommand('debugfs', ['-w', '-R', 'ssv state 2', `${path}p1`], 'debugfs');
      },
    ],
    [
      'an NTFS that Windows is to check',
      'needs-check',
      'chkdsk',
      async (path) => {
        await runCommand('mkfs.ntfs', ['-q', '-f', '-F', `${path}p1`, '100000'], 'mkfs');
        await runCommand('bash', ['-c', 'yes | ntfsresize "$0"', `${path}p1`], 'ntfsresize');
      },
    ],
    [
      'a Btrfs of two devices',
      'cannot-be-grown',
      'one of several devices',
      async (path) => {
        await runCommand('mkfs.btrfs', ['-q', '-f', '-M', `${path}p1`, `${path}p2`], 'mkfs');
      },
      'label: gpt\nstart=1M,size=60M\nsize=50M\n',
    ],
  ])('%s', async (_, code, words, fill, script = onePart) => {
    const disk = await makeGrowable(scratchOf(), 'disk', { script, fill });
    const more = words.startsWith('partition 2') ? ['--partition', '1'] : [];
    await expectRefused(disk, { code, words }, ...more);
  });

  it('an ext4 that is mounted read-only, and an NTFS that is mounted', async () => {
    const disk = await makeGrowable(scratchOf(), 'disk', { script: onePart, fill: ext4 });
    const target = await scratchOf().makeDirectory('volume');
    await mount(`${disk.path}p1`, target, 'ro');
    await expectRefused(disk, { code: 'mount-not-supported', words: `mounted read-only on ${target}` });
    await unmount(target);
    await runCommand('mkfs.ntfs', ['-q', '-f', '-F', `${disk.path}p1`], 'mkfs');
    await runCommand('ntfs-3g', [`${disk.path}p1`, target], 'mounting');
    await expectRefused(disk, { code: 'mount-not-supported', words: 'grows only unmounted' });
    await unmount(target);
  });

  it.each<[string, (disk: Growable) => string]>([
    ['a partition', ({ path }) => `${path}p1`],
    ['a disk', ({ path }) => path],
    ['the image of a loop device', ({ file }) => file],
  ])('%s that a program has open for writing without claiming it', async (_, pathOf) => {
    const disk = await makeGrowable(scratchOf(), 'disk', { script: onePart, fill: ext4 });
    await whileWritten(pathOf(disk), () =>
      expectRefused(disk, { code: 'device-in-use', words: `${pathOf(disk)}: is open for writing by bash (process` }),
    );
    expect((await grow(scratchOf(), disk.path, '--dry-run')).failure).toBeNull();
  });

  it('a disk that is claimed as a whole, unless somebody has only looked at it', async () => {
    const disk = await makeGrowable(scratchOf(), 'disk', { script: onePart, fill: ext4 });
    const claim = openSync(disk.path, constants.O_RDONLY | constants.O_EXCL);
    await expectRefused(disk, { code: 'device-in-use', words: `${disk.path}p1: its ext4 is` }).finally(() => closeSync(claim));
    const look = openSync(disk.path, constants.O_RDONLY | constants.O_EXCL);
    const run = grow(scratchOf(), disk.path, '--dry-run');
    await sleep(1500).finally(() => closeSync(look));
    expect((await run).failure).toBeNull();
  });

  // As long as what the table says of its own room still is on the disk, libfdisk takes the main table for valid.
  it.each<[string, number, ErrorCode, string]>([
    ['a little', 16 * 512, 'disk-cut-off', 'made for a larger disk'],
    ['so that a part of its partition is missing', 2 * mebibyte, 'table-damaged', 'no valid one is found'],
  ])('a GPT disk that was cut off %s, also when told to make its backup anew', async (_, lessBytes, code, words) => {
    const whole = await makeGrowable(scratchOf(), 'disk', { script: onePart, fill: ext4, largeBytes: 128 * mebibyte });
    const disk = await cutOff(whole, 128 * mebibyte - lessBytes);
    await expectRefused(disk, { code, words });
    await expectRefused(disk, { code, words }, '--repair-backup-table');
  });

  it('an MBR disk that was cut off in the middle of its last partition', async () => {
    const script = 'label: dos\nstart=1M,size=32M\nstart=64M,size=64M\n';
    const whole = await makeGrowable(scratchOf(), 'disk', { script, fill: ext4, largeBytes: 128 * mebibyte });
    const disk = await cutOff(whole, 96 * mebibyte);
    await expectRefused(disk, { code: 'disk-cut-off', words: 'partition 2 reaches behind' }, '--partition', '1');
  });

  it('a file system that cannot be mounted here, before its partition has grown', async () => {
    const fill = (path: string): Promise<void> => makeFileSystem('btrfs', `${path}p1`);
    const disk = await makeGrowable(scratchOf(), 'disk', { script: onePart, fill });
    const before = endsOf(disk, sizeBytes);
    const text = '#!/bin/sh\necho unknown filesystem >&2\nexit 32\n';
    const words = withStandIn(scratchOf().path('stand-in'), { program: 'mount', text }, growCommand(scratchOf(), disk.path, '--yes'));
    const run = parseGrow(await runProgram('unshare', words));
    expect(run.failure).toMatchObject({ code: 'cannot-be-grown', dataIs: 'untouched' });
    expect(run.stderr).toContain('unknown filesystem');
    expect(endsOf(disk, sizeBytes).equals(before)).toBe(true);
  });

  it.each((['ext4', 'btrfs', 'xfs'] as const).slice(0, usuallyOrInSoak(2, 3)))('a partition with %s that a container has mounted', async (type) => {
    const sizes = { smallBytes: 400 * mebibyte, largeBytes: 500 * mebibyte };
    const fill = (path: string): Promise<void> => makeFileSystem(type, `${path}p1`);
    const disk = await makeGrowable(scratchOf(), 'disk', { ...sizes, script: onePart, fill });
    const target = await scratchOf().makeDirectory('volume');
    await mount(`${disk.path}p1`, target);
    const words = ['--mount', '--propagation', 'private', 'bash', '-c', 'umount "$1" && exec "${@:2}"', 'bash', target];
    const command = growCommand(scratchOf(), disk.path, '--yes');
    const run = parseGrow(await runProgram('unshare', [...words, ...command]));
    expect(run.failure).toMatchObject({ code: 'device-in-use', dataIs: 'untouched' });
    await unmount(target);
  });

  it('a damaged backup of the table, unless told to make it anew', async () => {
    const made = await makeGrowable(scratchOf(), 'disk', { script: onePart, fill: ext4 });
    writeAt(made.path, sizeBytes / 2 - 512, Buffer.alloc(512, 7));
    const disk = await attachAgain(made);
    await expectRefused(disk, { code: 'table-damaged', words: '--repair-backup-table' });
    const run = await grow(scratchOf(), disk.path, '--yes', '--repair-backup-table');
    expect(grownIn(run)).toEqual(['table', 'partition', 'file-system']);
    expect(await runCommand('sgdisk', ['-v', disk.path], 'sgdisk')).toContain('No problems found');
    await checkFileSystem('ext4', `${disk.path}p1`);
  });

  it.each([
    ['its main table', 512],
    ['both tables', 512, sizeBytes / 2 - 512],
  ])('a disk with a damage of %s, also then', async (_, ...places) => {
    const disk = await makeGrowable(scratchOf(), 'disk', { script: onePart, fill: ext4 });
    for (const at of places) writeAt(disk.path, Number(at), Buffer.alloc(512, 7));
    await expectRefused(disk, { code: 'table-damaged', words: 'gdisk or sfdisk' }, '--repair-backup-table');
  });

  it('a logical partition, and a disk whose partitions the kernel shows otherwise', async () => {
    const script = 'label: dos\nsize=16M\ntype=5\nsize=16M\n';
    const disk = await makeGrowable(scratchOf(), 'disk', { script });
    await expectRefused(disk, { code: 'cannot-be-grown', words: 'logical partition' });
    await sfdisk(disk.path, [], 'label: dos\nstart=8M,size=16M\n');
    await expectRefused(disk, { code: 'partitions-not-shown', words: 'partprobe' });
  });

  it('a partition, a volume or an image that is not there or not such', async () => {
    const disk = await makeGrowable(scratchOf(), 'disk', { script: onePart, fill: ext4 });
    await expectRefused(disk, { code: 'usage', words: 'has no partition 9' }, '--partition', '9');
    await expectRefused(disk, { code: 'usage', words: 'no LV to name' }, '--volume', 'vg/home');
    const run = await grow(scratchOf(), `${disk.path}p1`, '--partition', '2', '--yes');
    expect(run.failure?.code).toBe('usage');
    const image = scratchOf().path('image.img');
    makeImage(image, sizeBytes);
    const { failure, stderr } = await grow(scratchOf(), image, '--yes');
    expect(stderr).toContain('losetup --find --show --partscan');
    // One word of what to do, not two that contradict each other.
    expect(failure).toMatchObject({ code: 'not-attached' });
    expect(stderr).not.toContain('regular file');
  });

  it('a disk for which a program is missing, and names its package', async () => {
    const disk = await makeGrowable(scratchOf(), 'disk', { script: onePart, fill: ext4 });
    const hide = 'for name in $(type -ap resize2fs); do mount --bind /dev/null "$name"; done; exec "$@"';
    const command = growCommand(scratchOf(), disk.path, '--yes');
    const words = ['--mount', '--propagation', 'private', 'bash', '-c', hide, 'bash', ...command];
    const run = parseGrow(await runProgram('unshare', words));
    expect(run.failure).toMatchObject({ code: 'program-missing', dataIs: 'untouched' });
    expect(run.stderr).toContain('package e2fsprogs');
  });

  it('a disk that a move has in its hands, one that a dead move had, and one that was moved away', async () => {
    const scratch = scratchOf();
    const disk = await makeGrowable(scratch, 'disk', { script: null, fill: (path) => makeFileSystem('ext4', path) });
    const destination = scratch.path('destination.img');
    makeImage(destination, sizeBytes);
    const migration = Migration.start(scratch, { source: disk.path, destination }, '--hold');
    await migration.event('synchronized');
    const living = await grow(scratch, disk.path, '--yes');
    expect(living.failure).toMatchObject({ code: 'device-in-use', dataIs: 'untouched' });
    const virtual = await grow(scratch, await migration.device(), '--yes');
    expect(virtual.failure).toMatchObject({ code: 'device-in-use', dataIs: 'untouched' });
    migration.interrupt();
    expect((await migration.end()).exitCode).toBe(8);
    const directory = join(scratch.stateDirectory, jobsDirectoryName, 'dead');
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'job.json'), 'nobody can read this');
    const dead = await grow(scratch, disk.path, '--yes');
    expect(dead.failure).toMatchObject({ code: 'earlier-job-died', dataIs: 'both' });
    vi.stubEnv('DISKFERRY_STATE_DIR', scratch.stateDirectory);
    const command = [disk.path, '--yes', '--json', '--state-dir', scratch.path('another state')];
    expect(parseGrow(await runCli('grow', ...command)).failure).toMatchObject({ code: 'earlier-job-died' });
    await runCommand('rm', ['-r', directory], 'rm');
    const moved = Migration.start(scratch, { source: disk.path, destination });
    expect((await moved.end()).exitCode).toBe(0);
    const left = await grow(scratch, disk.path, '--yes');
    expect(left.failure).toMatchObject({ code: 'disk-masked', dataIs: 'untouched' });
  });

  it('a second grow of the same disk', async () => {
    const disk = await makeGrowable(scratchOf(), 'disk', { script: onePart, fill: ext4 });
    const before = readPart(disk.path, 0, mebibyte);
    const script = 'exec 9<"$0"; flock 9; exec "$@"';
    const command = growCommand(scratchOf(), disk.path, '--yes');
    const run = parseGrow(await runProgram('bash', ['-c', script, disk.path, ...command]));
    expect(run.failure?.code).toBe('device-in-use');
    expect(readPart(disk.path, 0, mebibyte).equals(before)).toBe(true);
    expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(disk.path);
  }, 60_000);
});
