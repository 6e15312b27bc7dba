/**
 * What of a whole disk must be copied: of a disk with one file system what that uses; of a partitioned disk
 * everything but the free parts of its partitions' file systems. Partition tables and the gaps between
 * partitions are copied.
 *
 * Image files are looked at through a loop device that is read-only, so that no tool can write to them by
 * mistake and all tools take them; without root there is none, and the tools get the file itself.
 */
import { sectorBytes } from '../base/units.ts';
import type { Allocation } from './allocated.ts';
import { readAllocation } from './allocated.ts';
import { FreeExtents } from './allocated/free-extents.ts';
import { runCommand } from './command.ts';
import { probeContent } from './content.ts';
import type { DiskFacts } from './disk-facts.ts';
import type { Inventory } from './inventory.ts';
import { runProgram } from './program.ts';

/** A part of the disk that may hold a file system. */
interface Part {
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  /** The partition's own device node; null where there is none. */
  readonly node: string | null;
}

/** The disk must not be in use. Reads only. */
export async function readDiskAllocation(inventory: Inventory, disk: DiskFacts): Promise<Allocation> {
  const content = disk.content ?? (await probeContent(disk.path));
  if (content.partitionTableType === null || content.fileSystemType !== null) {
    const whole: Part = {
      offsetBytes: 0,
      sizeBytes: disk.sizeBytes,
      node: disk.kind === 'block' ? disk.path : null,
    };
    return withNode(disk, whole, (path) => readPart(path, whole, content.fileSystemType));
  }
  const parts = disk.kind === 'block' ? partitionsOf(inventory, disk) : await listPartitions(disk.path);
  return joinParts(disk, parts);
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

function partitionsOf(inventory: Inventory, disk: DiskFacts): Part[] {
  return inventory.devices.flatMap((device) => {
    if (device.partition === null || device.partition.diskMajorMinor !== disk.identity.majorMinor) return [];
    return [{ offsetBytes: device.partition.offsetBytes, sizeBytes: device.sizeBytes, node: device.path }];
  });
}

/** Lines of first sector and number of sectors. */
async function listPartitions(image: string): Promise<Part[]> {
  const columns = ['--raw', '--noheadings', '--output', 'START,SECTORS'];
  const table = await runCommand('partx', [...columns, image], 'listing partitions');
  return table.split('\n').flatMap((line) => {
    const [start, sectors] = line.trim().split(/\s+/).map(Number);
    if (start === undefined || sectors === undefined) return [];
    return [{ offsetBytes: start * sectorBytes, sizeBytes: sectors * sectorBytes, node: null }];
  });
}

/** Gives `use` a path at which exactly the part can be read. */
async function withNode(
  disk: DiskFacts,
  part: Part,
  use: (path: string) => Promise<Allocation>,
): Promise<Allocation> {
  if (part.node !== null) return use(part.node);
  const range = ['--offset', String(part.offsetBytes), '--sizelimit', String(part.sizeBytes)];
  const attached = await runProgram('losetup', ['--find', '--show', '--read-only', ...range, disk.path]);
  if (attached.exitCode !== 0) {
    // Without a loop device (not root), only what starts where the file starts can be read.
    if (part.offsetBytes === 0) return use(disk.path);
    return { kind: 'unknown', reason: `no loop device for the partitions: ${attached.stderr.trim()}` };
  }
  const loop = attached.stdout.trim();
  try {
    return await use(loop);
  } finally {
    await runCommand('losetup', ['--detach', loop], `detaching ${loop}`);
  }
}
