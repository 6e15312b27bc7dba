/**
 * What device-mapper has put on a disk: LVs, opened LUKS containers, devices of our own, and whatever else.
 * Tells of each device that lies on the disk directly whether its table can be moved to another disk while it
 * is in use, and if not, why.
 *
 * Pure. The uuids in the inventory are enough for a first verdict by anybody; the tables, which only root may
 * read, make it final. Keys of dm-crypt are never part of what is handed around here.
 */
import type { BlockDevice, MapperIdentity } from './block-device.ts';
import type { Segment } from './dm-table.ts';
import type { Inventory } from './inventory.ts';
import { findDevice } from './inventory.ts';

/**
 * Whose a device-mapper device is. `lvm`: `groupId` is the volume group's; `layer` is set for the hidden
 * parts of an LV (`tdata`, `real`, …).
 */
export type MapperOwner =
  | { readonly owner: 'lvm'; readonly groupId: string; readonly layer: string | null }
  | { readonly owner: 'luks'; readonly version: 1 | 2 }
  | { readonly owner: 'own'; readonly isPrivate: boolean }
  | { readonly owner: 'other'; readonly what: string };

/** What is kept of the tables of a disk's users: nothing secret. */
export interface UserTable {
  readonly majorMinor: string;
  readonly segments: readonly SegmentSummary[];
}

export interface SegmentSummary {
  readonly target: string;
  /** dm-crypt only: the key is in a keyring of the kernel, and the table has no more than its name. */
  readonly hasKeyInKeyring: boolean;
  /** False for parameters that are not as its target's should be. */
  readonly isRead: boolean;
}

/** LVM- and the ids of a volume group and an LV, 32 characters each (lib/activate/dev_manager.c of lvm2). */
const lvmUuid = /^LVM-(\w{32})\w{32}(?:-(\w+))?$/;
const luksUuid = /^CRYPT-LUKS([12])-/;
const ownPrefix = 'DISKFERRY-';
/** The engine's own ways to its two disks, and the one that consumers' tables may lead to. */
const ownPrivate = /-(source|destination|direct)$/;

const otherOwners: readonly (readonly [prefix: string, what: string])[] = [
  ['mpath-', 'a multipath device'],
  ['CRYPT-INTEGRITY-', 'dm-integrity'],
  ['CRYPT-VERITY-', 'dm-verity'],
  ['CRYPT-', 'an encrypted device without a LUKS header'],
  ['part', 'a partition of a device-mapper device'],
  ['LVM-', 'a part of LVM that this version does not know'],
];

export function ownerOf(uuid: string): MapperOwner {
  const [, groupId, layer = null] = lvmUuid.exec(uuid) ?? [];
  if (groupId !== undefined) return { owner: 'lvm', groupId, layer };
  const version = luksUuid.exec(uuid)?.[1];
  if (version !== undefined) return { owner: 'luks', version: version === '1' ? 1 : 2 };
  if (uuid.startsWith(ownPrefix)) return { owner: 'own', isPrivate: ownPrivate.test(uuid) };
  const known = otherOwners.find(([prefix]) => uuid.startsWith(prefix));
  return {
    owner: 'other',
    what: known?.[1] ?? 'a device-mapper device that neither LVM nor cryptsetup made',
  };
}

export type MappedDevice = BlockDevice & { readonly mapper: MapperIdentity };

function isMapped(device: BlockDevice): device is MappedDevice {
  return device.mapper !== null;
}

/** The device-mapper devices that lie on the disk itself, not on partitions of it or on each other. */
export function mappedUsersOf(inventory: Inventory, majorMinor: string): MappedDevice[] {
  return holdersOf(inventory, majorMinor).filter(isMapped);
}

/** As `mappedUsersOf`, but all devices that hold the disk: also RAID, bcache and the like. */
export function holdersOf(inventory: Inventory, majorMinor: string): BlockDevice[] {
  return inventory.devices.filter(({ slaves }) => slaves.includes(majorMinor));
}

export function summarise(segments: readonly Segment[]): SegmentSummary[] {
  return segments.map(({ mapping }) => ({
    target: mapping.type === 'other' ? mapping.target : mapping.type,
    hasKeyInKeyring: mapping.type === 'crypt' && mapping.key.startsWith(':'),
    isRead: mapping.type !== 'other',
  }));
}

