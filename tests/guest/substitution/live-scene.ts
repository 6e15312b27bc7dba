/**
 * Two devices that lie on one source, as LVs do, and a job in this process that moves them live. The command
 * line would refuse them, since no LVM knows them; the job goes by its plan.
 */
import { expect } from 'vitest';
import { mebibyte, sectorBytes } from '../../../app/base/units.ts';
import type { JobEvent } from '../../../app/contract/events.ts';
import type { Plan } from '../../../app/contract/plan.ts';
import { deviceNumberAt } from '../../../app/devices/block-device.ts';
import { runCommand } from '../../../app/devices/command.ts';
import { infoOf, tableOf } from '../../../app/devices/device-mapper.ts';
import type { Segment } from '../../../app/devices/dm-table.ts';
import { gatherFacts } from '../../../app/migration/facts.ts';
import { Job } from '../../../app/migration/job.ts';
import { decidePlan } from '../../../app/migration/plan.ts';
import type { LoopDisk } from '../../system/support/loop-disk.ts';
import { makeLoopDisk } from '../../system/support/loop-disk.ts';
import { makeJobOptions } from '../../system/support/made-job.ts';
import type { Scratch } from '../../system/support/scratch.ts';
import { waitUntil } from '../../system/support/wait.ts';

const sizeBytes = 32 * mebibyte;
export const liveDeviceBytes = sizeBytes / 2;
export const liveNames = ['vg-one', 'vg-two'] as const;
export const liveJob = 'live';

export interface LiveScene {
  readonly source: LoopDisk;
  readonly destination: LoopDisk;
  readonly tables: readonly Segment[][];
  readonly plan: Plan;
}

/** The halves of the source in swapped order, so that no offset is the same on both sides. */
export async function makeLiveScene(scratch: Scratch): Promise<LiveScene> {
  const source = await makeLoopDisk(scratch, 'source', { sizeBytes, content: 'random' });
  const destination = await makeLoopDisk(scratch, 'destination', { sizeBytes });
  const paths = { sourcePath: source.path, destinationPath: destination.path };
  const looks = { looksCloser: true, findsWriters: true, readsAllocation: false };
  const facts = await gatherFacts({ ...paths, stateDirectory: scratch.directory, ...looks });
  const unused = decidePlan(facts, { frontend: 'fuse', mode: 'redirect' });
  const sectors = liveDeviceBytes / sectorBytes;
  for (const [index, name] of liveNames.entries()) {
    const table = `0 ${sectors} linear ${source.path} ${(1 - index) * sectors}`;
    await runCommand('dmsetup', ['create', name, '--table', table], 'dmsetup');
    scratch.onRelease(name, async () => {
      await runCommand('dmsetup', ['remove', name], 'dmsetup');
    });
  }
  const user = { kind: 'lvm' as const, mountPoints: [], needsPassphrase: false };
  const mappedUsers = liveNames.map((name) => ({
    name,
    majorMinor: deviceNumberAt(`/dev/mapper/${name}`),
    ...user,
  }));
  const plan: Plan = { ...unused, way: 'live', usesDeviceMapper: true, mappedUsers };
  return { source, destination, plan, tables: await Promise.all(liveNames.map((name) => tableOf(name))) };
}

export interface LiveJob {
  /** In which the job keeps its state. */
  readonly directory: string;
  readonly job: Job;
  readonly events: JobEvent[];
  readonly end: Promise<string>;
  /** The event has been told, or the job has ended. */
  readonly reached: (event: JobEvent['event']) => Promise<void>;
}

let jobCount = 0;

/** A job that has failed leaves its journal to whoever made its directory, so each has one of its own. */
export async function makeJobDirectory(scratch: Scratch): Promise<string> {
  jobCount += 1;
  return scratch.makeDirectory(`job-${jobCount}`);
}

/** Waits at `synchronized` for the word to cut over. */
export async function startLive(scratch: Scratch, plan: Plan): Promise<LiveJob> {
  const events: JobEvent[] = [];
  const directory = await makeJobDirectory(scratch);
  const made = await makeJobOptions({ job: liveJob, plan, directory });
  scratch.onRelease('the journal', () => made.journal.close());
  const job = new Job({ ...made, emit: (event) => events.push(event) });
  const end = job.run();
  const has = (name: JobEvent['event']): boolean => events.some(({ event }) => event === name);
  const reached = (name: JobEvent['event']): Promise<void> =>
    Promise.race([waitUntil(`the job tells "${name}"`, () => has(name)), end.then(() => undefined)]);
  return { directory, job, events, end, reached };
}

/** And they run. */
export async function expectLiveTables(tables: readonly Segment[][]): Promise<void> {
  expect(await Promise.all(liveNames.map((name) => tableOf(name)))).toEqual(tables);
  for (const name of liveNames)
    expect(await infoOf(name)).toMatchObject({ isSuspended: false, hasInactiveTable: false });
}
