/** A job by its plan, with the record and the journal that the command line makes for it, in a directory that is there. */
import { join } from 'node:path';
import type { Plan } from '../../../app/contract/plan.ts';
import type { JobOptions } from '../../../app/migration/job-options.ts';
import { JobJournal } from '../../../app/migration/job-journal.ts';
import { newJobRecord, writeJobRecord } from '../../../app/migration/job-record.ts';

export interface MadeJobOptions {
  readonly job: string;
  readonly plan: Plan;
  readonly directory: string;
}

/** Waits at `synchronized`. The journal stays open until the process ends. */
export async function makeJobOptions({
  job,
  plan,
  directory,
}: MadeJobOptions): Promise<Omit<JobOptions, 'emit'>> {
  const socketPath = join(directory, 'socket');
  const users = { units: [] };
  const record = await newJobRecord({ job, plan, socketPath, speed: 'balanced', hold: true, users });
  await writeJobRecord(directory, record);
  return { record, directory, journal: await JobJournal.create(directory, record) };
}
