/**
 * What a job leaves in its directory for the case that it dies: which disks it moved. A directory whose job does not
 * answer any more is a job that died, and until there is a journal nobody can continue it: what was written
 * while it ran is on the destination, mixed with what had been copied. Nobody may start over from the source without
 * being told.
 */
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { z } from 'zod';
import { DiskferryError } from '../base/error.ts';
import { controlSocketName, jobsDirectoryName } from '../contract/control.ts';
import type { DeviceIdentity, Plan } from '../contract/plan.ts';
import { plannedDiskSchema } from '../contract/plan.ts';

const recordName = 'job.json';

const recordSchema = z.object({
  startedMs: z.number(),
  source: plannedDiskSchema,
  destination: plannedDiskSchema,
});

export interface DeadJob extends z.infer<typeof recordSchema> {
  readonly job: string;
  readonly directory: string;
}

export async function writeJobRecord(directory: string, { source, destination }: Plan): Promise<void> {
  const record = { startedMs: Date.now(), source, destination };
  await writeFile(join(directory, recordName), `${JSON.stringify(record)}\n`, { mode: 0o600, flag: 'wx' });
}

/** Jobs that ended without ending. */
export async function findDeadJobs(stateDirectory: string): Promise<DeadJob[]> {
  const found: DeadJob[] = [];
  for (const job of await orNothing(() => readdir(join(stateDirectory, jobsDirectoryName)), [])) {
    const directory = join(stateDirectory, jobsDirectoryName, job);
    const text = await orNothing(() => readFile(join(directory, recordName), 'utf8'), null);
    if (text === null || (await answers(join(directory, controlSocketName)))) continue;
    found.push({ job, directory, ...recordSchema.parse(JSON.parse(text)) });
  }
  return found;
}

/** Throws `earlier-job-died` when a dead job had one of the plan's disks. */
export async function refuseAfterDeath(plan: Plan): Promise<void> {
  for (const dead of await findDeadJobs(plan.stateDirectory)) {
    const disk = [dead.source, dead.destination].find(({ identity }) => isIn(plan, identity));
    if (disk === undefined) continue;
    const when = new Date(dead.startedMs).toISOString();
    const message =
      `${disk.path}: the job ${dead.job} (started ${when}) died while it moved ${dead.source.path} to ` +
      `${dead.destination.path}; what was written meanwhile is on ${dead.destination.path} only`;
    throw new DiskferryError('earlier-job-died', message, { context: { device: disk.path, directory: dead.directory } });
  }
}

function isIn({ source, destination }: Plan, identity: DeviceIdentity | null): boolean {
  return [source.identity, destination.identity].some((one) => isSame(one, identity));
}

/** By what stays the same for as long as the disk is there. */
function isSame(one: DeviceIdentity | null, other: DeviceIdentity | null): boolean {
  if (one === null || other === null) return false;
  const keys = ['majorMinor', 'inode', 'diskSequence', 'serial', 'wwn'] as const;
  return keys.every((key) => one[key] === other[key]);
}

async function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

async function orNothing<T>(read: () => Promise<T>, nothing: T): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return nothing;
    throw error;
  }
}
