/**
 * What a successor goes on with: the record and the journal of a job whose process was killed, locked. Nobody has gone
 * on with the job, and no disk of it has been shown, between that and this: `unmask` locks the journal too, and says in
 * the record what it does. The guard of a successor asks no disk, because users wait, so it is done here.
 */
import { afterFailure, DiskferryError } from '../base/error.ts';
import { shownAtRest } from '../devices/disk-at-rest.ts';
import type { JobPhase } from '../journal/job-phase.ts';
import { jobPhases } from '../journal/job-phase.ts';
import type { JobJournal } from './job-journal.ts';
import type { JobRecord } from './job-record.ts';
import { requireRecord } from './job-record.ts';
import { takeOverJournal } from './read-journal.ts';
import { requireUnused } from './recovery.ts';

/** Throws `disk-unmasked`, `takeover-refused`, and what takeOverJournal throws. */
export async function takeOverRecord(
  directory: string,
  job: string,
): Promise<{ readonly record: JobRecord; readonly journal: JobJournal }> {
  const journal = await takeOverJournal(directory, await requireRecord(directory, job));
  try {
    requireHidden(job, journal.setting.phase);
    const record = await requireRecord(directory, job);
    const unmasked = record.unmasked ?? (await shownBy(record));
    requireUnused({ ...record, unmasked }, { continuation: 'go-on', phase: jobPhases.copying });
    return { record, journal };
  } catch (error) {
    throw await afterFailure(error, () => journal.close());
  }
}

/**
 * After a commit or the end of an undo that has failed half-way, though its users went on over the virtual device, one
 * disk may show. Users may be on the source itself, so what is on the destination is not to go back over theirs; and
 * an engine that begins anew takes both disks for hidden.
 */
function requireHidden(job: string, phase: JobPhase): void {
  if (phase === jobPhases.copying || phase === jobPhases.undoing) return;
  const why = 'its process died when one of its disks was about to be the volume';
  throw new DiskferryError('takeover-refused', `${job}: the job cannot be taken over: ${why}`, { context: { job } });
}

/**
 * An `unmask` that was killed, and could not say how far it had come. What cannot be read may show. In the same boot a
 * disk has the same name, or the job cannot open it.
 */
async function shownBy({ unmasking, plan }: JobRecord): Promise<JobRecord['unmasking']> {
  if (unmasking === undefined) return undefined;
  const disk = plan[unmasking];
  const { shows, isRead } = await shownAtRest(disk, [...new Set([plan.source.sizeBytes, disk.sizeBytes])]);
  return shows || !isRead ? unmasking : undefined;
}
