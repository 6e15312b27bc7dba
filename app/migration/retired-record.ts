/**
 * `retired/JOB.json` in the state directory: what stays of a job that has ended on its destination, so that its source
 * can be proved to be what it left behind, and be erased later (retire.ts). Written before the job's own record goes, so
 * that a crash in between has `recover` write it. Only ever replaced whole. The oldest give way when there are many: of
 * their sources nothing is known any more, and nobody erases them.
 */
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { DiskferryError, messageOf } from '../base/error.ts';
import type { Plan, PlannedDisk } from '../contract/plan.ts';
import { plannedDiskSchema } from '../contract/plan.ts';
import { eraseMethodSchema } from '../contract/retire.ts';
import { isAbsent, readDiskFacts } from '../devices/disk-facts.ts';
import { makeNewDirectory, replaceFile } from '../devices/durable-file.ts';
import type { Inventory } from '../devices/inventory.ts';
import { readInventory } from '../devices/inventory.ts';
import { diskPlacesSchema } from './disk-places.ts';
import { readBootId, requireRecord } from './job-record.ts';
import { orNothing } from './refused-access.ts';
import type { VolumeLook } from './retired-volume.ts';
import { lookAtVolume, volumeLookSchema } from './retired-volume.ts';
import { sourceSampleSchema } from './source-sample.ts';

export const retiredDirectoryName = 'retired';
const recordVersion = 1;
const keptMax = 500;
const suffix = '.json';

const erasureSchema = z.object({
  method: eraseMethodSchema,
  startedMs: z.number(),
  /** Of what is erased first (eraser.ts); durable on the disk. */
  doneBytes: z.int().nonnegative(),
  /** All of that is erased, and what tells which disk it is may be. */
  isProofTouched: z.boolean(),
  finishedMs: z.number().nullable(),
});
export type Erasure = z.infer<typeof erasureSchema>;

const retiredRecordSchema = z.object({
  version: z.literal(recordVersion),
  job: z.string(),
  endedMs: z.number(),
  /** Of the boot whose numbers the disks have here. */
  bootId: z.string(),
  plan: z.object({ source: plannedDiskSchema, destination: plannedDiskSchema }),
  places: diskPlacesSchema,
  sourceSample: sourceSampleSchema.nullable(),
  /** What the destination showed at the end; null where that could not be seen. */
  volume: volumeLookSchema.nullable(),
  erasure: erasureSchema.nullable(),
});
export type RetiredRecord = z.infer<typeof retiredRecordSchema>;

export interface EndedJob {
  readonly job: string;
  readonly directory: string;
  /** With both disks as they are named now. */
  readonly plan: Plan;
  /** Those that are not connected have the numbers of an earlier boot. */
  readonly absent: readonly ('source' | 'destination')[];
}

/** Of a job that has ended on its destination and still has its record. Durable when it resolves. */
export async function keepRetired({ job, directory, plan, absent }: EndedJob): Promise<void> {
  const { places, sourceSample } = await requireRecord(directory, job);
  const inventory = await readInventory({ probes: false, votes: false });
  const source = absent.includes('source') ? withoutNumbers(plan.source) : plan.source;
  const destination = asItIs(inventory, plan.destination);
  const volume = await tryToLook(destination.path);
  const record: RetiredRecord = {
    ...{ version: recordVersion, job, endedMs: Date.now(), bootId: await readBootId() },
    plan: {
      // What lay on it is on the destination now, which must not be taken for it.
      source: knownBy(source, null),
      destination: knownBy(destination, volume?.content ?? null),
    },
    ...{ places, sourceSample, volume, erasure: null },
  };
  await writeRetired(plan.stateDirectory, record);
  await forgetOldest(join(plan.stateDirectory, retiredDirectoryName));
}

export async function writeRetired(stateDirectory: string, record: RetiredRecord): Promise<void> {
  const folder = join(stateDirectory, retiredDirectoryName);
  await makeNewDirectory(folder).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  });
  await replaceFile(join(folder, `${record.job}${suffix}`), `${JSON.stringify(record)}\n`);
}

/** The newest first. Throws `not-root` when they are not ours to read, `record-unreadable`. */
export async function readRetired(stateDirectory: string): Promise<RetiredRecord[]> {
  const folder = join(stateDirectory, retiredDirectoryName);
  const names = await orNothing(folder, () => readdir(folder), []);
  const records = await Promise.all(names.filter((name) => name.endsWith(suffix)).map((name) => read(join(folder, name))));
  return records.flatMap((record) => record ?? []).sort((one, other) => other.endedMs - one.endedMs);
}

/** Null where it has just given way. One that cannot be read may be about any disk, and say that it is the volume. */
async function read(path: string): Promise<RetiredRecord | null> {
  const text = await orNothing(path, () => readFile(path, 'utf8'), null);
  if (text === null) return null;
  try {
    return retiredRecordSchema.parse(JSON.parse(text));
  } catch (cause) {
    const why = cause instanceof z.ZodError ? 'it lacks what such a record has' : messageOf(cause);
    const message = `${path}: cannot be read: ${why}`;
    throw new DiskferryError('retired-record-unreadable', message, { context: { path }, cause });
  }
}

/** An image that the job has made is known by its path only until then. */
function asItIs(inventory: Inventory, planned: PlannedDisk): PlannedDisk {
  const facts = readDiskFacts(inventory, planned.path);
  return isAbsent(facts) ? planned : { ...planned, toBeCreated: false, identity: facts.identity };
}

function withoutNumbers(disk: PlannedDisk): PlannedDisk {
  return disk.identity === null ? disk : { ...disk, identity: { ...disk.identity, majorMinor: '', diskSequence: null } };
}

function knownBy(disk: PlannedDisk, content: PlannedDisk['content']): PlannedDisk {
  return disk.identity === null ? disk : { ...disk, identity: { ...disk.identity, content } };
}

async function tryToLook(path: string): Promise<VolumeLook | null> {
  try {
    return await lookAtVolume(path);
  } catch (error) {
    if (error instanceof DiskferryError) return null;
    throw error;
  }
}

async function forgetOldest(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(suffix));
  if (names.length <= keptMax) return;
  const aged = await Promise.all(names.map(async (name) => ({ name, endedMs: await endOf(join(folder, name)) })));
  aged.sort((one, other) => one.endedMs - other.endedMs);
  for (const { name } of aged.slice(0, names.length - keptMax)) await rm(join(folder, name), { force: true });
}

async function endOf(path: string): Promise<number> {
  try {
    return (await read(path))?.endedMs ?? 0;
  } catch {
    return 0;
  }
}
