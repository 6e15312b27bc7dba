/**
 * Every device-mapper ioctl of a job fails once, one after the other: from the start until it is cut over or
 * undone. No list of steps is needed: the next one fails until a job gets to its end without meeting the
 * fault. Where the same steps are gone through for each of several devices, every second one fails: each step does
 * so with one device or another. Of those of a start a part fails each time, another one each time, because each takes
 * a job of seconds; all of them by DISKFERRY_SOAK=1.
 *
 * Whatever fails, nobody waits for ever: every device runs, on a table that it had or was to have; a start
 * that fails leaves everything as it was, and what comes later is tried again and succeeds.
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { present } from '../../../app/base/error.ts';
import { sectorBytes } from '../../../app/base/units.ts';
import type { Plan } from '../../../app/contract/plan.ts';
import { deviceNumberAt } from '../../../app/devices/block-device.ts';
import { ownDevices, removeMapped } from '../../../app/devices/device-mapper.ts';
import { movedTo } from '../../../app/devices/dm-table.ts';
import { gatherFacts } from '../../../app/migration/facts.ts';
import { decidePlan } from '../../../app/migration/plan.ts';
import { checkFileSystem, findMount, unmount } from '../../system/support/file-system.ts';
import type { LoopDisk } from '../../system/support/loop-disk.ts';
import { readPart } from '../../system/support/loop-disk.ts';
import type { MountedVolume } from '../../system/support/mounted-volume.ts';
import { makeMountedVolume } from '../../system/support/mounted-volume.ts';
import { useScratch } from '../../system/support/scratch.ts';
import { SectorWriter } from '../../system/support/sector-writer.ts';
import { usuallyOrInSoak } from '../../system/support/soak.ts';
import { waitUntil } from '../../system/support/wait.ts';
import { DeviceMapperFault } from './device-mapper-fault.ts';
import { JobProcess } from './job-process.ts';
import type { LiveScene } from './live-scene.ts';
import {
  expectLiveTables,
  liveDeviceBytes,
  liveJob,
  liveNames,
  makeJobDirectory,
  makeLiveScene,
} from './live-scene.ts';
import { expectNoDevicesLeft } from '../own-devices.ts';

const scratch = useScratch();
/** A job for each ioctl of its start, each of seconds on an emulated machine. */
const timeout = 900_000;
/** Each such one of those that are gone through fails. */
const startStride = usuallyOrInSoak(2, 1);
/** After the commit a step is tried again later than this. */
const settleMs = 300;
/** Before it, what a failed step takes back is taken back by then. */
const takeBackMsMax = 60_000;

let fault: DeviceMapperFault;
let jobs: JobProcess;

beforeEach(async () => {
  fault = await DeviceMapperFault.make(scratch());
  jobs = JobProcess.start(scratch(), fault.environment);
});

expectNoDevicesLeft(scratch);

function isNobodyHeld(): boolean {
  const devices = readdirSync('/sys/block').filter((name) => name.startsWith('dm-'));
  const states = devices.map((name) => readFileSync(join('/sys/block', name, 'dm/suspended'), 'utf8').trim());
  return states.every((state) => state === '0');
}

async function startJob(plan: Plan): Promise<void> {
  jobs.startJob({ plan, directory: await makeJobDirectory(scratch()), name: liveJob });
}

interface Start {
  readonly plan: Plan;
  /** The ioctl that fails first. */
  readonly first: number;
  /** From one that fails to the next. */
  readonly stride: number;
  readonly expectAsBefore: () => Promise<void>;
}

/** Until a job has met no fault when the source's users are on its device. */
async function startWithEachFault({ plan, first, stride, expectAsBefore }: Start): Promise<void> {
  const failed: string[] = [];
  const passed = Date.now() % startStride;
  for (;;) {
    fault.arm(first + stride * (passed + startStride * failed.length));
    await startJob(plan);
    await jobs.reached('attached');
    const { hit } = fault;
    fault.disarm();
    // What comes after the start may have met it already.
    if (jobs.end === undefined) break;
    expect(jobs.end).toMatchObject({ outcome: 'failed', message: expect.stringMatching(/^\/dev\/.*EIO/) as string });
    failed.push(present(hit, 'the ioctl that has failed'));
    expect(jobs.end).not.toMatchObject({ dataIs: 'both' });
    expect(isNobodyHeld()).toBe(true);
    await expectAsBefore();
    expect(await ownDevices()).toEqual([]);
  }
  console.log(`at the start failed every ${startStride}th, from ${passed + 1} on: ${failed.join(' ')}`);
}

