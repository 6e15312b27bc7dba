/**
 * Warnings of what the machine's disks are to each other: another one that is known by the same identity, and a
 * destination that is connected so slowly that programs will feel it. Pure.
 */
import type { PlanWarning } from '../contract/plan.ts';
import type { BlockDevice } from '../devices/block-device.ts';
import type { DiskFacts } from '../devices/disk-facts.ts';
import type { Inventory } from '../devices/inventory.ts';
import { findDevice } from '../devices/inventory.ts';
import type { Storage } from '../devices/overlap.ts';
import { compareStorage } from '../devices/overlap.ts';

export interface DisksWarned {
  readonly inventory: Inventory;
  readonly source: DiskFacts;
  readonly destination: { readonly path: string; readonly storage: Storage };
}

/**
 * A copy that somebody made earlier, as by imaging: whatever mounts by UUID may take the one for the other. The
 * destination is erased, and what shares storage with either disk shows the same content through another device.
 */
export function sameIdentity({ inventory, source, destination }: DisksWarned): PlanWarning | undefined {
  const isApart = (device: BlockDevice): boolean =>
    [source, destination].every(({ storage }) => compareStorage(inventory, storageOf(device), storage) === 'apart');
  const twins = inventory.devices.filter((device) => hasIdentityOf(source, device) && isApart(device));
  if (twins.length === 0) return undefined;
  const paths = twins.map(({ path }) => path).join(' and ');
  return {
    code: 'same-identity',
    message:
      `${paths} ${twins.length === 1 ? 'has' : 'have'} the same UUID as ${source.path}, as copies have: what mounts by it ` +
      `may take the one for the other. Disconnect ${twins.length === 1 ? 'it' : 'them'} before the move, or give ` +
      `${twins.length === 1 ? 'it' : 'them'} another UUID.`,
  };
}

function hasIdentityOf({ content: own, storage }: DiskFacts, { content, majorMinor, partition }: BlockDevice): boolean {
  if (!own || content === null || (storage.kind === 'block' && storage.majorMinor === majorMinor)) return false;
  if (own.fileSystemUuid !== null && own.fileSystemUuid === content.fileSystemUuid) return true;
  // A partition is told with the table that it is in.
  return own.partitionTableUuid !== null && partition === null && own.partitionTableUuid === content.partitionTableUuid;
}

function storageOf({ majorMinor }: BlockDevice): Storage {
  return { kind: 'block', majorMinor };
}

/** Below what any SATA or USB 3 port has. */
const slowMegabits = 1000;

export function slowLink({ inventory, destination: { path, storage } }: DisksWarned): PlanWarning | undefined {
  const link = storage.kind === 'block' ? findDevice(inventory, storage.majorMinor)?.link : null;
  if (!link || link.megabits >= slowMegabits) return undefined;
  return {
    code: 'slow-link',
    message:
      `${path} is connected at ${link.megabits} Mbit/s only. All that programs write goes there from the start, no faster ` +
      'than that. Another port or cable may be faster.',
  };
}
