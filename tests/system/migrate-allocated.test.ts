/**
 * Of a file system only what it uses is read, by the source's own counters; the rest of the destination keeps
 * its old garbage, and the file system must not mind. One that was not left clean is copied whole.
 */
import { copyFileSync, statfsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import type { FileSystemType } from './support/file-system.ts';
import { checkFileSystem, fileSystemTypes, makeFileSystem, mount, unmount } from './support/file-system.ts';
import { expectTree } from './support/file-tree.ts';
import type { LoopDisk } from './support/loop-disk.ts';
import { attachLoopDisk, countersOf, makeImage, makeLoopDisk, readPart } from './support/loop-disk.ts';
import { Migration } from './support/migration.ts';
import type { Scratch } from './support/scratch.ts';
import { useScratch } from './support/scratch.ts';
import { expectSame } from './support/sector-writer.ts';
import { TreeChanger } from './support/tree-changer.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();

const diskBytes = 768 * mebibyte;
const ballastBytes = 230 * mebibyte;

/** Issue 2, point 8. */
function readBytesMax(usedBytes: number): number {
  return usedBytes * 1.05 + 64 * mebibyte;
}

interface Volume {
  readonly disk: LoopDisk;
  /** Where it is mounted. */
  readonly target: string;
  readonly changer: TreeChanger;
  readonly usedBytes: number;
}

/** A volume that is 30 % full, with holes where files have been deleted. */
async function makeVolume(scratch: Scratch, type: FileSystemType): Promise<Volume> {
  const disk = await makeLoopDisk(scratch, 'source', { sizeBytes: diskBytes });
  await makeFileSystem(type, disk.path);
  const target = await scratch.makeDirectory('volume');
  await mount(disk.path, target);
  await mkdir(`${target}/tree`);
  const changer = new TreeChanger(`${target}/tree`, diskBytes);
  for (let step = 0; step < 200; step += 1) await changer.step();
  makeImage(`${target}/ballast`, ballastBytes, 'random');
  // Btrfs counts what it has written only.
  await runCommand('sync', ['--file-system', target], 'syncing');
  const { blocks, bfree, bsize } = statfsSync(target);
  return { disk, target, changer, usedBytes: (blocks - bfree) * bsize };
}

const ways = ['attach', 'remount'] as const;
const cases = fileSystemTypes.flatMap((type) => ways.map((way) => [type, way] as const));

describe.skipIf(!isRoot)('migrate of a file system that is 30 % full (needs root)', () => {
  it.each(cases)('reads of %s only what it uses, by %s', async (type, way) => {
    const scratch = scratchOf();
    const { disk, target, changer, usedBytes } = await makeVolume(scratch, type);
    if (way === 'attach') await unmount(target);
    const destination = await makeLoopDisk(scratch, 'destination', {
      sizeBytes: diskBytes,
      content: 'random',
    });
    const readBefore = countersOf(disk.path).readBytes;

    const migration = Migration.start(
      scratch,
      { source: disk.path, destination: destination.path },
      '--hold',
    );
    expect((await migration.event('planned')).plan).toMatchObject({ way, copy: { scope: 'allocated' } });
    await migration.event('synchronized');
    const readBytes = countersOf(disk.path).readBytes - readBefore;
    if (way === 'attach') await mount(await migration.device(), target);
    for (let step = 0; step < 100; step += 1) await changer.step();
    if (way === 'attach') await unmount(target);
    await migration.ask('cutover');
    expect(await migration.end()).toMatchObject({ exitCode: 0 });

    expect(readBytes).toBeLessThanOrEqual(readBytesMax(usedBytes));
    expect(readBytes).toBeGreaterThan(ballastBytes);
    expect(migration.surprises).toEqual([]);
    if (way === 'remount') await unmount(target);
    await checkFileSystem(type, destination.path);
    await mount(destination.path, target);
    await expectTree(`${target}/tree`, changer.tree);
    await unmount(target);
  });

  it.each(['ext4', 'xfs'] as const)('copies all of %s that was not left clean, and says so', async (type) => {
    const scratch = scratchOf();
    const { disk, target } = await makeVolume(scratch, type);
    // What a power cut leaves: the disk as it is while mounted.
    const file = scratch.path('unclean.img');
    copyFileSync(disk.file, file);
    await unmount(target);
    const source = await attachLoopDisk(file, diskBytes);
    const destination = await makeLoopDisk(scratch, 'destination', {
      sizeBytes: diskBytes,
      content: 'random',
    });
    const original = readPart(source.path, 0, diskBytes);
    const migration = Migration.start(scratch, { source: source.path, destination: destination.path });
    expect(await migration.end()).toMatchObject({ exitCode: 0 });
    const [warning] = migration.surprises;
    expect(warning).toMatchObject({ code: 'allocation-unknown' });
    expect(warning?.message).toMatch(/everything is copied: .*(clean|log|journal|recover)/);
    expectSame(readPart(destination.path, 0, diskBytes), original);
  });
});