/**
 * Until everything that has crossed is reached directly: what fails is tried again a moment later, and nobody
 * is asked.
 */
async function graduateWithEachFault(expectServed: () => Promise<void>): Promise<string[]> {
  const failed: string[] = [];
  let number = 1;
  fault.arm(number);
  await jobs.reached('synchronized');
  for (;;) {
    await waitUntil(
      'it meets the fault or has graduated',
      () => fault.hit !== undefined || jobs.count('graduated') > 0,
    );
    const { hit } = fault;
    fault.disarm();
    if (hit === undefined) break;
    failed.push(hit);
    await sleep(settleMs);
    await waitUntil('nobody is held back', isNobodyHeld);
    await expectServed();
    // What has its new table already is left out at the next try.
    number = failed.at(-2) === 'resume' ? 1 : number + 1;
    fault.arm(number);
  }
  console.log(`while graduating failed: ${failed.join(' ')}`);
  expect(jobs.count('decision')).toBe(0);
  return failed;
}

/** Where a person has to decide, "again" is said. */
async function endWithEachFault(
  order: 'cutOver' | 'undo',
  expectServed: () => Promise<void>,
): Promise<string[]> {
  const failed: string[] = [];
  let number = 1;
  let decided = 0;
  const isAsked = (): boolean => jobs.count('decision') > decided;
  await jobs.reached('graduated');
  fault.arm(number);
  jobs.order({ kind: order });
  for (;;) {
    await waitUntil(
      'it meets the fault, asks or ends',
      () => fault.hit !== undefined || isAsked() || jobs.end !== undefined,
    );
    const { hit } = fault;
    if (hit !== undefined) failed.push(hit);
    if (jobs.end !== undefined) break;
    if (hit !== undefined) {
      await settled(isAsked);
      // The device has its new table, so the next try leaves all of that out.
      number = failed.at(-2) === 'resume' ? 1 : number + 1;
      fault.arm(number);
      await waitUntil('nobody is held back', isNobodyHeld);
      await expectServed();
    }
    if (isAsked()) {
      decided = jobs.count('decision');
      jobs.order({ kind: 'resume' });
    }
  }
  console.log(`at ${order} failed: ${failed.join(' ')}`);
  await removeWhatIsNamed();
  return failed;
}

/**
 * A job that can go back asks when it has taken back the failed step, or has ended; one that has committed
 * does neither.
 */
async function settled(isAsked: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + takeBackMsMax;
  while (!isAsked() && jobs.end === undefined && performance.now() < deadlineMs) {
    if (jobs.count('committed') > 0) return sleep(settleMs);
    await sleep(settleMs / 10);
  }
}

/** A device of ours that could not be removed in the end is named in a warning. */
async function removeWhatIsNamed(): Promise<void> {
  const warnings = jobs.events
    .flatMap((event) => (event.event === 'warning' ? [event.message] : []))
    .join('\n');
  for (const name of (await ownDevices()).filter((one) => /-(source|destination|direct)$/.test(one))) {
    expect(warnings).toContain(name);
    await removeMapped(name);
  }
}

async function planOf(source: LoopDisk, destination: LoopDisk): Promise<Plan> {
  const paths = {
    sourcePath: source.path,
    destinationPath: destination.path,
    stateDirectory: scratch().directory,
  };
  const facts = await gatherFacts({ ...paths, looksCloser: true, findsWriters: true, readsAllocation: false });
  return decidePlan(facts, { frontend: 'auto', mode: 'redirect' });
}

