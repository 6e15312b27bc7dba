/**
 * Whether a job has a disk in its hands, be it running or dead: also one that moves a part of the disk, or the file under
 * it. For commands that write to a disk by themselves.
 */
import { DiskferryError } from '../base/error.ts';
import type { PlannedDisk } from '../contract/plan.ts';
import type { Inventory } from '../devices/inventory.ts';
import type { Storage } from '../devices/overlap.ts';
import { compareStorage } from '../devices/overlap.ts';
import { readBootId } from './job-record.ts';
import { findIfThere } from './recorded-disk.ts';
import type { RecordedJob } from './recorded-jobs.ts';
import { findDeadJobs, findLivingJobs } from './recorded-jobs.ts';
import { isSameDisk, isSamePlace } from './same-disk.ts';

/** `disks`: the one that is named first, and what belongs to it. Throws `device-in-use`, `earlier-job-died`. */
export async function requireNoJob(
  inventory: Inventory,
  disks: readonly [PlannedDisk, ...PlannedDisk[]],
  stateDirectory: string,
): Promise<void> {
  const [[{ path }], bootId] = [disks, await readBootId()];
  const isOfOthers = ({ record }: RecordedJob): boolean =>
    !('defect' in record) && !disks.some((disk) => hasDisk(inventory, { disk, record, bootId }));
  for (const found of await findLivingJobs(stateDirectory)) {
    if (isOfOthers(found)) continue;
    const { job } = found;
    throw new DiskferryError('device-in-use', `${path}: the job ${job} moves it at the moment`, {
      context: { device: path, job },
    });
  }
  for (const found of await findDeadJobs(stateDirectory)) {
    if (isOfOthers(found) && !(await isHiddenSourceOf(inventory, { disks, record: found.record, bootId }))) continue;
    const { job, directory, record } = found;
    const what = 'defect' in record ? `and may have moved it; ${record.defect}` : 'while it moved it';
    throw new DiskferryError('earlier-job-died', `${path}: the job ${job} died ${what}`, {
      context: { device: path, job, directory },
    });
  }
}

interface Claim {
  readonly disk: PlannedDisk;
  readonly record: Exclude<RecordedJob['record'], { readonly defect: string }>;
  readonly bootId: string;
}

function hasDisk(inventory: Inventory, { disk, record, bootId }: Claim): boolean {
  const isSameBoot = record.bootId === bootId;
  const own = storageOf(disk);
  return [record.plan.source, record.plan.destination].some((one) => {
    if (isSameDisk(one, disk, isSameBoot)) return true;
    const storage = isSameBoot ? storageOf(one) : null;
    return own !== null && storage !== null && compareStorage(inventory, own, storage) !== 'apart';
  });
}

interface HiddenClaim extends Pick<Claim, 'bootId'> {
  readonly disks: readonly PlannedDisk[];
  readonly record: RecordedJob['record'];
}

/** After another start of the machine, a source without a name is known by its sample alone. */
async function isHiddenSourceOf(inventory: Inventory, { disks, record, bootId }: HiddenClaim): Promise<boolean> {
  if ('defect' in record || record.bootId === bootId) return false;
  const source = await findIfThere(inventory, { record, role: 'source', bootId });
  return source !== undefined && disks.some((disk) => isSamePlace(source, disk));
}

function storageOf({ identity, path }: PlannedDisk): Storage | null {
  if (identity === null) return null;
  const { majorMinor, inode } = identity;
  return inode === null
    ? { kind: 'block', majorMinor }
    : { kind: 'file', file: { device: majorMinor, inode }, path };
}
