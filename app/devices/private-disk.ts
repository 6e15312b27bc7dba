/**
 * A disk that is reached through a linear device of our own over it. Device-mapper and O_EXCL exclude each
 * other, while device-mapper devices share a disk: only so can a consumer's table come to lie on a disk that
 * the engine has open.
 *
 * The disk is opened and compared with the plan as ever (open-disk.ts). Then the claim passes from that
 * descriptor to the private device; for a moment nobody has it, so what the private device lies on is
 * compared once more. A plain descriptor on the disk itself is kept all along. Given back in reverse.
 *
 * The private device outlives a process that is killed, and a successor opens it again.
 */
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { afterFailure, DiskferryError } from '../base/error.ts';
import { ReleaseStack } from '../base/release.ts';
import { sectorBytes } from '../base/units.ts';
import type { DeviceIdentity, PlannedDisk } from '../contract/plan.ts';
import { createMapped, dependenciesOf, mappedPath, removeMapped, requireTable } from './device-mapper.ts';
import type { Segment } from './dm-table.ts';
import { linearTable } from './dm-table.ts';
import type { Claim, Known, OpenDisk } from './open-disk.ts';
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

/** Of a process that was killed in this boot. Throws as well when the device is not as that one has made it. */
export async function reopenPrivateDisk(
  planned: PlannedDisk,
  options: Omit<PrivateDiskOptions, 'claim'>,
): Promise<OpenDisk> {
  const held = new ReleaseStack();
  try {
    const { name, access } = options;
    const { identity, segments } = wholeOf(planned);
    // It is claimed by the private device.
    const base = await openBase(planned, { access, claim: 'shared', known: 'by-boot' }, held);
    await requireTable(name, segments);
    held.add(name, () => removeAgain(name));
    await requireSameBelow(name, identity);
    return await openOver(mappedPath(name), { access, base, held });
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
  const base = await openBase(planned, { access, claim, known: 'by-plan' }, held);
  const { identity, segments } = wholeOf(planned);
  const device = await createMapped({ name, segments, readOnly: access === 'read', audience: 'private' });
  held.add(name, () => removeAgain(name));
  await requireSameBelow(name, identity);
  return openOver(device.path, { access, base, held });
}

interface BaseOptions extends Pick<PrivateDiskOptions, 'access' | 'claim'> {
  readonly known: Known;
}

async function openBase(
  planned: PlannedDisk,
  { access, claim, known }: BaseOptions,
  held: ReleaseStack,
): Promise<FileHandle> {
  const checked = await openDisk(planned, access, claim, known);
  const forget = held.add('the disk', () => checked.close());
  const base = await openPath(descriptorPath(checked.handle), modeOf(access));
  held.add('the plain descriptor', () => base.close());
  forget();
  await checked.close();
  return base;
}

interface OverOptions extends Pick<PrivateDiskOptions, 'access'> {
  readonly base: FileHandle;
  readonly held: ReleaseStack;
}

async function openOver(path: string, { access, base, held }: OverOptions): Promise<OpenDisk> {
  const handle = await openPath(path, modeOf(access) | constants.O_EXCL | constants.O_DIRECT);
  held.add('the private device', () => handle.close());
  return { handle, base, isDirect: true, close: () => held.releaseAll() };
}

function modeOf(access: PrivateDiskOptions['access']): number {
  return access === 'read' ? constants.O_RDONLY : constants.O_RDWR;
}

function wholeOf({ path, identity, sizeBytes }: PlannedDisk): { identity: DeviceIdentity; segments: Segment[] } {
  if (identity === null) throw new DiskferryError('device-missing', `${path}: has no identity in the plan`);
  const place = { device: identity.majorMinor, startSector: 0 };
  return { identity, segments: linearTable(place, sizeBytes / sectorBytes) };
}

/** Twice where it must be, because what stays keeps the disk itself from its users. */
function removeAgain(name: string): Promise<void> {
  return removeMapped(name).catch(() => removeMapped(name));
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
