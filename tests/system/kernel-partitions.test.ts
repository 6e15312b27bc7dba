/**
 * After a job the kernel shows the partitions that lie on the destination now. The kernel of the tests need
 * not know partition tables: the nodes are made by partx, here as in Diskferry.
 */
import { open, writeFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, test } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import type { BlockDevice } from '../../app/devices/block-device.ts';
import { runCommand } from '../../app/devices/command.ts';
import { readInventory } from '../../app/devices/inventory.ts';
import { updatePartitions } from '../../app/devices/kernel-partitions.ts';
import { makeImage } from './support/loop-disk.ts';
import { failing } from './support/mask-fault.ts';
import { Migration, runCli } from './support/migration.ts';
import type { PartitionRange } from './support/partition-table.ts';
import { forgetPartitions, writePartitionTable } from './support/partition-table.ts';
import { useScratch } from './support/scratch.ts';

const isRoot = process.getuid?.() === 0;
const sizeBytes = 64 * mebibyte;
const scratchOf = useScratch();

const oldParts = [
  { startSectors: 2048, sectors: 16384 },
  { startSectors: 32768, sectors: 32768 },
];
const newParts = [{ startSectors: 4096, sectors: 65536 }];

/** A loop device that shows partitions; detaching it removes them. */
async function attach(name: string): Promise<string> {
  const file = scratchOf().path(name);
  makeImage(file, sizeBytes);
  return (await runCommand('losetup', ['--find', '--show', '--partscan', file], 'attaching')).trim();
}

async function attachPartitioned(name: string, parts: readonly PartitionRange[]): Promise<string> {
  const path = await attach(name);
  writePartitionTable(path, parts);
  await runCommand('partx', ['--add', path], 'adding partitions');
  return path;
}

async function numberOf(path: string): Promise<string> {
  const { devices } = await readInventory({ probes: false, votes: false });
  const disk = devices.find((device) => device.path === path);
  if (disk === undefined) throw new Error(`${path}: no such disk`);
  return disk.majorMinor;
}

async function nodesOf(path: string): Promise<BlockDevice[]> {
  const number = await numberOf(path);
  const { devices } = await readInventory({ probes: false, votes: false });
  return devices.filter(({ partition }) => partition?.diskMajorMinor === number);
}

async function partitionsOf(path: string): Promise<PartitionRange[]> {
  return (await nodesOf(path))
    .map(({ partition, sizeBytes: bytes }) => {
      return { startSectors: (partition?.offsetBytes ?? NaN) / 512, sectors: bytes / 512 };
    })
    .sort((one, other) => one.startSectors - other.startSectors);
}

async function migrate(source: string, destination: string): Promise<void> {
  await expectUpdated(Migration.start(scratchOf(), { source, destination }), 0);
}

async function expectUpdated(migration: Migration, exitCode: number): Promise<void> {
  expect(await migration.end()).toMatchObject({ exitCode });
  const codes = migration.eventsNamed('warning').map(({ code }) => code);
  expect(codes).not.toContain('partitions-not-updated');
}

describe.skipIf(!isRoot)("the destination's partitions, to the kernel (needs root)", () => {
  test('are those of the moved table, not its old ones', async () => {
    const source = await attachPartitioned('source.img', newParts);
    const destination = await attachPartitioned('destination.img', oldParts);
    expect(await partitionsOf(destination)).toEqual(oldParts);
    await migrate(source, destination);
    expect(await partitionsOf(destination)).toEqual(newParts);
  });

  test('appear on a disk that had none', async () => {
    const source = await attachPartitioned('source.img', newParts);
    const destination = await attach('destination.img');
    await migrate(source, destination);
    expect(await partitionsOf(destination)).toEqual(newParts);
  });

  test('are none when a file system without a table has moved there', async () => {
    const source = await attach('source.img');
    await runCommand('mkfs.ext4', ['-q', source], 'mkfs');
    const destination = await attachPartitioned('destination.img', oldParts);
    await migrate(source, destination);
    expect(await partitionsOf(destination)).toEqual([]);
  });
});

describe.skipIf(!isRoot)('partitions that somebody looks at (needs root)', () => {
  /** As udev does when a disk has been written. */
  async function openFirst(path: string): Promise<FileHandle> {
    const [first] = await nodesOf(path);
    const [major = '', minor = ''] = first?.majorMinor.split(':') ?? [];
    const node = scratchOf().path('node');
    await runCommand('mknod', [node, 'b', major, minor], 'making a node');
    return open(node, 'r');
  }

  test('go as soon as he has looked', async () => {
    const path = await attachPartitioned('disk.img', oldParts);
    const looking = await openFirst(path);
    const number = await numberOf(path);
    await writeFile(path, new Uint8Array(sizeBytes), { flag: 'r+' });
    const updated = updatePartitions(path, number).then(
      () => 'updated',
      (error: unknown) => String(error),
    );
    // So that it finds the node open.
    await sleep(700);
    await looking.close();
    expect(await updated).toBe('updated');
    expect(await partitionsOf(path)).toEqual([]);
  });
});

describe.skipIf(!isRoot)("the source's partitions, to the kernel (needs root)", () => {
  let source: string;
  let destination: string;

  beforeEach(async () => {
    source = await attachPartitioned('source.img', newParts);
    destination = await attach('destination.img');
  });

  test('are gone after the commit, and come back with unmask', async () => {
    await migrate(source, destination);
    expect(await partitionsOf(source)).toEqual([]);
    const parameters = ['unmask', source, '--i-know-it-is-stale', '--state-dir', scratchOf().stateDirectory];
    expect(await runCli(...parameters)).toMatchObject({ exitCode: 0 });
    expect(await partitionsOf(source)).toEqual(newParts);
  });

  test('are there after an undo', async () => {
    const migration = Migration.start(scratchOf(), { source, destination }, '--hold');
    await migration.event('synchronized');
    // As a udev does that reads tables again while the disk is hidden.
    await forgetPartitions(source);
    await migration.ask('undo');
    await expectUpdated(migration, 8);
    expect(await partitionsOf(source)).toEqual(newParts);
  });

  test('are there when recover ends a job that had died in its start', async () => {
    // Of two disks that must change, the source is the second.
    await runCommand('mkfs.ext4', ['-q', destination], 'mkfs');
    const migration = failing('hidden', () => Migration.start(scratchOf(), { source, destination }));
    await migration.end();
    await forgetPartitions(source);
    await expectUpdated(Migration.recover(scratchOf(), '--undo'), 8);
    expect(await partitionsOf(source)).toEqual(newParts);
  });
});
