/**
 * What a job leaves in its directory for the case that it dies: which disks it moved, durable before it
 * touches them. A directory whose job does not answer any more is a job that died, and until there is a
 * journal nobody can continue it: what was written while it ran is on the destination, mixed with what had
 * been copied. Nobody may start over from the source without being told; a record that cannot be read may be
 * about any disk.
 */
import { readFile, readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { z } from 'zod';
import { DiskferryError, messageOf } from '../base/error.ts';
import { controlSocketName, jobsDirectoryName } from '../contract/control.ts';
import type { DeviceIdentity, Plan, PlannedDisk } from '../contract/plan.ts';
import { plannedDiskSchema } from '../contract/plan.ts';
import { makeNewDirectory, writeNewFile } from '../devices/durable-file.ts';
import { removeAbandoned } from '../engine/ublk-disk.ts';

const recordName = 'job.json';
/** Another one after each start of the machine. */
const bootIdPath = '/proc/sys/kernel/random/boot_id';

const recordSchema = z.object({
  startedMs: z.number(),
  bootId: z.string(),
  source: plannedDiskSchema,
  destination: plannedDiskSchema,
});

type JobRecord = z.infer<typeof recordSchema>;

export interface RecordedJob {
  readonly job: string;
  readonly directory: string;
  readonly record: JobRecord | UnreadableRecord;
}

export interface UnreadableRecord {
  readonly source: null;
  readonly destination: null;
  readonly defect: string;
}

/** The job's own directory, durable. */
export const makeJobDirectory = makeNewDirectory;

/** To be written when the job listens already: a record whose job answers nobody is a dead job's. */
export async function writeJobRecord(directory: string, { source, destination }: Plan): Promise<void> {
  const record: JobRecord = { startedMs: Date.now(), bootId: await readBootId(), source, destination };
  await writeNewFile(join(directory, recordName), `${JSON.stringify(record)}\n`);
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
    const record = await readRecord(join(directory, recordName));
    if (record === null) continue;
    found.push({ job, directory, record, isAlive: await answers(join(directory, controlSocketName)) });
  }
  return found;
}

/** Null when there is none: then nothing had been done yet. */
async function readRecord(path: string): Promise<RecordedJob['record'] | null> {
  try {
    const text = await orNothing(path, () => readFile(path, 'utf8'), null);
    return text === null ? null : recordSchema.parse(JSON.parse(text));
  } catch (error) {
    if (error instanceof DiskferryError) throw error;
    const why = error instanceof z.ZodError ? 'it lacks what a record has' : messageOf(error);
    return { source: null, destination: null, defect: `${path}: cannot be read: ${why}` };
  }
}

/**
 * Throws `earlier-job-died` when a dead job had one of the plan's disks, or may have had. Whoever still waits
 * for a dead job's virtual device gets errors from now on: nobody can serve it any more.
 */
export async function refuseAfterDeath(plan: Plan): Promise<void> {
  if (plan.needsRoot) await removeAbandoned();
  const bootId = await readBootId();
  for (const dead of await findDeadJobs(plan.stateDirectory)) {
    const { device, message } = objectionTo(plan, dead, bootId) ?? {};
    if (device === undefined || message === undefined) continue;
    throw new DiskferryError('earlier-job-died', message, { context: { device, directory: dead.directory } });
  }
}

/** For whoever speaks to a job that hears nobody any more. */
export function deathOf({ job, directory, record }: RecordedJob): DiskferryError {
  const { source, destination } = record;
  const what =
    source === null
      ? `and which disks it moved is not known: ${record.defect}`
      : `while it moved ${source.path} to ${destination.path}; what was written meanwhile is on ${destination.path} only`;
  return new DiskferryError('earlier-job-died', `${job}: the job died ${what}`, { context: { directory } });
}

interface Objection {
  readonly device: string;
  readonly message: string;
}

function objectionTo(plan: Plan, { job, record }: RecordedJob, bootId: string): Objection | undefined {
  const { source, destination } = record;
  if (source === null) {
    const device = plan.source.path;
    return { device, message: `${device}: the job ${job} died and may have moved it; ${record.defect}` };
  }
  const isPlanned = (disk: PlannedDisk): boolean =>
    [plan.source, plan.destination].some((one) => isSameDisk(disk, one, record.bootId === bootId));
  const disk = [source, destination].find(isPlanned);
  if (disk === undefined) return undefined;
  const when = new Date(record.startedMs).toISOString();
  const message =
    `${disk.path}: the job ${job} (started ${when}) died while it moved ${source.path} to ` +
    `${destination.path}; what was written meanwhile is on ${destination.path} only`;
  return { device: disk.path, message };
}

/**
 * Whether a disk of a record is this one. Numbers that the kernel gives hold for one boot only; after it, and
 * after unplugging, a disk is known by what lies in it. In doubt it is the same: a refusal is easily
 * resolved.
 */
export function isSameDisk(recorded: PlannedDisk, now: PlannedDisk, isSameBoot: boolean): boolean {
  const [before, after] = [recorded.identity, now.identity];
  // An image that the job was to make is known by its path only.
  if (before === null || after === null) return recorded.path === now.path;
  if (isSameBoot && isSameAppearance(before, after)) return true;
  if (before.sizeBytes !== after.sizeBytes || (before.inode === null) !== (after.inode === null))
    return false;
  return before.inode === null ? hasSameName(before, after) : !isSameBoot && before.inode === after.inode;
}

function isSameAppearance(one: DeviceIdentity, other: DeviceIdentity): boolean {
  return (['majorMinor', 'inode', 'diskSequence'] as const).every((key) => one[key] === other[key]);
}

/**
 * Serial and WWN decide where both tell one; only otherwise what the disk holds, which a copy holds as well.
 */
function hasSameName(one: DeviceIdentity, other: DeviceIdentity): boolean {
  const hardware = (['serial', 'wwn'] as const).filter((key) => one[key] !== null && other[key] !== null);
  if (hardware.length > 0) return hardware.every((key) => one[key] === other[key]);
  const keys = ['fileSystemUuid', 'partitionTableUuid'] as const;
  return keys.some(
    (key) => typeof one.content?.[key] === 'string' && one.content[key] === other.content?.[key],
  );
}

async function readBootId(): Promise<string> {
  return (await readFile(bootIdPath, 'utf8')).trim();
}

/** Only a missing or deserted socket means that the job is dead: one that is too busy to answer lives. */
async function answers(socketPath: string): Promise<boolean> {
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

async function orNothing<T>(path: string, read: () => Promise<T>, nothing: T): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return nothing;
    throw isRefusedAccess(error) ? notOurs(path, error) : error;
  }
}

export function isRefusedAccess(error: unknown): boolean {
  return ['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '');
}

/** The directory of jobs is for their owner alone. */
export function notOurs(path: string, cause: unknown): DiskferryError {
  return new DiskferryError('not-root', `${path}: only the user who runs the jobs there may look at them`, {
    context: { path },
    cause,
  });
}
