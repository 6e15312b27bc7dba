/**
 * What reads as zero must do so on a destination full of garbage. With the fuse frontend a discard and a
 * "make zero" arrive as the same request, and mkfs, ext4's lazy initialisation and fallocate depend on the
 * second.
 */
import { mkdir } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import { checkFileSystem, makeFileSystem, mount, unmount } from './support/file-system.ts';
import { expectTree } from './support/file-tree.ts';
import { readDirect } from './support/direct-io.ts';
import type { LoopDisk } from './support/loop-disk.ts';
import { makeLoopDisk, readPart } from './support/loop-disk.ts';
import { Migration } from './support/migration.ts';
import { useScratch } from './support/scratch.ts';
import { expectSame } from './support/sector-writer.ts';
import { TreeChanger } from './support/tree-changer.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();

describe.skipIf(!isRoot)('a virtual device over two disks full of garbage (needs root)', () => {
  async function start(sizeBytes: number): Promise<{
    migration: Migration;
    device: string;
    source: LoopDisk;
    destination: LoopDisk;
  }> {
    const scratch = scratchOf();
    const source = await makeLoopDisk(scratch, 'source', { sizeBytes, content: 'random' });
    const destination = await makeLoopDisk(scratch, 'destination', { sizeBytes, content: 'random' });
    const disks = { source: source.path, destination: destination.path };
    const migration = Migration.start(scratch, disks, '--hold');
    const device = await migration.pausedDevice();
    return { migration, device, source, destination };
  }

  async function cutOver(migration: Migration): Promise<void> {
    await migration.event('synchronized');
    await migration.ask('cutover');
    expect(await migration.end()).toMatchObject({ exitCode: 0 });
  }

  it.each([
    ['ext4', ['-E', 'lazy_itable_init=1,lazy_journal_init=1'], 'init_itable=0'],
    ['xfs', ['-K'], 'defaults'],
    ['btrfs', ['--nodiscard'], 'defaults'],
  ] as const)('takes a new %s', async (type, makeOptions, mountOptions) => {
    const { migration, device, destination } = await start(320 * mebibyte);
    await makeFileSystem(type, device, ...makeOptions);
    const target = await scratchOf().makeDirectory('volume');
    await mount(device, target, mountOptions);
    await mkdir(`${target}/tree`);
    const changer = new TreeChanger(`${target}/tree`, 7);
    await migration.ask('resume');
    for (let step = 0; step < 150; step += 1) await changer.step();
    await unmount(target);
    await cutOver(migration);
    await checkFileSystem(type, destination.path);
    await mount(destination.path, target);
    await expectTree(`${target}/tree`, changer.tree);
    await unmount(target);
  });

  it.each([
    'fallocate --punch-hole',
    'fallocate --zero-range --keep-size',
    'blkdiscard --force --zeroout',
    'blkdiscard --force',
  ])('reads as zeroes after %s, and nothing around it changes', async (command) => {
    const sizeBytes = 32 * mebibyte;
    const { migration, device, source, destination } = await start(sizeBytes);
    const expected = readPart(source.path, 0, sizeBytes);
    // Not from block to block, except where it is a discard, which is only a hint there.
    const isHint = command === 'blkdiscard --force';
    const [offset, length] = isHint ? [mebibyte, 16 * mebibyte] : [mebibyte + 512, 16 * mebibyte + 1024];
    const [program = '', ...flags] = command.split(' ');
    const range = ['--offset', String(offset), '--length', String(length)];
    await runCommand(program, [...flags, ...range, device], 'zeroing');
    expected.fill(0, offset, offset + length);
    expectSame(
      readDirect(device, mebibyte - 4096, 2 * mebibyte),
      expected.subarray(mebibyte - 4096, 3 * mebibyte - 4096),
    );
    expectSame(readPart(device, 0, sizeBytes), expected);
    await migration.ask('resume');
    await cutOver(migration);
    expectSame(readPart(destination.path, 0, sizeBytes), expected);
  });
});
