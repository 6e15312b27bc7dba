/**
 * What must be before a dead job can go on: its record can be read, it runs nowhere, its journal is whole, the
 * disks that it still needs are found whatever they are called now, and what it has left in the kernel is gone.
 * Nothing is written to any disk here; each refusal is one line.
 *
 * What is left to do is judged before any disk of the job is looked for: where one disk is the truth already, the other may
 * be broken, or gone for good, and must not keep its users from theirs.
 */
import { afterFailure, DiskferryError } from '../base/error.ts';
import type { DataPlace } from '../contract/advice.ts';
import type { Plan, PlannedDisk } from '../contract/plan.ts';
import { isCurrent, readInventory } from '../devices/inventory.ts';
import type { Inventory } from '../devices/inventory.ts';
import { jobPhases } from '../journal/job-phase.ts';
import type { JobPhase } from '../journal/job-phase.ts';
import type { JobJournal } from './job-journal.ts';
import type { JobRecord } from './job-record.ts';
import { mayHaveBeenUsed, readBootId, requireRecord } from './job-record.ts';
import { jobHeld, openJournal } from './read-journal.ts';
import { findRecorded } from './recorded-disk.ts';
import { clearRemains, endWaits } from './remains.ts';
import { isAlive, serverOf } from './recorded-jobs.ts';

/** What is to be done, by what the journal says. */
export type Continuation =
  /** The virtual device comes back and copying goes on. */
  | 'go-on'
  /** The virtual device comes back for a moment, and what was written goes back to the source. */
  | 'go-back'
  /** The destination is the truth: all that is left is to use it. */
  | 'finish-on-destination'
  | 'finish-on-source';

const needed: Readonly<Record<Continuation, readonly Role[]>> = {
  'go-on': ['source', 'destination'],
  'go-back': ['source', 'destination'],
  'finish-on-destination': ['destination'],
  'finish-on-source': ['source'],
};

export interface JudgedJob {
  readonly job: string;
  readonly directory: string;
  readonly record: JobRecord;
  /** Open. */
  readonly journal: JobJournal;
  /** As it is since nobody else can have the job. */
  readonly inventory: Inventory;
  readonly continuation: Continuation;
  readonly phase: JobPhase;
  readonly mayHaveBeenUsed: boolean;
}

export interface FoundDisks {
  /** With the disks as they are named now; those that are absent as they were recorded. */
  readonly plan: Plan;
  /** Not found, and not needed any more. Another disk may have its name now. */
  readonly absent: readonly Role[];
}

export interface RecoverableJob extends Omit<JudgedJob, 'job' | 'inventory' | 'phase' | 'mayHaveBeenUsed'>, FoundDisks {}

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

type Role = 'source' | 'destination';

export interface FoundState {
  readonly job: string;
  readonly phase: JobPhase;
  readonly goesBack: boolean;
  readonly mayHaveBeenUsed: boolean;
  /** By `diskferry unmask`. */
  readonly unmasked?: Role | undefined;
}

/** Throws `job-state` when an undo is asked for and it is too late. */
export function decideContinuation({ job, phase, goesBack, mayHaveBeenUsed: wasUsed, unmasked }: FoundState): Continuation {
  // Who has unmasked a disk of a job that died in its start has given the job up: it must not begin again by itself.
  if (phase === jobPhases.copying && !wasUsed && unmasked !== undefined) return 'finish-on-source';
  return goesBack ? goBackFrom(phase, { job, wasUsed }) : continuations[phase];
}

function goBackFrom(phase: JobPhase, { job, wasUsed }: { readonly job: string; readonly wasUsed: boolean }): Continuation {
  switch (phase) {
    case jobPhases.copying:
      // Nothing is to go back, so the destination, which may have been used since, is not even opened.
      return wasUsed ? 'go-back' : 'finish-on-source';
    case jobPhases.committing:
      // Everything has crossed, and all of it goes back: also what was written since, if the destination shows already.
      // Without this, one that can be read but not be shown would lead nowhere.
      return 'go-back';
    case jobPhases.committed:
      throw new DiskferryError('job-state', `${job}: cannot undo: the destination has taken the source's place`);
    case jobPhases.undoing:
    case jobPhases.undone:
      return continuations[phase];
  }
}

/** So often are the devices looked at while a successor could still have the job. */
const freeLooksMax = 3;

/**
 * Opens its journal, which the caller closes. Throws `job-held`, and what keeps anybody from knowing what is left to do.
 *
 * The devices are looked at before, because that may wait for the virtual device: nobody serves it until the successor,
 * which would wait for us, has the journal. What has changed by the time that we have it is looked at again.
 */
export async function judgeDeadJob(request: RecoverRequest): Promise<JudgedJob> {
  for (let look = 1; ; look += 1) {
    const seen = await requireDead(request);
    const inventory = await readInventory({ probes: true, votes: false });
    await requireDead(request);
    const judged = await judgeAlone(request, inventory);
    if (JSON.stringify(judged.record) === JSON.stringify(seen) && isCurrent(inventory)) return judged;
    if (look === freeLooksMax) return { ...judged, inventory: await readWhileOpen(judged.journal) };
    await judged.journal.close();
  }
}

