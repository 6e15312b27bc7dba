/**
 * The jobs that have a record in the state directory: those that run, and those that died. What a dead one
 * wrote while it ran is on the destination, mixed with what had been copied, so nobody may start over from
 * the source without being told; a record that cannot be read may be about any disk.
 */
import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { DiskferryError } from '../base/error.ts';
import { controlSocketName, jobsDirectoryName } from '../contract/control.ts';
import type { StatusLine } from '../contract/control.ts';
import type { Plan, PlannedDisk } from '../contract/plan.ts';
import { hiddenOn } from '../devices/disk-at-rest.ts';
import type { LockHolder } from '../devices/lock-holder.ts';
import { LiveFiles } from '../engine/live-files.ts';
import { removeAbandoned } from '../engine/ublk-disk.ts';
import type { JobRecord, UnreadableRecord } from './job-record.ts';
import { readBootId, readJobRecord } from './job-record.ts';
import { isRefusedAccess, notOurs, orNothing } from './refused-access.ts';
import { isSameDisk } from './same-disk.ts';

export interface RecordedJob {
  readonly job: string;
  readonly directory: string;
  readonly record: JobRecord | UnreadableRecord;
}

/**
 * Jobs that have a directory; some may have ended without cleaning up. Throws `not-root` when it is not ours
 * to read.
 */
export async function listJobs(stateDirectory: string): Promise<string[]> {
  const path = join(stateDirectory, jobsDirectoryName);
  return orNothing(path, () => readdir(path), []);
}

/** Jobs that ended without ending. */
export async function findDeadJobs(stateDirectory: string): Promise<RecordedJob[]> {
  return (await findJobs(stateDirectory)).filter(({ isAlive }) => !isAlive);
}

/** Jobs that run, with the disks that they move. */
export async function findLivingJobs(stateDirectory: string): Promise<RecordedJob[]> {
  return (await findJobs(stateDirectory)).filter(({ isAlive }) => isAlive);
}

async function findJobs(stateDirectory: string): Promise<(RecordedJob & { readonly isAlive: boolean })[]> {
  const found = [];
  for (const job of await listJobs(stateDirectory)) {
    const directory = join(stateDirectory, jobsDirectoryName, job);
    const record = await readJobRecord(directory);
    if (record === null) continue;
    found.push({ job, directory, record, isAlive: await isAlive(directory) });
  }
  return found;
}

/**
 * Throws `earlier-job-died` when a dead job had one of the plan's disks, or may have had. Whoever still waits
 * for a dead job's virtual device gets errors from now on: nobody can serve it any more.
 */
export async function refuseAfterDeath(plan: Plan): Promise<void> {
  if (plan.needsRoot) await removeAbandoned();
  const bootId = await readBootId();
  const allDead = await findDeadJobs(plan.stateDirectory);
  for (const dead of allDead) refuseFor(dead, objectionTo(plan, dead, bootId));
  for (const dead of allDead) refuseFor(dead, await objectionToHidden(plan.destination, dead));
}

function refuseFor({ job, directory }: RecordedJob, objection: Objection | undefined): void {
  if (objection === undefined) return;
  const { device, message } = objection;
  throw new DiskferryError('earlier-job-died', message, { context: { device, job, directory } });
}

/** For whoever speaks to a job that hears nobody any more. */
export function deathOf({ job, directory, record }: RecordedJob): DiskferryError {
  const what =
    'defect' in record
      ? `and which disks it moved is not known: ${record.defect}`
      : whatDied(record.plan);
  return new DiskferryError('earlier-job-died', `${job}: the job died ${what}`, { context: { job, directory } });
}

/** The line that is shown of a job that says nothing itself. */
export function recordLine(
  { job, record }: RecordedJob,
  state: 'died' | 'not-answering',
  timeMs: number,
): StatusLine {
  const plan = 'defect' in record ? undefined : record.plan;
  const [source, destination] = [plan?.source.path ?? null, plan?.destination.path ?? null];
  return {
    ...{ event: 'status', timeMs, job, processId: null, state, source, destination },
    ...{ device: null, speed: null, progress: null, cutOver: [], decision: null },
  };
}

function whatDied({ source, destination }: Plan): string {
  return (
    `while it moved ${source.path} to ${destination.path}; ` +
    `what was written meanwhile is on ${destination.path} only`
  );
}

interface Objection {
  readonly device: string;
  readonly message: string;
}

function objectionTo(plan: Plan, { job, record }: RecordedJob, bootId: string): Objection | undefined {
  if ('defect' in record) {
    const device = plan.source.path;
    return { device, message: `${device}: the job ${job} died and may have moved it; ${record.defect}` };
  }
  const { source, destination } = record.plan;
  const isPlanned = (disk: PlannedDisk): boolean =>
    [plan.source, plan.destination].some((one) => isSameDisk(disk, one, record.bootId === bootId));
  const disk = [source, destination].find(isPlanned);
  if (disk === undefined) return undefined;
  const when = new Date(record.startedMs).toISOString();
  const message = `${disk.path}: the job ${job} (started ${when}) died ${whatDied(record.plan)}`;
  return { device: disk.path, message };
}

/** A disk that is known by nothing but what lies in it is not known again while that is hidden. */
async function objectionToHidden(disk: PlannedDisk, { job }: RecordedJob): Promise<Objection | undefined> {
  if (disk.toBeCreated) return undefined;
  const hidden = await hiddenOn(disk, [disk.sizeBytes]);
  if (hidden.length === 0) return undefined;
  const device = disk.path;
  const what = `what is on it (${hidden.join(', ')}) is hidden`;
  return { device, message: `${device}: ${what}, and the job ${job} died: it may be one of its disks` };
}

/** Also by a process that takes over and does not listen yet, because it waits for a disk. */
export function isServed(job: string): boolean {
  return LiveFiles.isHeld(job);
}

/** Who serves it, where that can be known; undefined when nobody does. */
export function serverOf(job: string): LockHolder | undefined {
  return LiveFiles.holder(job);
}

/** Only a missing or deserted socket means that the job is dead: one that is too busy to answer lives. */
export async function isAlive(directory: string): Promise<boolean> {
  const socketPath = join(directory, controlSocketName);
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (isRefusedAccess(error)) reject(notOurs(socketPath, error));
      else resolve(!['ENOENT', 'ECONNREFUSED'].includes(error.code ?? ''));
    });
  });
}
