/**
 * A disk that is reached through a linear device of our own over it. Device-mapper and O_EXCL exclude each
 * other, while device-mapper devices share a disk: only so can a consumer's table come to lie on a disk that
 * the engine has open.
 *
 * The disk is opened and compared with the plan as ever (open-disk.ts). Then the claim passes from that
 * descriptor to the private device; for a moment nobody has it, so what the private device lies on is
 * compared once more. A plain descriptor on the disk itself is kept all along. Given back in reverse.
 */
import { constants } from 'node:fs';
import { afterFailure, DiskferryError } from '../base/error.ts';
import { ReleaseStack } from '../base/release.ts';
import { sectorBytes } from '../base/units.ts';
import type { DeviceIdentity, PlannedDisk } from '../contract/plan.ts';
import { createMapped, dependenciesOf, removeMapped } from './device-mapper.ts';
import { linearTable } from './dm-table.ts';
import type { Claim, OpenDisk } from './open-disk.ts';
import { descriptorPath, openDisk, openPath } from './open-disk.ts';
import { readDiskSequence } from './sysfs.ts';

export interface PrivateDiskOptions {
  /** Of the private device: `diskferry-…` */
  readonly name: string;
  readonly access: 'read' | 'write';
  readonly claim: Claim;
}

/** Throws what `openDisk` throws, and `device-in-use` when somebody else came first in that moment. */
export async function openPrivateDisk(planned: PlannedDisk, options: PrivateDiskOptions): Promise<OpenDisk> {
  const held = new ReleaseStack();
  try {
    return await acquire(planned, options, held);
  } catch (error) {
    throw await afterFailure(error, () => held.releaseAll());
  }
}

async function acquire(
  planned: PlannedDisk,
  options: PrivateDiskOptions,
  held: ReleaseStack,
): Promise<OpenDisk> {
  const { name, access, claim } = options;
  const mode = access === 'read' ? constants.O_RDONLY : constants.O_RDWR;
  const checked = await openDisk(planned, access, claim);
  const forget = held.add('the disk', () => checked.close());
  const base = await openPath(descriptorPath(checked.handle), mode);
  held.add('the plain descriptor', () => base.close());
  forget();
  await checked.close();

  const { identity, sizeBytes } = planned;
  if (identity === null)
    throw new DiskferryError('device-missing', `${planned.path}: has no identity in the plan`);
  const place = { device: identity.majorMinor, startSector: 0 };
  const segments = linearTable(place, sizeBytes / sectorBytes);
  const device = await createMapped({ name, segments, readOnly: access === 'read', audience: 'private' });
  // Once more, because what stays keeps the disk itself from its users.
  held.add(name, () => removeMapped(name).catch(() => removeMapped(name)));
  await requireSameBelow(name, identity);
  const handle = await openPath(device.path, mode | constants.O_EXCL | constants.O_DIRECT);
  held.add('the private device', () => handle.close());
  return { handle, base, isDirect: true, close: () => held.releaseAll() };
}

/** The number could have come to mean another disk in between; the sequence number could not. */
async function requireSameBelow(
  name: string,
  { path, majorMinor, diskSequence }: DeviceIdentity,
): Promise<void> {
  const below = await dependenciesOf(name);
  if (below.length === 1 && below[0] === majorMinor && readDiskSequence(majorMinor) === diskSequence) return;
  throw new DiskferryError('device-changed', `${path}: has become another disk while it was opened`, {
    context: { device: path },
  });
}
