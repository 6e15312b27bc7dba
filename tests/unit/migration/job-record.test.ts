/**
 * What a job leaves for the case that it dies, whole or damaged, and which disks of a dead one are recognised
 * again: in the same boot, after the next, and after unplugging.
 */
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DeviceIdentity, Plan, PlannedDisk } from '../../../app/contract/plan.ts';
import { noContent } from '../../../app/devices/block-device.ts';
import type { JobRecord } from '../../../app/migration/job-record.ts';
import { makeJobDirectory, newJobRecord, writeJobRecord } from '../../../app/migration/job-record.ts';
import { decidePlan } from '../../../app/migration/plan.ts';
import { findDeadJobs, refuseAfterDeath } from '../../../app/migration/recorded-jobs.ts';
import { isSameDisk } from '../../../app/migration/same-disk.ts';
import { makeFacts } from './made-facts.ts';
import { options } from './refusals.ts';

const disk: DeviceIdentity = {
  path: '/dev/sdb',
  majorMinor: '8:16',
  inode: null,
  sizeBytes: 1 << 30,
  diskSequence: '12',
  serial: 'S1',
  wwn: 'w1',
  content: { ...noContent, fileSystemType: 'ext4', fileSystemUuid: 'u1' },
};
const nameless: DeviceIdentity = { ...disk, serial: null, wwn: null };
const file: DeviceIdentity = { ...nameless, majorMinor: '0:40', inode: 7, diskSequence: null };

/** What the kernel gives anew at each boot. */
const rebooted = { path: '/dev/sdc', majorMinor: '8:32', diskSequence: '3' };

function planned(identity: DeviceIdentity | null, path = '/dev/sdb'): PlannedDisk {
  const shape = { sizeBytes: 1 << 30, logicalBlockBytes: 512, physicalBlockBytes: 512 };
  const rest = { model: null, serial: null, bus: null, content: null };
  return { path, kind: 'block', toBeCreated: identity === null, ...shape, ...rest, identity };
}

function recordOf(plan: Plan): Promise<JobRecord> {
  const asked = { speed: 'balanced', hold: false, users: { units: [] }, socketPath: '/nbd.sock' } as const;
  return newJobRecord({ job: 'sdb-1234', plan, ...asked });
}

type Case = readonly [title: string, recorded: DeviceIdentity, change: Partial<DeviceIdentity>];

const sameAfterBoot: Case[] = [
  ['its serial and WWN', disk, { ...rebooted, content: noContent }],
  ['its serial, though the WWN is not told now', disk, { ...rebooted, wwn: null }],
  ['the UUID of its file system, when it has no serial', nameless, rebooted],
  [
    'the UUID of its partition table, when it has no serial',
    { ...nameless, content: { ...noContent, partitionTableUuid: 'p1' } },
    rebooted,
  ],
  ['its inode and size, when it is a file', file, { majorMinor: '0:55', content: noContent }],
];

const otherAfterBoot: Case[] = [
  ['another serial', disk, { ...rebooted, serial: 'S2' }],
  ['another size, as partitions of one disk have', disk, { ...rebooted, sizeBytes: 2 << 30 }],
  ['another file system', nameless, { ...rebooted, content: { ...noContent, fileSystemUuid: 'u2' } }],
  ['the numbers of another boot and nothing else in common', nameless, { content: noContent }],
  ['no content on either', { ...nameless, content: noContent }, rebooted],
  ['another inode', file, { inode: 8 }],
  ['a device number where the record has a file', file, { inode: null }],
];

