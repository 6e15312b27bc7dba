/**
 * Free space is read through the claimed descriptor of the source: for every kind of file system its tools
 * can read it there, and a path that leads elsewhere by now changes nothing.
 */
import { open } from 'node:fs/promises';
import { renameSync, symlinkSync, unlinkSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import type { Plan } from '../../app/contract/plan.ts';
import { runCommand } from '../../app/devices/command.ts';
import type { OpenDisk } from '../../app/devices/open-disk.ts';
import { descriptorPath, openDisk } from '../../app/devices/open-disk.ts';
import { gatherFacts } from '../../app/migration/facts.ts';
import type { FreeSpace } from '../../app/migration/free-space.ts';
import { readFreeSpace } from '../../app/migration/free-space.ts';
import { decidePlan } from '../../app/migration/plan.ts';
import { makeLoopDisk } from './support/loop-disk.ts';
import { useScratch } from './support/scratch.ts';

const isRoot = process.getuid?.() === 0;
const sizeBytes = 400 * mebibyte;
const scratchOf = useScratch();

const makers: readonly (readonly [string, readonly string[]])[] = [
  ['ext4', ['mkfs.ext4', '-q', '-F']],
  ['XFS', ['mkfs.xfs', '-q', '-f']],
  ['Btrfs', ['mkfs.btrfs', '-q', '-f']],
  ['NTFS', ['mkfs.ntfs', '-Q', '-q', '-F']],
  ['FAT32', ['mkfs.vfat', '-F', '32']],
  ['exFAT', ['mkfs.exfat']],
];

async function planFor(sourcePath: string): Promise<Plan> {
  const destinationPath = (await makeLoopDisk(scratchOf(), 'destination', { sizeBytes })).path;
  const stateDirectory = '/var/lib/diskferry';
  const paths = { sourcePath, destinationPath, stateDirectory };
  const facts = await gatherFacts({ ...paths, looksCloser: true, findsWriters: true, readsAllocation: false });
  return decidePlan(facts, { frontend: 'auto', mode: 'redirect' });
}

/** Claims the source of the plan; `meanwhile` happens before its free space is read. */
async function freeSpaceOf(plan: Plan, meanwhile: () => void = () => undefined): Promise<FreeSpace> {
  const source: OpenDisk = await openDisk(plan.source, 'read');
  try {
    meanwhile();
    return await readFreeSpace(plan, descriptorPath(source.handle));
  } finally {
    await source.handle.close();
  }
}

async function makeDisk(maker: readonly string[], name = 'source'): Promise<{ path: string; file: string }> {
  const disk = await makeLoopDisk(scratchOf(), name, { sizeBytes });
  const [program = '', ...options] = maker;
  await runCommand(program, [...options, disk.path], 'mkfs');
  return disk;
}

describe.skipIf(!isRoot)('free space of a claimed source (needs root)', () => {
  test.each(makers)('is known of %s, on a disk and in an image file', async (_, maker) => {
    const { path, file } = await makeDisk(maker);
    const onDisk = await freeSpaceOf(await planFor(path));
    expect(onDisk.warning).toBeUndefined();
    expect(onDisk.extents.length).toBeGreaterThan(0);
    await runCommand('losetup', ['--detach', path], 'detaching');
    expect(await freeSpaceOf(await planFor(file))).toEqual(onDisk);
  });

  test('is that of the claimed disk, wherever the path leads by now', async () => {
    const [source, other] = [
      await makeDisk(['mkfs.ext4', '-q', '-F']),
      await makeDisk(['mkfs.xfs', '-q'], 'other'),
    ];
    const path = scratchOf().path('link');
    symlinkSync(source.path, path);
    const plan = await planFor(path);
    const expected = await freeSpaceOf(plan);
    const found = await freeSpaceOf(plan, () => {
      unlinkSync(path);
      symlinkSync(other.path, path);
    });
    expect(found).toEqual(expected);
    expect(found.warning).toBeUndefined();
  });

  test('is that of the claimed image, also when another one has its name by now', async () => {
    const other = await makeDisk(['mkfs.ext4', '-q', '-F'], 'other');
    const source = await makeDisk(['mkfs.ext4', '-q', '-F', '-b', '1024']);
    for (const { path } of [source, other]) await runCommand('losetup', ['--detach', path], 'detaching');
    const plan = await planFor(source.file);
    const expected = await freeSpaceOf(plan);
    const found = await freeSpaceOf(plan, () => {
      renameSync(source.file, scratchOf().path('moved away'));
      renameSync(other.file, source.file);
    });
    expect(found).toEqual(expected);
    expect(found.warning).toBeUndefined();
  });

  test('is unknown when another file system was mounted than is found', async () => {
    const { path } = await makeDisk(['mkfs.xfs', '-q']);
    const propagation = { peerGroup: null, masterGroup: null, isUnbindable: false };
    const place = {
      target: '/mnt',
      options: 'rw',
      readOnlyHere: false,
      userOptions: '',
      root: '/',
      propagation,
    };
    const mount = { ...place, fsType: 'ext4' };
    const plan = { ...(await planFor(path)), mounts: [mount] };
    expect((await freeSpaceOf(plan)).warning).toContain('ext4 was mounted, and xfs is found');
    const asFound = { ...plan, mounts: [{ ...mount, fsType: 'xfs' }] };
    expect((await freeSpaceOf(asFound)).warning).toBeUndefined();
  });

  test('that is unknown is told by the name of the disk, not of the descriptor', async () => {
    const { path } = await makeDisk(['mkfs.ext4', '-q', '-F']);
    const plan = await planFor(path);
    const handle = await open(path, 'r+');
    await handle.write(Buffer.alloc(4096), 0, 4096, 4096);
    await handle.close();
    const { warning } = await freeSpaceOf(plan);
    expect(warning).toContain(path);
    expect(warning).not.toContain('/proc/');
  });
});
