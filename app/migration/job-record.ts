/**
 * `job.json`, what a job leaves in its directory for the case that it dies: all from which another process can
 * continue it together with its journal. Durable before the job touches a disk. The file is only ever
 * replaced whole.
 */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { DiskferryError, messageOf } from '../base/error.ts';
import { unreadableSchema } from '../contract/events.ts';
import type { Plan, Speed } from '../contract/plan.ts';
import { planSchema, speedSchema } from '../contract/plan.ts';
import { makeNewDirectory, replaceFile, writeNewFile } from '../devices/durable-file.ts';
import { readInventory } from '../devices/inventory.ts';
import type { UsersToStop } from '../substitution/users.ts';
import { diskPlacesSchema, placesOf } from './disk-places.ts';
import { sourceSampleSchema } from './source-sample.ts';
import { orNothing } from './refused-access.ts';

const recordName = 'job.json';
/** Grows with each change that an older program would misunderstand. 2: both disks are hidden. */
const recordVersion = 2;
const identityBytes = 16;
/** Another one after each start of the machine. */
const bootIdPath = '/proc/sys/kernel/random/boot_id';

export const jobRecordSchema = z.object({
  version: z.literal(recordVersion),
  /** What people call it. */
  job: z.string(),
  /** What its journal knows it by, in hexadecimal digits. */
  identity: z.string().regex(/^[0-9a-f]{32}$/),
  startedMs: z.number(),
  /** Of the boot in which the disks of the plan have the names and numbers that it tells. */
  bootId: z.string(),
  /** Of the boot in which it ran last, when it has been gone on with in another one. */
  lastBootId: z.string().optional(),
  plan: planSchema,
  speed: speedSchema,
  /** Wait at `synchronized` until told to cut over. */
  hold: z.boolean(),
  /** What is stopped and started around an unmount. */
  users: z.object({
    units: z.array(z.string()),
    stopCommand: z.string().optional(),
    startCommand: z.string().optional(),
  }),
  /** Where the nbd-socket frontend listens. */
  socketPath: z.string(),
  places: diskPlacesSchema,
  /** Null until nobody uses the source any more. */
  sourceSample: sourceSampleSchema.nullable(),
  /** What a person has accepted as unreadable, by the disk that could not deliver it. */
  accepted: z.object({ source: unreadableSchema, destination: unreadableSchema }).optional(),
  /** After a commit that failed: the job could not hide the destination again. */
  mayDestinationShow: z.boolean().optional(),
  /** When the job had died, by a person: he may have used it since. */
  unmasked: z.enum(['source', 'destination']).optional(),
  /** The same, said before it is done: the disk shows, or `unmask` was broken off before that. Whoever goes on looks. */
  unmasking: z.enum(['source', 'destination']).optional(),
});
export type AcceptedUnreadable = NonNullable<JobRecord['accepted']>;
export type JobRecord = z.infer<typeof jobRecordSchema>;
export type KnownSince = Partial<
  Pick<JobRecord, 'sourceSample' | 'accepted' | 'mayDestinationShow' | 'unmasked' | 'unmasking' | 'lastBootId'>
>;

/** What a person has asked for. */
export interface JobRequest {
  readonly job: string;
  readonly plan: Plan;
  readonly speed: Speed;
  readonly hold: boolean;
  readonly users: UsersToStop;
  readonly socketPath: string;
}

export interface UnreadableRecord {
  readonly defect: string;
}

export async function newJobRecord({ users, ...request }: JobRequest): Promise<JobRecord> {
  const inventory = await readInventory({ probes: false, votes: false });
  return {
    version: recordVersion,
    identity: randomBytes(identityBytes).toString('hex'),
    startedMs: Date.now(),
    bootId: await readBootId(),
    ...request,
    users: { ...users, units: [...users.units] },
    places: placesOf(inventory, request.plan),
    sourceSample: null,
  };
}

/** The job's own directory, durable. */
export const makeJobDirectory = makeNewDirectory;

/** To be written when the job listens already: a record whose job answers nobody is a dead job's. */
export async function writeJobRecord(directory: string, record: JobRecord): Promise<void> {
  await writeNewFile(join(directory, recordName), textOf(record));
}

/**
 * What has become known of the same job since, into what the record says by then. Throws
 * `state-directory-unusable`, `record-unreadable`.
 */
export async function keepInRecord(directory: string, job: string, known: KnownSince): Promise<void> {
  const record = { ...(await requireRecord(directory, job)), ...known };
  try {
    await replaceFile(join(directory, recordName), textOf(record));
  } catch (cause) {
    const message = `${directory}: the job cannot keep its state there: ${messageOf(cause)}`;
    throw new DiskferryError('state-directory-unusable', message, { context: { directory }, cause });
  }
}

/** Null when there is none: then nothing had been done yet. */
export async function readJobRecord(directory: string): Promise<JobRecord | UnreadableRecord | null> {
  const path = join(directory, recordName);
  try {
    const text = await orNothing(path, () => readFile(path, 'utf8'), null);
    return text === null ? null : parseRecord(path, JSON.parse(text));
  } catch (error) {
    if (error instanceof DiskferryError) throw error;
    const why = error instanceof z.ZodError ? 'it lacks what a record has' : messageOf(error);
    return { defect: `${path}: cannot be read: ${why}` };
  }
}

/** Of a job that is known to have one. Throws `record-unreadable`, `job-missing`. */
export async function requireRecord(directory: string, job: string): Promise<JobRecord> {
  const record = await readJobRecord(directory);
  if (record === null) throw new DiskferryError('job-missing', `${job}: there is no such job`);
  if ('defect' in record)
    throw new DiskferryError('record-unreadable', record.defect, { context: { directory } });
  return record;
}

/**
 * Whether anything that has to last may be on the virtual device of a dead job alone. The sample is taken before
 * anybody can use it, unless users are moved live; and what they have flushed there has crossed. Otherwise the job
 * died in its start, and its source, whether hidden or not, is the volume.
 */
export function mayHaveBeenUsed({ sourceSample }: JobRecord, hasCrossed: boolean): boolean {
  return sourceSample !== null || hasCrossed;
}

export async function readBootId(): Promise<string> {
  return (await readFile(bootIdPath, 'utf8')).trim();
}

function parseRecord(path: string, found: unknown): JobRecord | UnreadableRecord {
  const { data } = z.object({ version: z.number() }).safeParse(found);
  if (data !== undefined && data.version !== recordVersion) {
    const which = data.version > recordVersion ? 'a newer' : 'an older';
    return { defect: `${path}: was written by ${which} version of Diskferry, which alone can end the job` };
  }
  return jobRecordSchema.parse(found);
}

function textOf(record: JobRecord): string {
  return `${JSON.stringify(record)}\n`;
}
