/**
 * A disk with partitions moves as a whole, and a partition moves by itself. The kernel may know no partition
 * tables, so the nodes are made with partx(8) from a table that is written here.
 */
import { closeSync, existsSync, openSync, writeSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mebibyte, sectorBytes } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import { checkFileSystem, findMount, makeFileSystem, mount, unmount } from './support/file-system.ts';
import type { LoopDisk } from './support/loop-disk.ts';
import { makeImage, makeLoopDisk, readPart } from './support/loop-disk.ts';
import { Migration } from './support/migration.ts';
import { useScratch } from './support/scratch.ts';
import { expectSame } from './support/sector-writer.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();

const diskBytes = 640 * mebibyte;
const partitions = [
  { type: 'ext4', startBytes: mebibyte, sizeBytes: 200 * mebibyte },
  { type: 'xfs', startBytes: 201 * mebibyte, sizeBytes: 320 * mebibyte },
] as const;

/** Where the last partition ends. */
const behindBytes = 521 * mebibyte;
const fileBytes = 16 * mebibyte;

/** A DOS partition table: four entries of 16 bytes at 446, and a signature. */
function writeTable(path: string): void {
  const table = Buffer.alloc(512);
  partitions.forEach(({ startBytes, sizeBytes }, index) => {
    const entry = 446 + 16 * index;
    table.writeUInt8(0x83, entry + 4); // Linux
    table.writeUInt32LE(startBytes / sectorBytes, entry + 8);
    table.writeUInt32LE(sizeBytes / sectorBytes, entry + 12);
  });
  table.writeUInt16LE(0xaa55, 510);
  const fd = openSync(path, 'r+');
  writeSync(fd, table);
  closeSync(fd);
}

async function partx(way: '--update' | '--delete', disk: string): Promise<void> {
  await runCommand('partx', [way, disk], 'telling the kernel of partitions');
}

describe.skipIf(!isRoot)('migrate of a disk with partitions (needs root)', () => {
  /** With a file on each partition. */
  async function makeDisk(): Promise<{ disk: LoopDisk; files: Buffer[] }> {
    const files: Buffer[] = [];
    const scratch = scratchOf();
    const disk = await makeLoopDisk(scratch, 'source', { sizeBytes: diskBytes });
    writeTable(disk.path);
    await partx('--update', disk.path);
    const target = await scratch.makeDirectory('volume');
    for (const [index, { type }] of partitions.entries()) {
      await makeFileSystem(type, `${disk.path}p${index + 1}`);
      await mount(`${disk.path}p${index + 1}`, target);
      makeImage(`${target}/file`, fileBytes, 'random');
      files.push(readPart(`${target}/file`, 0, fileBytes));
      await unmount(target);
    }
    return { disk, files };
  }

  it('moves the whole disk, of each partition only what is used', async () => {
    const scratch = scratchOf();
    const { disk: source, files } = await makeDisk();
    const destination = await makeLoopDisk(scratch, 'destination', {
      sizeBytes: diskBytes + mebibyte,
      content: 'random',
    });
    const original = readPart(source.path, behindBytes, diskBytes - behindBytes);
    const migration = Migration.start(scratch, { source: source.path, destination: destination.path });
    expect(await migration.end()).toMatchObject({ exitCode: 0 });
    const [finished] = migration.eventsNamed('finished');
    expect(finished?.report.skippedBytes).toBeGreaterThan(300 * mebibyte);
    expectSame(readPart(destination.path, behindBytes, diskBytes - behindBytes), original, behindBytes);
    // What shows no more has no partitions either.
    expect(existsSync(`${source.path}p1`)).toBe(false);
    await partx('--update', destination.path);
    const target = scratch.path('volume');
    for (const [index, { type }] of partitions.entries()) {
      const node = `${destination.path}p${index + 1}`;
      await checkFileSystem(type, node);
      await mount(node, target);
      expectSame(readPart(`${target}/file`, 0, fileBytes), files[index] ?? Buffer.of());
      await unmount(target);
    }
    await partx('--delete', destination.path);
  });

  it('moves one partition that is mounted, to a disk of its own', async () => {
    const scratch = scratchOf();
    const { disk, files } = await makeDisk();
    const destination = await makeLoopDisk(scratch, 'destination', { sizeBytes: partitions[0].sizeBytes });
    const target = scratch.path('volume');
    await mount(`${disk.path}p1`, target);
    const migration = Migration.start(scratch, { source: `${disk.path}p1`, destination: destination.path });
    expect(await migration.end()).toMatchObject({ exitCode: 0 });
    expect(await findMount(target)).toMatchObject({ source: destination.path });
    expectSame(readPart(`${target}/file`, 0, fileBytes), files[0] ?? Buffer.of());
    await unmount(target);
    await checkFileSystem('ext4', destination.path);
    await partx('--delete', disk.path);
  });
});
