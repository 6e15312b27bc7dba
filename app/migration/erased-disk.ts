/**
 * For `unmask`: a disk that `retire` has erased has nothing to show any more, and of one that it has begun to erase, what
 * is still hidden would pass for a whole copy: that is shown on a person's word only. Records that cannot be read keep
 * nobody from showing a disk.
 */
import { DiskferryError } from '../base/error.ts';
import { timeText } from '../contract/report/words.ts';
import type { PlannedDisk } from '../contract/plan.ts';
import type { Inventory } from '../devices/inventory.ts';
import { readBootId } from './job-record.ts';
import type { FoundRecord } from './retired-disk.ts';
import { findRetired, isAsLeft } from './retired-disk.ts';

interface Looked {
  readonly inventory: Inventory;
  readonly stateDirectory: string;
  readonly isHidden: boolean;
  readonly acceptsStale: boolean;
}

/**
 * Returns what people should know. Throws `disk-erased`. What is hidden there may also come from a later move: then it is
 * not what was left behind.
 */
export async function refuseErased(disk: PlannedDisk, looked: Looked): Promise<string[]> {
  const { inventory, stateDirectory, isHidden, acceptsStale } = looked;
  const found = await tryToFind({ inventory, bootId: await readBootId() }, disk, stateDirectory);
  if (found === undefined || found.role === 'destination') return [];
  const { job, erasure } = found.record;
  if (erasure === null || (isHidden && !(await isAsLeft(disk, found.record)))) return [];
  const context = { device: disk.path, job };
  const what =
    erasure.finishedMs === null
      ? `its erasing was begun on ${timeText(erasure.startedMs)} UTC and has not ended, so what is left is no whole copy`
      : `was erased on ${timeText(erasure.finishedMs)} UTC, after the move ${job}: nothing is left to be shown`;
  if (isHidden && acceptsStale) return [what];
  throw new DiskferryError('disk-erased', `${disk.path}: ${what}`, { context });
}

async function tryToFind(
  here: Parameters<typeof findRetired>[0],
  disk: PlannedDisk,
  stateDirectory: string,
): Promise<FoundRecord | undefined> {
  try {
    return await findRetired(here, disk, [stateDirectory]);
  } catch (error) {
    if (error instanceof DiskferryError && error.code === 'retired-record-unreadable') return undefined;
    throw error;
  }
}
