/**
 * What of the source need not be copied, read at the moment when nobody uses it: the source is claimed, so it
 * can be neither mounted nor swapped for another disk. It is read through the claimed descriptor, because the
 * path may lead elsewhere by now. When anything about it is odd, everything is copied and a warning says why.
 */
import { DiskferryError, messageOf } from '../base/error.ts';
import type { Extent } from '../base/units.ts';
import type { DeviceIdentity, Plan } from '../contract/plan.ts';
import type { Allocation } from '../devices/allocated.ts';
import { readDiskAllocation } from '../devices/allocated-disk.ts';
import { isAbsent, readDiskFacts } from '../devices/disk-facts.ts';
import { identityDifferences } from '../devices/identity.ts';
import { readInventory } from '../devices/inventory.ts';
import { trimFreeSpace } from '../substitution/trim.ts';
import { tellsDiscards } from './way.ts';

export interface FreeSpace {
  readonly extents: readonly Extent[];
  /** Why everything is copied, when it is. */
  readonly warning: string | undefined;
}

/** @param descriptor the claimed source's path under /proc/PID/fd */
export async function readFreeSpace(plan: Plan, descriptor: string): Promise<FreeSpace> {
  const allocation = asMounted(plan, await readAllocationOf(plan.source.identity, descriptor));
  if (allocation.kind === 'known') return { extents: allocation.freeExtents, warning: undefined };
  // The tools name what they were given, which tells people nothing.
  const reason = allocation.reason.replaceAll(descriptor, plan.source.path);
  return { extents: [], warning: `${plan.source.path}: everything is copied: ${reason}` };
}

async function readAllocationOf(identity: DeviceIdentity | null, descriptor: string): Promise<Allocation> {
  try {
    const inventory = await readInventory({ probes: false, votes: false });
    const disk = readDiskFacts(inventory, descriptor);
    if (isAbsent(disk)) return { kind: 'unknown', reason: `the disk has gone (${disk.reason})` };
    // The content has been compared when the disk was opened; here udev's notes would stand for it.
    const now: DeviceIdentity = { ...disk.identity, content: null };
    const differences = identity === null ? ['it was not planned'] : identityDifferences(identity, now);
    if (differences.length > 0) return { kind: 'unknown', reason: differences.join(', ') };
    return await readDiskAllocation(inventory, disk);
  } catch (error) {
    if (error instanceof DiskferryError) return { kind: 'unknown', reason: error.message };
    throw error;
  }
}

/** Drivers that have another name than what libblkid calls their file system. */
const driverTypes: Readonly<Record<string, string>> = { ntfs3: 'ntfs', msdos: 'vfat' };

/** What was mounted is what is relied on: the map of anything else that is found on the disk is of no use. */
function asMounted(plan: Plan, allocation: Allocation): Allocation {
  if (allocation.kind === 'unknown') return allocation;
  const { fileSystemType } = allocation;
  const other = plan.mounts.find(({ fsType }) => (driverTypes[fsType] ?? fsType) !== fileSystemType);
  if (other === undefined) return allocation;
  return {
    kind: 'unknown',
    reason: `${other.fsType} was mounted, and ${fileSystemType} is found on the disk`,
  };
}

/**
 * Of a source whose file systems stay mounted: only they can tell, by discarding it. Returns warnings for
 * people; what was not discarded is copied.
 */
export async function trimMounted({ way, frontend, mappedUsers }: Plan): Promise<string[]> {
  if (way !== 'live' || !tellsDiscards(frontend)) return [];
  const targets = new Set(mappedUsers.flatMap(({ mountPoints }) => mountPoints));
  const warnings: string[] = [];
  for (const target of targets) {
    const why = await whyNotTrimmed(target);
    if (why !== null) warnings.push(`${target}: is copied whole: ${why}`);
  }
  return warnings;
}

/** Whatever keeps it from discarding, the job goes on. */
async function whyNotTrimmed(target: string): Promise<string | null> {
  try {
    const [trim] = await trimFreeSpace([target]);
    return trim?.kind === 'unknown' ? trim.reason : null;
  } catch (error) {
    return messageOf(error);
  }
}