describe('a mounted volume', () => {
  let volume: MountedVolume;
  let plan: Plan;

  beforeEach(async () => {
    volume = await makeMountedVolume(scratch());
    plan = await planOf(volume.source, volume.destination);
  });

  function write(): Promise<void> {
    writeFileSync(`${volume.target}/file`, 'written during the job', { flush: true });
    return Promise.resolve();
  }

  it('stays where it is when a start fails, and is cut over in the end', { timeout }, async () => {
    const expectAsBefore = async (): Promise<void> =>
      expect(await findMount(volume.target)).toEqual(volume.mountedBefore);
    await startWithEachFault({ plan, first: 1, stride: 1, expectAsBefore });
    const failed = [...(await graduateWithEachFault(write)), ...(await endWithEachFault('cutOver', write))];
    expect(failed).toEqual(expect.arrayContaining(['load', 'suspend', 'resume', 'table', 'remove']));
    expect(jobs.end).toMatchObject({ outcome: 'finished' });
    expect(readFileSync(`${volume.target}/file`, 'utf8')).toBe('written during the job');
    await unmount(volume.target);
    await checkFileSystem('ext4', volume.destination.path);
  });

  it('comes back to the source when undo is tried again', async () => {
    await startJob(plan);
    expect(await endWithEachFault('undo', write)).toContain('remove');
    expect(jobs.end).toMatchObject({ outcome: 'undone' });
    expect(await findMount(volume.target)).toEqual(volume.mountedBefore);
    expect(readFileSync(`${volume.target}/file`, 'utf8')).toBe('written during the job');
    await unmount(volume.target);
    await checkFileSystem('ext4', volume.source.path);
  });

  it.each([
    // The first ioctl of a start: the private way to the source is to be made.
    [1, 'ENXIO', 'create', 'no-device-left', /source: the kernel can make no more device-mapper devices/],
    [2, 'ENOMEM', 'load', 'mapping-failed', /source: the kernel has no memory for it .*ENOMEM/],
    // The last one: the volume's own device is to run.
    [11, 'EIO', 'resume', 'mapping-failed', /\/dev\/mapper\/diskferry-.*EIO/],
  ] as const)('is told of by the command line, with its exit code (ioctl %i: %s)', async (...row) => {
    const [number, error, ioctl, code, said] = row;
    fault.arm(number, error);
    for (const [name, value] of Object.entries(fault.environment)) vi.stubEnv(name, value);
    const migration = volume.migrate();
    vi.unstubAllEnvs();
    const { exitCode, stderr } = await migration.end();
    expect([exitCode, fault.hit]).toEqual([4, ioctl]);
    expect(stderr).toMatch(said);
    expect(migration.events.at(-1)).toMatchObject({
      event: 'failed',
      code,
      dataIs: number === 11 ? 'source' : 'untouched',
    });
    expect(await findMount(volume.target)).toEqual(volume.mountedBefore);
    await unmount(volume.target);
  });
});

describe('devices that lie on the source', () => {
  const [name] = liveNames;
  let scene: LiveScene;
  let writer: SectorWriter;

  beforeEach(async () => {
    scene = await makeLiveScene(scratch());
    const expected = readPart(`/dev/mapper/${name}`, 0, liveDeviceBytes);
    writer = await SectorWriter.open(scratch(), `/dev/mapper/${name}`, { seed: 5, expected, sectorBytes });
  });

  async function expectWritten(): Promise<void> {
    await writer.run(20);
    await writer.close();
    expect(readPart(`/dev/mapper/${name}`, 0, liveDeviceBytes).equals(writer.expected)).toBe(true);
  }

  it('stay on it when a start fails, and end up on the destination in the end', { timeout }, async () => {
    const expectAsBefore = async (): Promise<void> => {
      await expectLiveTables(scene.tables);
      await writer.run(2);
    };
    // Those before are the same as for a mounted volume: the private ways to both disks.
    await startWithEachFault({ plan: scene.plan, first: 9, stride: 2, expectAsBefore });
    const write = (): Promise<void> => writer.run(5);
    const failed = [...(await graduateWithEachFault(write)), ...(await endWithEachFault('cutOver', write))];
    expect(failed).toEqual(expect.arrayContaining(['load', 'suspend', 'resume', 'table', 'remove']));
    expect(jobs.end).toMatchObject({ outcome: 'finished' });
    const [from = '', to = ''] = [scene.source, scene.destination].map(({ path }) => deviceNumberAt(path));
    await expectLiveTables(scene.tables.map((table) => movedTo(table, { from, to })));
    await expectWritten();
  });

  it('come back to it when undo is tried again', async () => {
    await startJob(scene.plan);
    await jobs.reached('synchronized');
    await writer.run(50);
    const failed = await endWithEachFault('undo', () => writer.run(5));
    expect(failed).toEqual(expect.arrayContaining(['load', 'suspend', 'resume', 'table']));
    expect(jobs.end).toMatchObject({ outcome: 'undone' });
    await expectLiveTables(scene.tables);
    await expectWritten();
  });
});
