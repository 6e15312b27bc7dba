/** How the virtual device gets under the users of a source, and who they are. Pure. */
import type { FrontendName, PlannedMappedUser, Way } from '../contract/plan.ts';
import type { DiskFacts } from '../devices/disk-facts.ts';
import type { Inventory } from '../devices/inventory.ts';
import type { StackFacts } from '../devices/stack-facts.ts';
import type { MappedDevice, MapperOwner } from '../devices/stack.ts';
import { mappedUsersOf, mountPointsAbove, ownerOf } from '../devices/stack.ts';
import { mountsOf } from './use-checks.ts';

/** Of a source that preflight has nothing against. */
export function chooseWay(inventory: Inventory, source: DiskFacts): Way {
  if (mappedUsers(inventory, source).length > 0) return 'live';
  return mountsOf(inventory, source).length > 0 ? 'remount' : 'attach';
}

/** Why that way, for people: the end of a sentence that names it. */
export const wayReasons: Readonly<Record<Way, string>> = {
  attach: 'nothing uses it',
  remount: 'it is mounted, and must be unmounted for a moment',
  live: 'only LVM, LUKS or Diskferry itself lie on it, and can be moved while they are in use',
};

/**
 * Whether whoever attaches the virtual device can be moved to the destination unnoticed. A partition table shows no
 * partitions on a device-mapper device, and LVM would find its physical volume twice after the cut-over.
 */
export function mayStayAttached({ content }: DiskFacts): boolean {
  const partitionTable = content?.partitionTableType ?? null;
  return partitionTable === null && content?.fileSystemType !== 'LVM2_member';
}

/** Through fuse a discard arrives as a request to write zeroes. */
export function tellsDiscards(frontend: FrontendName): boolean {
  return frontend === 'ublk' || frontend === 'nbd';
}

export function planMappedUsers(
  inventory: Inventory,
  source: DiskFacts,
  stack: StackFacts | null,
): PlannedMappedUser[] {
  return mappedUsers(inventory, source).map((user) => ({
    name: user.mapper.name,
    majorMinor: user.majorMinor,
    kind: kindOf(ownerOf(user.mapper.uuid)),
    mountPoints: mountPointsAbove(inventory, user.majorMinor),
    ...howToUnlock(user, stack),
  }));
}

function mappedUsers(inventory: Inventory, { storage }: DiskFacts): MappedDevice[] {
  return storage.kind === 'file' ? [] : mappedUsersOf(inventory, storage.majorMinor);
}

function kindOf({ owner }: MapperOwner): PlannedMappedUser['kind'] {
  return owner === 'other' ? 'own' : owner;
}

function howToUnlock(
  user: MappedDevice,
  stack: StackFacts | null,
): Pick<PlannedMappedUser, 'needsPassphrase' | 'tokenKey'> {
  const needsKey = hasKeyInKeyring(user, stack);
  const tokenKey = stack?.tokenKey ?? null;
  return needsKey && tokenKey !== null ? { needsPassphrase: false, tokenKey } : { needsPassphrase: needsKey };
}

/** Who may not read the table goes by cryptsetup's habit: keys of LUKS2 are in a keyring. */
function hasKeyInKeyring({ majorMinor, mapper }: MappedDevice, stack: StackFacts | null): boolean {
  const table = stack?.tables.find((one) => one.majorMinor === majorMinor);
  if (table !== undefined) return table.segments.some((segment) => segment.hasKeyInKeyring);
  const owner = ownerOf(mapper.uuid);
  return owner.owner === 'luks' && owner.version === 2;
}