// ---- can its table be moved?

/**
 * Words for the layers that LVM gives the hidden parts of an LV, and for the targets that show them in a
 * table.
 */
const lvmKinds: Readonly<Record<string, string>> = {
  tdata: 'a thin pool',
  tmeta: 'a thin pool',
  tpool: 'a thin pool',
  pool: 'a pool',
  cdata: 'a cache',
  cmeta: 'a cache',
  cpool: 'a cache',
  cvol: 'a cache',
  cow: 'a snapshot',
  real: 'an LV with snapshots',
  vdata: 'a VDO pool',
  vpool: 'a VDO pool',
  'thin-pool': 'a thin pool',
  thin: 'a thin LV',
  cache: 'a cached LV',
  writecache: 'a cached LV',
  raid: 'a RAID LV',
  mirror: 'a mirror, or an LV that pvmove is moving',
  snapshot: 'a snapshot',
  'snapshot-origin': 'an LV with snapshots',
  'snapshot-merge': 'an LV that goes back to a snapshot',
  vdo: 'a VDO pool',
};

/** The targets that can be moved, by whose device it is. */
const movableTargets: Readonly<Record<'lvm' | 'luks' | 'own', readonly string[]>> = {
  lvm: ['linear', 'striped'],
  luks: ['crypt'],
  own: ['linear'],
};

/**
 * Why the table of a device on the disk cannot be moved, as the end of a sentence that begins with its path;
 * null when it can. `table` is null for those who may not read it.
 */
export function whyNotMovable(
  inventory: Inventory,
  user: BlockDevice,
  table: UserTable | null,
): string | null {
  if (user.mapper === null) return `is ${kindText(user)}`;
  const owner = ownerOf(user.mapper.uuid);
  if (owner.owner === 'other') return `is ${owner.what}`;
  if (owner.owner === 'own')
    return owner.isPrivate ? 'belongs to a running migration' : foreignSegment('own', table);
  if (owner.owner === 'luks') return foreignSegment('luks', table);
  return hiddenPart(inventory, user, owner) ?? foreignSegment('lvm', table);
}

function kindText({ kind, kernelName }: BlockDevice): string {
  if (kind === 'raid') return 'a RAID array';
  return kernelName.startsWith('bcache') ? 'a bcache device' : 'not a device-mapper device';
}

/** An LV that another device of its group lies on is a part of a complex one. */
function hiddenPart(
  inventory: Inventory,
  user: BlockDevice,
  { groupId, layer }: { readonly groupId: string; readonly layer: string | null },
): string | null {
  if (layer !== null) return `is a part of ${lvmKinds[layer] ?? `an LV of a kind not known here (${layer})`}`;
  const above = inventory.devices.find(({ mapper, slaves }) => {
    const owner = mapper === null ? null : ownerOf(mapper.uuid);
    return slaves.includes(user.majorMinor) && owner?.owner === 'lvm' && owner.groupId === groupId;
  });
  return above === undefined ? null : `is a part of ${above.path}, which is neither linear nor striped`;
}

function foreignSegment(owner: keyof typeof movableTargets, table: UserTable | null): string | null {
  const foreign = table?.segments.find(
    ({ target, isRead }) => !isRead || !movableTargets[owner].includes(target),
  );
  if (foreign === undefined) return null;
  const what = lvmKinds[foreign.target];
  return `has a segment of the kind "${foreign.target}"${what === undefined ? '' : `: it is ${what}`}`;
}

// ---- seen from above

/** The mount points of everything that lies on a device, over any number of layers. */
export function mountPointsAbove(inventory: Inventory, majorMinor: string): string[] {
  const above = holdersOf(inventory, majorMinor).flatMap((holder) =>
    mountPointsAbove(inventory, holder.majorMinor),
  );
  const own = inventory.mounts
    .filter(({ devices }) => devices.includes(majorMinor))
    .map(({ target }) => target);
  return [...new Set([...own, ...above])];
}

/** What a device-mapper device lies on directly, for telling people what to name instead of it. */
export function pathsBelow(inventory: Inventory, device: BlockDevice): string[] {
  return device.slaves.flatMap((majorMinor) => findDevice(inventory, majorMinor)?.path ?? []);
}
