/**
 * The end of a job, when both disks have been let go: the one that is the truth shows whole, and the kernel knows it.
 *
 * What that disk may still hide are places that it could not deliver while its users were waiting, and that the
 * engine has passed by. It is asked once more, so what was wrong for a moment only is mended here; the rest is told.
 * A move does not fail for it.
 *
 * Nothing is written where users may be on the disk by device-mapper: what they write to such a place at the same
 * time would be lost.
 */
import { messageOf } from '../base/error.ts';
import type { Plan, PlannedDisk } from '../contract/plan.ts';
import { placesLeft, showDisk, tellPlacesLeft } from '../devices/disk-at-rest.ts';
import type { JobVoice } from './job-voice.ts';
import { showPartitions } from './show-partitions.ts';

type Role = 'source' | 'destination';

/** What keeps any of it from being done is told. */
export async function showTruth(plan: Plan, truth: Role, voice: Pick<JobVoice, 'warn'>): Promise<void> {
  for (const warning of await showRest(plan, truth)) voice.warn('places-unreadable', warning);
  const disks = truth === 'source' ? [plan.source] : [plan.destination, plan.source];
  for (const warning of await showPartitions(...disks)) voice.warn('partitions-not-updated', warning);
}

/** Returns what people should know. */
export async function showRest({ source, destination, usesDeviceMapper }: Plan, truth: Role): Promise<string[]> {
  const [disk, other] = truth === 'source' ? [source, destination] : [destination, source];
  const { sizeBytes } = source;
  try {
    let left = await placesLeft(disk, sizeBytes);
    if (left.hidden > 0 && !usesDeviceMapper) {
      await showDisk(withoutContent(disk), { volumeSizes: [sizeBytes] });
      left = await placesLeft(disk, sizeBytes);
    }
    const told = tellPlacesLeft(left);
    if (told === undefined) return [];
    const how = left.hidden > 0 ? `; ${howToShow(disk.path)}` : '';
    return [`${disk.path}: ${told}${how}; what belongs there may still be on ${other.path}`];
  } catch (error) {
    return [`${disk.path}: may still hide some of what identifies it (${messageOf(error)}); ${howToShow(disk.path)}`];
  }
}

/** What a plan knows of its content is of before: the destination's has been erased, and the source's is hidden now. */
function withoutContent(disk: PlannedDisk): PlannedDisk {
  return disk.identity === null ? disk : { ...disk, identity: { ...disk.identity, content: null } };
}

/** The job's record goes with the job. */
function howToShow(path: string): string {
  return `when nothing uses it, "diskferry unmask ${path} --i-know-it-is-stale" shows it`;
}
