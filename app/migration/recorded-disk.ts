/**
 * A disk of a dead job as it is named now (disk-places.ts). A source that tells neither a serial number nor a WWN
 * cannot be known by what identifies it, which is hidden; but its sample tells it from every other disk: no disk that
 * has been used since it was copied has the same. Of a destination there is no such thing.
 */
import { constants } from 'node:fs';
import { DiskferryError } from '../base/error.ts';
import type { Plan, PlannedDisk } from '../contract/plan.ts';
import type { BlockDevice } from '../devices/block-device.ts';
import { identitiesAtRest } from '../devices/disk-at-rest.ts';
import { GuardPlaces } from '../devices/guard-places.ts';
import type { Inventory } from '../devices/inventory.ts';
import { openPath } from '../devices/open-disk.ts';
import type { DiskToFind } from './disk-places.ts';
import { chooseDisk, couldBeNameless, findDisk } from './disk-places.ts';
import type { JobRecord } from './job-record.ts';
import type { SourceSample } from './source-sample.ts';
import { takeSample } from './source-sample.ts';

/** What a record of a job says of its disks, while it goes on and afterwards. */
export type DisksOnRecord = Pick<JobRecord, 'places' | 'sourceSample' | 'bootId'> & {
  readonly plan: Pick<Plan, 'source' | 'destination'>;
};

export interface Wanted {
  readonly record: DisksOnRecord;
  readonly role: DiskToFind['role'];
  /** Of this boot. */
  readonly bootId: string;
}

/** Whether the disk has that sample, and something by which it could be known at all. */
export type SampleTest = (disk: PlannedDisk, sample: SourceSample) => Promise<boolean>;

/** Throws `disk-not-found`, also when two could be it. */
export async function findRecorded(
  inventory: Inventory,
  { record, role, bootId }: Wanted,
  hasSample: SampleTest = looksTheSame,
): Promise<PlannedDisk> {
  const { plan, places, sourceSample } = record;
  const wanted = { role, disk: plan[role], place: places[role], isSameBoot: record.bootId === bootId };
  try {
    return findDisk(inventory, wanted);
  } catch (error) {
    const isNotFound = error instanceof DiskferryError && error.code === 'disk-not-found';
    if (!isNotFound || role === 'destination' || sourceSample === null) throw error;
    const found: BlockDevice[] = [];
    for (const device of inventory.devices) {
      const disk = { ...wanted.disk, path: device.path };
      if (couldBeNameless(device, wanted) && (await hasSample(disk, sourceSample))) found.push(device);
    }
    return chooseDisk(found, wanted);
  }
}

/** The same; undefined when it is not here, or two could be it. */
export async function findIfThere(inventory: Inventory, wanted: Wanted): Promise<PlannedDisk | undefined> {
  try {
    return await findRecorded(inventory, wanted);
  } catch (error) {
    if (error instanceof DiskferryError && error.code === 'disk-not-found') return undefined;
    throw error;
  }
}

async function looksTheSame(disk: PlannedDisk, sample: SourceSample): Promise<boolean> {
  // One disk full of zeroes is like another.
  if ((await identitiesAtRest(disk, new GuardPlaces(disk.sizeBytes))).length === 0) return false;
  const handle = await openPath(disk.path, constants.O_RDONLY);
  try {
    const open = { handle, base: handle, isDirect: false, close: () => handle.close() };
    const now = await takeSample(open, { extents: sample.extents, volumeBytes: disk.sizeBytes });
    return now.sha256 === sample.sha256;
  } finally {
    await handle.close();
  }
}
