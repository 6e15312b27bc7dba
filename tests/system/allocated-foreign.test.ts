/**
 * The same proof as in allocated.test.ts for the file systems of other systems: garbage in every extent that
 * the map calls free changes no file and leaves the checker content. And what must make the map unknown:
 * volumes that were not shut down, hibernated Windows, FAT12.
 */
import { copyFileSync, closeSync, openSync, writeSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { readAllocation } from '../../app/devices/allocated.ts';
import { runCommand } from '../../app/devices/command.ts';
import { runProgram } from '../../app/devices/program.ts';
import { attachLoopDisk, fillWithRandom, makeImage } from './support/loop-disk.ts';
import { useScratch } from './support/scratch.ts';
import { churnPlain, hashFiles } from './support/tree.ts';

const sizeBytes = 200 * mebibyte;
const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();

async function hasProgram(program: string): Promise<boolean> {
  return (await runProgram('sh', ['-c', `command -v ${program}`])).exitCode === 0;
}

// mtools reads and writes FAT without a driver; exFAT needs one, in the kernel or over FUSE.
const hasMtools = await hasProgram('mcopy');
const hasExfat =
  (await hasProgram('mount.exfat-fuse')) || (await runProgram('modprobe', ['exfat'])).exitCode === 0;

interface Kind {
  readonly type: string;
  readonly make: readonly [string, ...string[]];
  readonly check: readonly [string, ...string[]];
  /** How files get in and out; FAT has mtools instead. */
  readonly mount?: string;
}

const ntfs: Kind = {
  type: 'ntfs',
  make: ['mkfs.ntfs', '-Q', '-q', '-F'],
  check: ['ntfsfix', '--no-action'],
  mount: 'ntfs-3g "$1" "$2"',
};
const exfat: Kind = {
  type: 'exfat',
  make: ['mkfs.exfat'],
  check: ['fsck.exfat', '-n'],
  mount: 'mount -t exfat "$1" "$2" 2>/dev/null || mount.exfat-fuse "$1" "$2"',
};
const fat = (bits: number): Kind => ({
  type: 'vfat',
  make: ['mkfs.vfat', '-F', String(bits)],
  check: ['fsck.fat', '-n'],
});

async function makeDisk(name: string, kind: Kind): Promise<string> {
  const image = scratchOf().path(name);
  makeImage(image, sizeBytes);
  const { path } = await attachLoopDisk(image, sizeBytes);
  const [program, ...options] = kind.make;
  await runCommand(program, [...options, path], 'mkfs');
  return path;
}

async function withFiles<T>(kind: Kind, device: string, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await scratchOf().makeDirectory('mounted');
  await runCommand('sh', ['-c', kind.mount ?? '', 'sh', device, folder], 'mount');
  try {
    return await use(folder);
  } finally {
    await runCommand('umount', [folder], 'umount');
    // A FUSE driver goes on writing for a moment after the unmount.
    await runCommand('sh', ['-c', `while fuser -s "$1"; do sleep 0.1; done; sync`, 'sh', device], 'settling');
  }
}

async function fill(kind: Kind, device: string): Promise<void> {
  if (kind.mount !== undefined) return withFiles(kind, device, churnPlain);
  const folder = await scratchOf().makeDirectory('plain');
  await churnPlain(folder);
  await runCommand('sh', ['-c', 'mcopy -s -Q -i "$1" "$2"/* ::', 'sh', device, folder], 'mcopy');
  await runCommand('mdeltree', ['-i', device, '::tree/3', '::tree/5'], 'mdeltree');
}

async function hash(kind: Kind, device: string): Promise<string> {
  if (kind.mount !== undefined) return withFiles(kind, device, hashFiles);
  const folder = await scratchOf().makeDirectory(`read-${device.replaceAll('/', '-')}`);
  await runCommand('mcopy', ['-s', '-Q', '-n', '-i', device, '::*', folder], 'mcopy');
  return hashFiles(folder);
}

async function prove(kind: Kind): Promise<void> {
  const scratch = scratchOf();
  const source = await makeDisk('source.img', kind);
  await fill(kind, source);
  const before = await hash(kind, source);
  const allocation = await readAllocation({ path: source, sizeBytes, fileSystemType: kind.type });
  if (allocation.kind === 'unknown') throw new Error(allocation.reason);

  const copyImage = scratch.path('copy.img');
  copyFileSync(scratch.path('source.img'), copyImage);
  for (const { offsetBytes, lengthBytes } of allocation.freeExtents) {
    fillWithRandom(copyImage, offsetBytes, lengthBytes);
  }

  const copy = (await attachLoopDisk(copyImage, sizeBytes)).path;
  await runCommand(kind.check[0], [...kind.check.slice(1), copy], 'checking');
  expect(await hash(kind, copy)).toBe(before);
  expect(allocation.freeBytes).toBeGreaterThan(sizeBytes / 2);
}

async function reasonFor(path: string, fileSystemType: string): Promise<string> {
  const allocation = await readAllocation({ path, sizeBytes, fileSystemType });
  return allocation.kind === 'unknown' ? allocation.reason : 'known';
}

function overwrite(path: string, offsetBytes: number, bytes: readonly number[]): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, Buffer.from(bytes), 0, bytes.length, offsetBytes);
  closeSync(fd);
}

describe.skipIf(!isRoot)('NTFS', () => {
  test('free space may be overwritten with garbage', () => prove(ntfs));

  test('marked for a check is unknown', async () => {
    const device = await makeDisk('dirty.img', ntfs);
    await runCommand('ntfsfix', [device], 'ntfsfix marks the volume');
    expect(await reasonFor(device, 'ntfs')).toContain('scheduled for check');
  });

  test('with Windows hibernated on it is unknown', async () => {
    const device = await makeDisk('hibernated.img', ntfs);
    const write = (folder: string) =>
      runCommand('sh', ['-c', 'printf hibr > "$1/hiberfil.sys"', 'sh', folder], 'write');
    await withFiles(ntfs, device, write);
    expect(await reasonFor(device, 'ntfs')).toContain('hibernated');
  });
});

describe.skipIf(!isRoot || !hasMtools)('FAT (needs mtools)', () => {
  test.each([16, 32])('%i: free space may be overwritten with garbage', (bits) => prove(fat(bits)));

  test('32: not shut down is unknown', async () => {
    const device = await makeDisk('dirty.img', fat(32));
    // Bit 0 of the boot sector's byte 65: the volume is in use (fatgen103, and Linux's fs/fat/inode.c).
    overwrite(device, 65, [1]);
    expect(await reasonFor(device, 'vfat')).toContain('fsck.fat');
  });

  test('12 is unknown', async () => {
    const image = scratchOf().path('small.img');
    makeImage(image, 4 * mebibyte);
    await runCommand('mkfs.vfat', ['-F', '12', image], 'mkfs');
    expect(await reasonFor(image, 'vfat')).toContain('FAT12');
  });
});

describe.skipIf(!isRoot || !hasExfat)('exFAT (needs a driver)', () => {
  test('free space may be overwritten with garbage', () => prove(exfat));

  test('not shut down is unknown', async () => {
    const device = await makeDisk('dirty.img', exfat);
    // Bit 1 of VolumeFlags: VolumeDirty (exFAT specification, 3.1.13.2).
    overwrite(device, 106, [2]);
    expect(await reasonFor(device, 'exfat')).toContain('in use');
  });
});
