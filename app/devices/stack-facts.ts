/**
 * What the machine itself tells of a disk that device-mapper devices lie on, for the verdict of stack.ts and
 * preflight: the tables, LVM's view, the LUKS header. Needs root. Keys in tables are left behind here.
 */
import { tableOf } from './device-mapper.ts';
import type { Inventory } from './inventory.ts';
import type { LuksHeader } from './luks.ts';
import { readLuksHeader } from './luks.ts';
import { findTokenKey } from './luks-token.ts';
import type { PhysicalVolume } from './physical-volume.ts';
import { readPhysicalVolume } from './physical-volume.ts';
import type { UserTable } from './stack.ts';
import { mappedUsersOf, ownerOf, summarise } from './stack.ts';

export interface StackFacts {
  readonly tables: readonly UserTable[];
  /** Null when no LV lies on the disk. */
  readonly physicalVolume: PhysicalVolume | null;
  /** Null when no LUKS container is open on the disk, or its header is kept elsewhere. */
  readonly luksHeader: LuksHeader | null;
  /** Of the kernel's keyring: opens the container, as a token in its header says. Null: none does. */
  readonly tokenKey: string | null;
}

export async function readStackFacts(
  inventory: Inventory,
  disk: { readonly majorMinor: string; readonly path: string },
): Promise<StackFacts> {
  const { majorMinor, path } = disk;
  const owners = mappedUsersOf(inventory, majorMinor).map(({ mapper }) => ownerOf(mapper.uuid).owner);
  const luksHeader = owners.includes('luks') ? await readLuksHeader(path) : null;
  return {
    tables: await readUserTables(inventory, majorMinor),
    physicalVolume: owners.includes('lvm') ? await readPhysicalVolume(majorMinor) : null,
    luksHeader,
    tokenKey: luksHeader?.version === 2 ? await findTokenKey(path) : null,
  };
}

/** Of all devices that lie on the disk directly. */
export async function readUserTables(inventory: Inventory, majorMinor: string): Promise<UserTable[]> {
  const users = mappedUsersOf(inventory, majorMinor);
  return Promise.all(
    users.map(async (user) => ({
      majorMinor: user.majorMinor,
      segments: summarise(await tableOf(user.mapper.name)),
    })),
  );
}
