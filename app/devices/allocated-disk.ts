/**
 * What of a whole disk must be copied: of a disk with one file system what that uses; of a partitioned disk
 * everything but the free parts of its partitions' file systems. Partition tables and the gaps between
 * partitions are copied.
 *
 * What counts is what the disk says now, never what udev has noted. A disk that could be read in two ways,
 * such as a partitioned one with the left-over superblock of an old file system, is `unknown`: all of it is
 * copied.
 *
 * Image files are looked at through a loop device that is read-only, so that no tool can write to them by
 * mistake and all tools take them; without root there is none, and the tools get the file itself.
 */
import { statSync } from 'node:fs';
import type { Allocation } from './allocated.ts';
import { readAllocation } from './allocated.ts';
import { FreeExtents } from './allocated/free-extents.ts';
import { AllocationUnknown } from './allocated/unknown.ts';
import { fileKeyText, majorMinorOf } from './block-device.ts';
import { runCommand } from './command.ts';
import { probeContent } from './content.ts';
import type { DiskFacts } from './disk-facts.ts';
import type { Inventory } from './inventory.ts';
import { readLoopBackings } from './inventory.ts';
import { listPartitions, matchParts } from './partition-table.ts';
import { runProgram } from './program.ts';

/** A part of the disk that may hold a file system. */
interface Part {
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  /** The device that is exactly this part; null where there is none. */
  readonly node: PartNode | null;
}

interface PartNode {
  readonly path: string;
  readonly majorMinor: string;
}

/** The disk must not be in use. Reads only. */
export async function readDiskAllocation(inventory: Inventory, disk: DiskFacts): Promise<Allocation> {
  try {
    return await readWholeOrParts(inventory, disk);
  } catch (error) {
    if (error instanceof AllocationUnknown) return { kind: 'unknown', reason: error.message };
    throw error;
  }
}

async function readWholeOrParts(inventory: Inventory, disk: DiskFacts): Promise<Allocation> {
  const { fileSystemType, partitionTableType } = await probeContent(disk.path);
  const table = partitionTableType === null ? [] : await listPartitions(disk.path);
  const nodes = disk.kind === 'block' ? partitionsOf(inventory, disk) : null;
  // The end of exFAT's boot sector looks like a partition table without partitions.
  const hasTable = partitionTableType !== null && !(fileSystemType === 'exfat' && table.length === 0);
  if (!hasTable) {
    if (nodes !== null && nodes.length > 0) {
      throw new AllocationUnknown('the kernel has partitions of it that the disk does not have');
    }
    const node = disk.kind === 'block' ? { path: disk.path, majorMinor: disk.identity.majorMinor } : null;
    const whole: Part = { offsetBytes: 0, sizeBytes: disk.sizeBytes, node };
    return withNode(disk, whole, (path) => readPart(path, whole, fileSystemType));
  }
  if (fileSystemType !== null) {
    const found = `a file system (${fileSystemType}) and a partition table (${partitionTableType})`;
    throw new AllocationUnknown(`${found} are found on it: one of them is left over`);
  }
  return joinParts(disk, matchParts(table, nodes));
}

async function readPart(path: string, part: Part, fileSystemType: string | null): Promise<Allocation> {
  return readAllocation({ path, sizeBytes: part.sizeBytes, fileSystemType });
}

/**
 * Partitions whose free space nobody can tell are copied whole, and named in no reason as long as one can be
 * told.
 */
async function joinParts(disk: DiskFacts, parts: readonly Part[]): Promise<Allocation> {
  const free = new FreeExtents(disk.sizeBytes);
  const reasons: string[] = [];
  for (const part of parts) {
    const allocation = await withNode(disk, part, async (path) => {
      return readPart(path, part, (await probeContent(path)).fileSystemType);
    });
    if (allocation.kind === 'unknown') {
      reasons.push(allocation.reason);
      continue;
    }
    for (const { offsetBytes, lengthBytes } of allocation.freeExtents) {
      free.add(part.offsetBytes + offsetBytes, lengthBytes);
    }
  }
  if (parts.length === reasons.length) {
    return {
      kind: 'unknown',
      reason: reasons[0] ?? 'there are no partitions whose free space could be told',
    };
  }
  const { extents, freeBytes } = free.finish();
  const allocatedBytes = disk.sizeBytes - freeBytes;
  return { kind: 'known', fileSystemType: 'partitions', freeExtents: extents, freeBytes, allocatedBytes };
}

function partitionsOf(inventory: Inventory, disk: DiskFacts): (Part & { node: PartNode })[] {
  return inventory.devices.flatMap(({ partition, path, majorMinor, sizeBytes }) => {
    if (partition === null || partition.diskMajorMinor !== disk.identity.majorMinor) return [];
    return [{ offsetBytes: partition.offsetBytes, sizeBytes, node: { path, majorMinor } }];
  });
}

/** Gives `use` a path at which exactly the part can be read. */
async function withNode(
  disk: DiskFacts,
  part: Part,
  use: (path: string) => Promise<Allocation>,
): Promise<Allocation> {
  const { node } = part;
  if (node !== null) return whileSame(node, () => use(node.path));
  const range = ['--offset', String(part.offsetBytes), '--sizelimit', String(part.sizeBytes)];
  const attached = await runProgram('losetup', ['--find', '--show', '--read-only', ...range, disk.path]);
  if (attached.exitCode !== 0) {
    // Without a loop device (not root), only what starts where the file starts can be read.
    if (part.offsetBytes === 0) return use(disk.path);
    return { kind: 'unknown', reason: `no loop device for the partitions: ${attached.stderr.trim()}` };
  }
  const loop = attached.stdout.trim();
  try {
    await assertBacking(loop, disk);
    return await use(loop);
  } finally {
    await runCommand('losetup', ['--detach', loop], `detaching ${loop}`);
  }
}

/** The tools go by the path; it must lead to the device from before they start until they have ended. */
async function whileSame<T>(node: PartNode, act: () => Promise<T>): Promise<T> {
  assertLeadsTo(node);
  const result = await act();
  assertLeadsTo(node);
  return result;
}

function assertLeadsTo({ path, majorMinor }: PartNode): void {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (stat?.isBlockDevice() === true && majorMinorOf(stat.rdev) === majorMinor) return;
  throw new AllocationUnknown(`${path}: leads to another device than ${majorMinor}`);
}

/** losetup goes by the path too, and resolves it itself. */
async function assertBacking(loop: string, disk: DiskFacts): Promise<void> {
  const file = (await readLoopBackings()).get(loop);
  const isSame = disk.storage.kind === 'file' && file !== undefined;
  if (isSame && fileKeyText(file) === fileKeyText(disk.storage.file)) return;
  throw new AllocationUnknown(`${disk.path}: leads to another file than before`);
}
