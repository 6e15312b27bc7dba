/**
 * What of the source need not be copied, read at the moment when nobody uses it: before the virtual device is
 * attached, or while the volume is unmounted. When that fails, everything is copied and a warning says why.
 */
import { DiskferryError } from '../base/error.ts';
import type { Extent } from '../base/units.ts';
import type { Plan } from '../contract/plan.ts';
import type { Allocation } from '../devices/allocated.ts';
import { readDiskAllocation } from '../devices/allocated-disk.ts';
import { isAbsent, readDiskFacts } from '../devices/disk-facts.ts';
import { readInventory } from '../devices/inventory.ts';

export interface FreeSpace {
  readonly extents: readonly Extent[];
  /** Why everything is copied, when it is. */
  readonly warning: string | undefined;
}

export async function readFreeSpace(plan: Plan): Promise<FreeSpace> {
  const allocation = await readAllocationOf(plan.source.path);
  if (allocation.kind === 'known') return { extents: allocation.freeExtents, warning: undefined };
  return { extents: [], warning: `${plan.source.path}: everything is copied: ${allocation.reason}` };
}

async function readAllocationOf(path: string): Promise<Allocation> {
  try {
    const inventory = await readInventory({ probes: false });
    const disk = readDiskFacts(inventory, path);
    if (isAbsent(disk)) return { kind: 'unknown', reason: `the disk has gone (${disk.reason})` };
    return await readDiskAllocation(inventory, disk);
  } catch (error) {
    if (error instanceof DiskferryError) return { kind: 'unknown', reason: error.message };
    throw error;
  }
}
