/**
 * The inventory and the trees of `devices`, of this machine with loop devices and partitions that the test
 * makes.
 */
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import type { DeviceTree } from '../../app/contract/device-tree.ts';
import { deviceTreeSchema } from '../../app/contract/device-tree.ts';
import { readDiskAllocation } from '../../app/devices/allocated-disk.ts';
import type { Allocation } from '../../app/devices/allocated.ts';
import { noContent } from '../../app/devices/block-device.ts';
import { runCommand } from '../../app/devices/command.ts';
import { isAbsent, lookCloser, readDiskFacts } from '../../app/devices/disk-facts.ts';
import { readInventory } from '../../app/devices/inventory.ts';
import { findUsers } from '../../app/devices/processes.ts';
import { readDeviceTrees } from '../../app/migration/device-trees.ts';
import { countersOf, makeImage, makeLoopDisk } from './support/loop-disk.ts';
import { clearPartitionTable, writePartitionTable } from './support/partition-table.ts';
import { endOf } from './support/processes.ts';
import { useScratch } from './support/scratch.ts';
import { waitUntil } from './support/wait.ts';

const isRoot = process.getuid?.() === 0;
const sizeBytes = 320 * mebibyte;
const scratchOf = useScratch();

const inventory = () => readInventory({ probes: true, votes: true });

async function findDevice(path: string) {
  return (await inventory()).devices.find((device) => device.path === path);
}

async function treeOf(path: string): Promise<DeviceTree | undefined> {
  const { trees: found, notes } = await readDeviceTrees(scratchOf().stateDirectory);
  expect(notes).toEqual([]);
  const trees = found.map((tree) => deviceTreeSchema.parse(tree));
  return trees.find((tree) => tree.path === path);
}

/** A loop device that may have partitions, with two of them; detaching it removes them. */
async function makePartitioned(): Promise<{ path: string; file: string }> {
  const file = scratchOf().path('disk.img');
  makeImage(file, sizeBytes);
  const parameters = ['--find', '--show', '--partscan', file];
  const device = (await runCommand('losetup', parameters, 'attaching')).trim();
  writePartitionTable(device, twoParts);
  await runCommand('partx', ['--add', device], 'adding partitions');
  return { path: device, file };
}

const twoParts = [
  { startSectors: 63, sectors: 200_001 },
  { startSectors: 262_144, sectors: 200_000 },
] as const;

describe.skipIf(!isRoot)('the inventory', () => {
  test('knows a loop device, its file and what lies on it', async () => {
    const { path, file } = await makeLoopDisk(scratchOf(), 'odd name (deleted)', {
      sizeBytes,
      blockBytes: 4096,
    });
    await runCommand('mkfs.xfs', ['-q', '-L', 'my label', path], 'mkfs');
    expect(await findDevice(path)).toMatchObject({
      kind: 'loop',
      sizeBytes,
      logicalBlockBytes: 4096,
      loop: { path: file, offsetBytes: 0 },
      content: { fileSystemType: 'xfs', label: 'my label' },
    });
  });

  test('knows the file of a loop device also when it has been deleted', async () => {
    const { path, file } = await makeLoopDisk(scratchOf(), 'gone', { sizeBytes });
    const before = (await findDevice(path))?.loop?.file;
    rmSync(file);
    const after = await findDevice(path);
    expect(before).not.toBeNull();
    expect(after?.loop?.file).toEqual(before);
    await runCommand('losetup', ['--detach', path], 'detaching');
  });

  test('names the processes that keep a mount busy', async () => {
    const { path } = await makeLoopDisk(scratchOf(), 'busy', { sizeBytes });
    await runCommand('mkfs.ext4', ['-q', path], 'mkfs');
    const target = await scratchOf().makeDirectory('busy mount');
    await runCommand('mount', [path, target], 'mounting');
    expect(findUsers([target])).toEqual([]);
    const inFolder = spawn('sleep', ['60'], { cwd: target, stdio: 'ignore' });
    const withFile = spawn('bash', ['-c', 'exec sleep 60 5> "$1/file"', 'bash', target], { stdio: 'ignore' });
    scratchOf().onRelease('the users', () => Promise.all([inFolder, withFile].map(endOf)).then());
    await waitUntil('both processes use the mount', () => findUsers([target]).length === 2);
    expect(findUsers([target])).toEqual(
      expect.arrayContaining([
        { pid: inFolder.pid, command: 'sleep', how: 'working directory', path: target },
        { pid: withFile.pid, command: 'sleep', how: 'open file', path: `${target}/file` },
      ]),
    );
  });
});