describe('the record of a job', () => {
  let stateDirectory: string;
  let plan: Plan;
  const directory = (): string => join(stateDirectory, 'jobs', 'sdb-1234');
  const recordPath = (): string => join(directory(), 'job.json');

  async function leaveRecord(): Promise<void> {
    await makeJobDirectory(directory());
    await writeJobRecord(directory(), await recordOf(plan));
  }

  beforeEach(() => {
    stateDirectory = join(mkdtempSync(join(tmpdir(), 'diskferry-record-')), 'state');
    plan = { ...decidePlan(makeFacts(), options), stateDirectory };
  });

  afterEach(() => rmSync(join(stateDirectory, '..'), { recursive: true }));

  test('tells of a job that does not answer which disks it moved', async () => {
    await leaveRecord();
    expect(await findDeadJobs(stateDirectory)).toMatchObject([
      { job: 'sdb-1234', record: { plan: { source: { path: '/dev/sdb' }, destination: { path: '/dev/sdc' } } } },
    ]);
    await expect(refuseAfterDeath(plan)).rejects.toMatchObject({ code: 'earlier-job-died' });
  });

  test('is not there before the job listens: a job that has only its directory is no dead one', async () => {
    await makeJobDirectory(directory());
    expect(await findDeadJobs(stateDirectory)).toEqual([]);
  });

  test('is the only file in the directory', async () => {
    await leaveRecord();
    expect(readdirSync(directory())).toEqual(['job.json']);
  });

  test("does not take the place of another job's", async () => {
    await leaveRecord();
    const before = readFileSync(recordPath(), 'utf8');
    const other = { ...plan, source: plan.destination, destination: plan.source };
    await expect(makeJobDirectory(directory())).rejects.toThrow('EEXIST');
    await expect(writeJobRecord(directory(), await recordOf(other))).rejects.toThrow('EEXIST');
    expect(readFileSync(recordPath(), 'utf8')).toBe(before);
  });

  test.each([
    ['is empty', () => ''],
    ['has been cut off', (text: string) => text.slice(0, text.length / 2)],
    ['is garbage', () => '\0\0\0\0'],
    ['is of another kind', () => '{"startedMs":1}'],
    ['is of a newer version', (text: string) => text.replace('"version":2', '"version":3')],
    ['is of an older version', (text: string) => text.replace('"version":2', '"version":1')],
  ])('refuses every move, and says why, when it %s', async (_, damage) => {
    await leaveRecord();
    writeFileSync(recordPath(), damage(readFileSync(recordPath(), 'utf8')));
    const refusal: unknown = await refuseAfterDeath(plan).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'earlier-job-died', context: { directory: directory() } });
    expect(refusal).toMatchObject({ message: expect.stringContaining(recordPath()) as string });
    expect(await findDeadJobs(stateDirectory)).toMatchObject([
      { job: 'sdb-1234', record: { defect: expect.stringContaining(recordPath()) as string } },
    ]);
  });
});

describe('a disk of a job that died', () => {
  test.each(sameAfterBoot)('is known after a reboot by %s', (_, recorded, change) => {
    expect(isSameDisk(planned(recorded), planned({ ...recorded, ...change }), false)).toBe(true);
  });

  test.each(otherAfterBoot)('is not taken for one with %s', (_, recorded, change) => {
    expect(isSameDisk(planned(recorded), planned({ ...recorded, ...change }), false)).toBe(false);
  });

  test('is known in the same boot by its numbers, whatever it holds now', () => {
    expect(isSameDisk(planned(nameless), planned({ ...nameless, content: noContent }), true)).toBe(true);
  });

  test('is known in the same boot by its serial after it was plugged in again', () => {
    expect(isSameDisk(planned(disk), planned({ ...disk, ...rebooted }), true)).toBe(true);
  });

  test('is not taken in the same boot for a file with its inode on another file system', () => {
    expect(isSameDisk(planned(file), planned({ ...file, majorMinor: '0:41' }), true)).toBe(false);
  });

  test('is known by its path when the job was to make it', () => {
    expect(isSameDisk(planned(null, '/a.img'), planned(file, '/a.img'), false)).toBe(true);
    expect(isSameDisk(planned(null, '/a.img'), planned(file, '/b.img'), false)).toBe(false);
  });
});
