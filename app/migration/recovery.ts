/**
 * What must be before a dead job can go on: its record can be read, it runs nowhere, both disks are found
 * whatever they are called now, its journal is whole, and what it has left in the kernel is gone. Nothing is
 * written to any disk here; each refusal is one line.
 */
import { DiskferryError } from '../base/error.ts';
import type { Plan } from '../contract/plan.ts';
import { readInventory } from '../devices/inventory.ts';
import type { Inventory } from '../devices/inventory.ts';
import { jobPhases } from '../journal/job-phase.ts';
import type { JobPhase } from '../journal/job-phase.ts';
import type { JobJournal } from './job-journal.ts';
import type { JobRecord } from './job-record.ts';
import { mayHaveBeenUsed, readBootId, requireRecord } from './job-record.ts';
import { openJournal } from './read-journal.ts';
import { findRecorded } from './recorded-disk.ts';
import { clearRemains } from './remains.ts';
import { isAlive } from './recorded-jobs.ts';

/** What is to be done, by what the journal says. */
export type Continuation =
  /** The virtual device comes back and copying goes on. */
  | 'go-on'
  /** The virtual device comes back for a moment, and what was written goes back to the source. */
  | 'go-back'
  /** The destination is the truth: all that is left is to use it. */
  | 'finish-on-destination'
  | 'finish-on-source';

export interface RecoverableJob {
  readonly directory: string;
  readonly record: JobRecord;
  /** With both disks as they are named now. */
  readonly plan: Plan;
  readonly journal: JobJournal;
  readonly continuation: Continuation;
}

export interface RecoverRequest {
  readonly job: string;
  readonly directory: string;
  /** Asked for by the person. */
  readonly goesBack: boolean;
}

const continuations: Readonly<Record<JobPhase, Continuation>> = {
  [jobPhases.copying]: 'go-on',
  [jobPhases.undoing]: 'go-back',
  [jobPhases.committing]: 'finish-on-destination',
  [jobPhases.committed]: 'finish-on-destination',
  [jobPhases.undone]: 'finish-on-source',
};

export interface FoundState {
  readonly job: string;
  readonly phase: JobPhase;
  readonly goesBack: boolean;
  readonly mayHaveBeenUsed: boolean;
}

/** Throws `job-state` when an undo is asked for and it is too late. */
export function decideContinuation({ job, phase, goesBack, mayHaveBeenUsed: wasUsed }: FoundState): Continuation {
  const byItself = continuations[phase];
  if (!goesBack) return byItself;
  if (byItself === 'finish-on-destination')
    throw new DiskferryError('job-state', `${job}: cannot undo: the destination has taken the source's place`);
  if (byItself !== 'go-on') return byItself;
  // Nothing is to go back, so the destination, which may have been used since, is not even opened.
  return wasUsed ? 'go-back' : 'finish-on-source';
}

export async function prepareRecovery({ job, directory, goesBack }: RecoverRequest): Promise<RecoverableJob> {
  const record = await requireRecord(directory, job);
  if (await isAlive(directory)) throw new DiskferryError('job-state', `${job}: cannot recover: the job runs`);
  const inventory = await readInventory({ probes: true, votes: false });
  const plan = await findDisks(inventory, record);
  const journal = await openJournal(directory, record);
  try {
    const { hasCrossed, setting } = journal;
    const found = { job, phase: setting.phase, goesBack, mayHaveBeenUsed: mayHaveBeenUsed(record, hasCrossed) };
    const continuation = decideContinuation(found);
    await clearRemains(inventory, { directory, record });
    return { directory, record, plan, journal, continuation };
  } catch (error) {
    await journal.close();
    throw error;
  }
}

async function findDisks(inventory: Inventory, record: JobRecord): Promise<Plan> {
  const bootId = await readBootId();
  const source = await findRecorded(inventory, { record, role: 'source', bootId });
  const destination = await findRecorded(inventory, { record, role: 'destination', bootId });
  return { ...record.plan, source, destination };
}