describe.skipIf(!isRoot)('the tree of a disk', () => {
  test('shows partitions with their place, mounts, and why they cannot move', async () => {
    const { path } = await makePartitioned();
    await runCommand('mkfs.ext4', ['-q', `${path}p2`], 'mkfs');
    const target = await scratchOf().makeDirectory('mounted here');
    await runCommand('mount', [`${path}p2`, target], 'mounting');

    const tree = await treeOf(path);
    expect(tree?.content?.partitionTableType).toBe('dos');
    expect(tree?.children.map(({ path: part, offsetBytes }) => [part, offsetBytes])).toEqual([
      [`${path}p1`, 63 * 512],
      [`${path}p2`, 128 * mebibyte],
    ]);
    expect(tree?.asDestination).toMatchObject({ eligible: false, reason: { code: 'destination-mounted' } });
    const [free, mounted] = tree?.children ?? [];
    expect(free).toMatchObject({ asSource: { eligible: true }, asDestination: { eligible: true } });
    expect(mounted).toMatchObject({ mountPoints: [target], asSource: { eligible: true } });
    expect(mounted?.usedBytes).toBeGreaterThan(0);
  });
});

describe.skipIf(!isRoot)('what must be copied of a disk', () => {
  async function allocationOf(path: string): Promise<Allocation> {
    const found = await inventory();
    const disk = readDiskFacts(found, path);
    if (isAbsent(disk)) throw new Error(disk.reason);
    return readDiskAllocation(found, await lookCloser(disk, { findsWriters: true }));
  }

  async function reasonFor(path: string): Promise<string> {
    const allocation = await allocationOf(path);
    return allocation.kind === 'unknown' ? allocation.reason : 'known';
  }

  async function makeFilled(): Promise<{ path: string; file: string }> {
    const disk = await makePartitioned();
    await runCommand('mkfs.ext4', ['-q', '-b', '1024', `${disk.path}p1`], 'mkfs');
    await runCommand('mkfs.ext4', ['-q', `${disk.path}p2`], 'mkfs');
    return disk;
  }

  function expectGapsCopied(allocation: Allocation): void {
    if (allocation.kind === 'unknown') throw new Error(allocation.reason);
    expect(allocation.freeBytes).toBeGreaterThan(150 * mebibyte);
    for (const { offsetBytes, lengthBytes } of allocation.freeExtents) {
      expect(offsetBytes % 4096).toBe(0);
      const isInPart = twoParts.some(({ startSectors, sectors }) => {
        return (
          offsetBytes >= startSectors * 512 && offsetBytes + lengthBytes <= (startSectors + sectors) * 512
        );
      });
      expect(isInPart).toBe(true);
    }
  }

  test('are the used parts of its partitions, also of unaligned ones, and all gaps', async () => {
    expectGapsCopied(await allocationOf((await makeFilled()).path));
  });

  test('is found in a partitioned image file just as on a disk', async () => {
    const { path, file } = await makeFilled();
    const onDisk = await allocationOf(path);
    await runCommand('losetup', ['--detach', path], 'detaching');
    const inFile = await allocationOf(file);
    expectGapsCopied(inFile);
    expect(inFile).toEqual(onDisk);
  });

  test('is unknown when an old file system shows through a partition table', async () => {
    const { path, file } = await makeLoopDisk(scratchOf(), 'used before', { sizeBytes });
    await runCommand('mkfs.ext4', ['-q', path], 'mkfs');
    writePartitionTable(path, twoParts);
    const reason = 'a file system (ext4) and a partition table (dos)';
    expect(await reasonFor(path)).toContain(reason);
    expect(await reasonFor(file)).toContain(reason);
  });

  test('is unknown when the kernel has partitions of a disk without a table', async () => {
    const { path } = await makePartitioned();
    await runCommand('mkfs.ext4', ['-q', '-F', path], 'mkfs');
    clearPartitionTable(path);
    expect(await reasonFor(path)).toContain('the kernel has partitions of it');
  });

  test('is unknown when the kernel has other partitions than the table', async () => {
    const { path } = await makeFilled();
    const [first, second] = twoParts;
    writePartitionTable(path, [first, { ...second, sectors: second.sectors - 8 }]);
    expect(await reasonFor(path)).toContain('not those of the partition table');
  });

  test('is what the disk holds now, not what was noted of it', async () => {
    const { path } = await makeFilled();
    const found = await inventory();
    const disk = readDiskFacts(found, path);
    if (isAbsent(disk)) throw new Error(disk.reason);
    const noted = { ...noContent, fileSystemType: 'ext4' };
    expectGapsCopied(await readDiskAllocation(found, { ...disk, content: noted }));
  });

  test('is found without reading more than the map', async () => {
    const { path } = await makeLoopDisk(scratchOf(), 'counted', { sizeBytes });
    await runCommand('mkfs.xfs', ['-q', path], 'mkfs');
    const before = countersOf(path).readBytes;
    expect((await allocationOf(path)).kind).toBe('known');
    expect(countersOf(path).readBytes - before).toBeLessThan(8 * mebibyte);
  });
});
