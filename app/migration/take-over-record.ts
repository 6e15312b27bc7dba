/**
 * What a successor goes on with: the record and the journal of a job whose process was killed, locked. Nobody has gone
 * on with the job, and no disk of it has been shown, between that and this: `unmask` locks the journal too, and says in
 * the record what it does. The guard of a successor asks no disk, because users wait, so it is done here.
 */
import { afterFailure } from '../base/error.ts';
import { shownAtRest } from '../devices/disk-at-rest.ts';
import { jobPhases } from '../journal/job-phase.ts';
import type { JobJournal } from './job-journal.ts';
import type { JobRecord } from './job-record.ts';
import { requireRecord } from './job-record.ts';
import { takeOverJournal } from './read-journal.ts';
import { requireUnused } from './recovery.ts';

/** Throws `disk-unmasked`, and what takeOverJournal throws. */
export async function takeOverRecord(
  directory: string,
  job: string,
): Promise<{ readonly record: JobRecord; readonly journal: JobJournal }> {
  const journal = await takeOverJournal(directory, await requireRecord(directory, job));
  try {
    const record = await requireRecord(directory, job);
    const unmasked = record.unmasked ?? (await shownBy(record));
    requireUnused({ ...record, unmasked }, { continuation: 'go-on', phase: jobPhases.copying });
    return { record, journal };
  } catch (error) {
    throw await afterFailure(error, () => journal.close());
  }
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