async function requireDead({ job, directory }: RecoverRequest): Promise<JobRecord> {
  const record = await requireRecord(directory, job);
  if (await isAlive(directory)) throw new DiskferryError('job-state', `${job}: cannot recover: the job runs`);
  // A successor needs the journal and does not listen yet: without it, its users would get errors.
  const server = serverOf(job);
  if (server !== undefined) throw jobHeld(job, server);
  return record;
}

async function judgeAlone({ job, directory, goesBack }: RecoverRequest, inventory: Inventory): Promise<JudgedJob> {
  const journal = await openJournal(directory, await requireRecord(directory, job));
  try {
    // `unmask` may have had the job until then (read-journal.ts, lockDeadJob).
    const record = await requireRecord(directory, job);
    const { hasCrossed, setting } = journal;
    const [{ phase }, { unmasked }] = [setting, record];
    const state = { job, phase, goesBack, mayHaveBeenUsed: mayHaveBeenUsed(record, hasCrossed), unmasked };
    return { ...state, directory, record, journal, inventory, continuation: decideContinuation(state) };
  } catch (error) {
    throw await afterFailure(error, () => journal.close());
  }
}

async function readWhileOpen(journal: JobJournal): Promise<Inventory> {
  try {
    return await readInventory({ probes: true, votes: false });
  } catch (error) {
    throw await afterFailure(error, () => journal.close());
  }
}

/** For who is told that it cannot go on. Undefined: as with every such refusal. */
export function whereDataIs({ phase, mayHaveBeenUsed: wasUsed }: Pick<JudgedJob, 'phase' | 'mayHaveBeenUsed'>): DataPlace | undefined {
  switch (phase) {
    case jobPhases.committing:
    case jobPhases.committed:
      return 'destination';
    case jobPhases.undone:
      return 'source';
    case jobPhases.copying:
    case jobPhases.undoing:
      return wasUsed ? undefined : 'source';
  }
}

/** Throws `disk-unmasked` when the job would go on with a disk that somebody may have used since. */
export function requireUnused(
  { plan, unmasked }: Pick<JobRecord, 'plan' | 'unmasked'>,
  { continuation, phase }: Pick<JudgedJob, 'continuation' | 'phase'>,
): void {
  if (unmasked === undefined || (continuation !== 'go-on' && continuation !== 'go-back')) return;
  // All of it goes back.
  if (phase === jobPhases.committing && unmasked === 'destination') return;
  const [device, source] = [plan[unmasked].path, plan.source.path];
  const message = `${device}: "diskferry unmask" has made it recognisable since the job died, so it may have been used`;
  throw new DiskferryError('disk-unmasked', message, { context: { device, source } });
}

export async function prepareRecovery(judged: JudgedJob): Promise<RecoverableJob> {
  const { directory, record, journal, inventory, continuation } = judged;
  await endWaits(record);
  const disks = await findDisks(inventory, judged, await readBootId());
  await clearRemains(inventory, { directory, record });
  // Only then: whoever is refused has to remove the job's directory.
  requireUnused(record, judged);
  return { directory, record, journal, continuation, ...disks };
}

/** Throws `disk-not-found` for one that is needed. */
export async function findDisks(
  inventory: Inventory,
  { job, record, continuation, mayHaveBeenUsed: wasUsed }: Pick<JudgedJob, 'job' | 'record' | 'continuation' | 'mayHaveBeenUsed'>,
  bootId: string,
): Promise<FoundDisks> {
  const absent: Role[] = [];
  const find = async (role: Role): Promise<PlannedDisk> => {
    try {
      return await findRecorded(inventory, { record, role, bootId });
    } catch (error) {
      if (!(error instanceof DiskferryError) || error.code !== 'disk-not-found') throw error;
      if (needed[continuation].includes(role)) throw wasUsed ? error : notNeededToGoBack(error, job);
      absent.push(role);
      return record.plan[role];
    }
  };
  const [source, destination] = [await find('source'), await find('destination')];
  return { plan: { ...record.plan, source, destination }, absent };
}

function notNeededToGoBack(cause: DiskferryError, job: string): DiskferryError {
  const { code, message, context } = cause;
  if (context['role'] !== 'destination') return cause;
  const way = `nothing had been moved yet, and "diskferry recover --undo ${job}" ends the job without this disk`;
  return new DiskferryError(code, `${message}; ${way}`, { context, cause });
}

/**
 * Of a commit whose destination cannot be made recognisable: everything can still go back, to a source that is there and
 * that nobody has used since. After the commit it cannot.
 */
export function withWayBack(
  error: unknown,
  phase: JobPhase,
  { record: { job, unmasked }, absent }: Pick<RecoverableJob, 'absent'> & { readonly record: Pick<JobRecord, 'job' | 'unmasked'> },
): unknown {
  const isStuck = phase === jobPhases.committing && error instanceof DiskferryError && error.code === 'mask-failed';
  if (!isStuck || absent.includes('source') || unmasked === 'source') return error;
  const way = `if it stays so, "diskferry recover --undo ${job}" brings everything back to the source`;
  return new DiskferryError(error.code, `${error.message}; ${way}`, { context: error.context, cause: error });
}
