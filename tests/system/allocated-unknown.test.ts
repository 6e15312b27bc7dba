/**
 * When the map of free space must not be trusted: everything is copied then, and the reason says why. Each
 * case is a file system that would lose data if its map were believed, or one whose map nobody can read.
 */
import { copyFileSync, openSync, writeSync, closeSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { readAllocation } from '../../app/devices/allocated.ts';
import { runCommand } from '../../app/devices/command.ts';
import { attachLoopDisk, makeImage } from './support/loop-disk.ts';
import { useScratch } from './support/scratch.ts';

const sizeBytes = 400 * mebibyte;
const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();

async function makeDisk(name: string, ...make: readonly string[]): Promise<string> {
  const image = scratchOf().path(name);
  makeImage(image, sizeBytes);
  const { path } = await attachLoopDisk(image, sizeBytes);
  const [program, ...options] = make;
  if (program !== undefined) await runCommand(program, [...options, path], 'mkfs');
  return path;
}

async function reasonFor(path: string, fileSystemType: string | null): Promise<string> {
  const allocation = await readAllocation({ path, sizeBytes, fileSystemType });
  return allocation.kind === 'unknown' ? allocation.reason : 'known';
}

/** What a power cut leaves: a copy of the image while files are being written and synced. */
async function cutOff(make: readonly string[], work: string): Promise<string> {
  const scratch = scratchOf();
  const device = await makeDisk('live.img', ...make);
  const target = await scratch.makeDirectory('live');
  await runCommand('mount', [device, target], 'mount');
  await runCommand('bash', ['-c', `set -e; cd "$1"; ${work}`, 'bash', target], 'working');
  copyFileSync(scratch.path('live.img'), scratch.path('cut.img'));
  await runCommand('umount', [target], 'umount');
  return (await attachLoopDisk(scratch.path('cut.img'), sizeBytes)).path;
}

describe.skipIf(!isRoot)('after a power cut', () => {
  const work = 'head -c 3M /dev/urandom > a; sync .; head -c 3M /dev/urandom > b; sync b';

  test('an ext4 with a journal to replay is unknown', async () => {
    expect(await reasonFor(await cutOff(['mkfs.ext4', '-q', '-F'], work), 'ext4')).toContain(
      'needs_recovery',
    );
  });

  test('an ext4 without a journal is unknown', async () => {
    const device = await cutOff(['mkfs.ext4', '-q', '-F', '-O', '^has_journal'], work);
    expect(await reasonFor(device, 'ext4')).toContain('"not clean"');
  });

  test('an XFS with a log to replay is unknown', async () => {
    expect(await reasonFor(await cutOff(['mkfs.xfs', '-q', '-f'], work), 'xfs')).toContain(
      'log holds changes',
    );
  });

  test('a Btrfs with a log tree is unknown', async () => {
    expect(await reasonFor(await cutOff(['mkfs.btrfs', '-q', '-f'], work), 'btrfs')).toContain('log tree');
  });
});

describe.skipIf(!isRoot)('a file system that is not sound', () => {
  async function ext4WithValue(setting: string): Promise<string> {
    const device = await makeDisk('ext4.img', 'mkfs.ext4', '-q', '-F');
    await runCommand('debugfs', ['-w', '-R', `set_super_value ${setting}`, device], 'debugfs');
    return device;
  }

  test('is unknown when it has recorded errors', async () => {
    expect(await reasonFor(await ext4WithValue('state 3'), 'ext4')).toContain('clean with errors');
    expect(await reasonFor(await ext4WithValue('error_count 2'), 'ext4')).toContain('recorded errors');
  });

  test('is unknown when its bitmaps and its count of free blocks disagree', async () => {
    expect(await reasonFor(await ext4WithValue('free_blocks_count 5'), 'ext4')).toContain(
      'check it with fsck',
    );
  });

  test('is unknown when its superblock is damaged', async () => {
    const device = await makeDisk('btrfs.img', 'mkfs.btrfs', '-q', '-f');
    const fd = openSync(device, 'r+');
    writeSync(fd, Buffer.from([1]), 0, 1, 65536 + 200);
    closeSync(fd);
    await runCommand('sync', [], 'sync');
    expect(await reasonFor(device, 'btrfs')).toMatch(/checksum|dump-super ended/);
  });
});

describe.skipIf(!isRoot)('a file system on more than one disk', () => {
  test('is unknown when it is a Btrfs', async () => {
    const second = await makeDisk('second.img');
    expect(await reasonFor(await makeDisk('first.img', 'mkfs.btrfs', '-q', '-f', second), 'btrfs')).toContain(
      'several',
    );
  });

  test('is unknown when it is an XFS with an external log', async () => {
    const log = await makeDisk('log.img');
    const device = await makeDisk('data.img', 'mkfs.xfs', '-q', '-f', '-l', `logdev=${log},size=64m`);
    expect(await reasonFor(device, 'xfs')).toMatch(/external log|log holds changes/);
  });
});

describe.skipIf(!isRoot)('content that nobody here can read', () => {
  test.each([null, 'f2fs', 'swap', 'LVM2_member', 'crypto_LUKS', 'ambiguous'])(
    '%s is unknown',
    async (type) => {
      expect(await reasonFor('/dev/null', type)).toContain('cannot be told');
    },
  );

  test.each(['ext4', 'xfs', 'btrfs'])('a disk that was said to be %s and is not is unknown', async (type) => {
    expect(await reasonFor(await makeDisk('blank.img'), type)).not.toBe('known');
  });
});
