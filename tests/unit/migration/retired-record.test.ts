/** What stays of a job that has ended on its destination, on image files: what is kept, found again, and given up. */
import { mkdir, mkdtemp, open, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { mebibyte } from '../../../app/base/units.ts';
import type { Plan, PlannedDisk } from '../../../app/contract/plan.ts';
import { runCommand } from '../../../app/devices/command.ts';
import { isAbsent, readDiskFacts } from '../../../app/devices/disk-facts.ts';
import { readInventory } from '../../../app/devices/inventory.ts';
import { keepInRecord, newJobRecord, readBootId, writeJobRecord } from '../../../app/migration/job-record.ts';
import { decidePlan } from '../../../app/migration/plan.ts';
import type { Here } from '../../../app/migration/retired-disk.ts';
import { findRetired, lookAtDestination } from '../../../app/migration/retired-disk.ts';
import { keepRetired, readRetired, writeRetired } from '../../../app/migration/retired-record.ts';
import { makeFacts } from './made-facts.ts';
import { options } from './refusals.ts';

const job = 'images-1234';
const sizeBytes = 8 * mebibyte;
const sample = { extents: [{ offsetBytes: 0, lengthBytes: 4096 }], sha256: 'of the source' };

let folder: string;
let plan: Plan;
let here: Here;

const state = (): string => join(folder, 'state');
const directory = (): string => join(state(), 'jobs', job);
const ended = (): Promise<void> => keepRetired({ job, directory: directory(), plan, absent: [] });

async function imageOf(name: string): Promise<PlannedDisk> {
  const path = join(folder, name);
  await writeFile(path, '');
  await truncate(path, sizeBytes);
  return planned(path);
}

async function planned(path: string): Promise<PlannedDisk> {
  const facts = readDiskFacts(await readInventory({ probes: false, votes: false }), path);
  if (isAbsent(facts)) throw new Error(`${path}: no such file`);
  const rest = { model: null, serial: null, bus: null, content: null, logicalBlockBytes: 512, physicalBlockBytes: 512 };
  return { path, kind: 'file', toBeCreated: false, sizeBytes, ...rest, identity: facts.identity };
}

async function writeAt(path: string, offsetBytes: number, bytes: Uint8Array): Promise<void> {
  const handle = await open(path, 'r+');
  await handle.write(bytes, 0, bytes.length, offsetBytes);
  await handle.close();
}

/** Of an MBR, with first sector and number of sectors of each partition. */
function tableOf(...partitions: readonly (readonly [number, number])[]): Uint8Array {
  const table = Buffer.alloc(66);
  for (const [index, [start, sectors]] of partitions.entries()) {
    table.writeUInt8(0x83, 16 * index + 4);
    table.writeUInt32LE(start, 16 * index + 8);
    table.writeUInt32LE(sectors, 16 * index + 12);
  }
  table.writeUInt16LE(0xaa55, 64);
  return table;
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diskferry-retired-'));
  const [source, destination] = [await imageOf('source'), await imageOf('destination')];
  await runCommand('mkfs.ext4', ['-q', '-F', destination.path], 'making a file system');
  // As `--create` plans it.
  const toCreate = { ...destination, toBeCreated: true, identity: null };
  plan = { ...decidePlan(makeFacts(), options), source, destination: toCreate, stateDirectory: state() };
  const asked = { speed: 'balanced', hold: false, users: { units: [] }, socketPath: '/nbd.sock' } as const;
  await mkdir(directory(), { recursive: true });
  await writeJobRecord(directory(), await newJobRecord({ job, plan, ...asked }));
  await keepInRecord(directory(), job, { sourceSample: sample });
  here = { inventory: await readInventory({ probes: false, votes: false }), bootId: await readBootId() };
});

afterEach(() => rm(folder, { recursive: true }));

describe('of a job that has ended on its destination', () => {
  test('both disks, the sample and what the destination shows are kept, also of an image that the job has made', async () => {
    await ended();
    const [record] = await readRetired(state());
    expect(record).toMatchObject({ job, sourceSample: sample, erasure: null });
    expect(record?.volume?.content).toMatchObject({ fileSystemType: 'ext4' });
    expect(record?.plan.destination).toMatchObject({ toBeCreated: false, identity: { inode: expect.any(Number) as number } });
    // What lay on the source is on the destination now.
    expect(record?.plan.source.identity?.content).toBeNull();
  });

  test('its source and destination are found again, and nothing else', async () => {
    await ended();
    const { destination } = (await readRetired(state()))[0]?.plan ?? plan;
    expect(await findRetired(here, plan.source, [state()])).toMatchObject({ role: 'source', stateDirectory: state() });
    expect(await findRetired(here, destination, [state()])).toMatchObject({ role: 'destination' });
    expect(await findRetired(here, await imageOf('other'), [state()])).toBeUndefined();
  });

  test('the newest record counts: what was a source may be the destination of a later move', async () => {
    await ended();
    const [first] = await readRetired(state());
    if (first === undefined) throw new Error('no record');
    const { source, destination } = first.plan;
    await writeRetired(state(), { ...first, job: 'back-5678', endedMs: first.endedMs + 1, plan: { source: destination, destination: source } });
    expect(await findRetired(here, plan.source, [state()])).toMatchObject({ role: 'destination', record: { job: 'back-5678' } });
  });

  test('its destination is as it was moved until it shows something else, or is gone', async () => {
    await ended();
    const [record] = await readRetired(state());
    if (record === undefined) throw new Error('no record');
    const look = async (): Promise<unknown> => lookAtDestination(here, plan.source, record);
    expect(await look()).toMatchObject({ state: 'as-moved' });
    await runCommand('mkfs.ext4', ['-q', '-F', plan.destination.path], 'making another file system');
    expect(await look()).toMatchObject({ state: 'other', difference: expect.stringContaining('it was ext4') as string });
    await rm(plan.destination.path);
    expect(await look()).toMatchObject({ state: 'missing' });
    expect(await lookAtDestination(here, plan.source, { ...record, volume: null, plan: { ...record.plan, destination: plan.source } })).toMatchObject({
      state: 'missing',
    });
  });

  test('its partitions are looked at as well, by its own table', async () => {
    const { path } = plan.destination;
    const [first, second] = [1, 3].map((at) => at * mebibyte);
    await truncate(path, 0);
    await truncate(path, sizeBytes);
    await writeAt(path, 446, tableOf([2048, 4096], [6144, 8192]));
    for (const [offset, kibibytes] of [[first, 2048], [second, 4096]] as const)
      await runCommand('mkfs.ext4', ['-q', '-F', '-E', `offset=${offset}`, path, `${kibibytes}`], 'making a file system');
    await ended();
    const [record] = await readRetired(state());
    if (record === undefined) throw new Error('no record');
    expect(record.volume?.partitions.map(({ offsetBytes, content }) => [offsetBytes, content.fileSystemType])).toEqual([
      [first, 'ext4'],
      [second, 'ext4'],
    ]);
    expect(await lookAtDestination(here, plan.source, record)).toMatchObject({ state: 'as-moved' });
    await writeAt(path, second ?? 0, new Uint8Array(4096));
    expect(await lookAtDestination(here, plan.source, record)).toMatchObject({
      state: 'other',
      difference: expect.stringMatching(new RegExp(`its partition at ${second}: it was ext4 .* and is nothing that is known`)) as string,
    });
  });

  test('a source that was not connected is not known by the numbers that it had once', async () => {
    await keepRetired({ job, directory: directory(), plan, absent: ['source'] });
    expect(await findRetired(here, plan.source, [state()])).toBeUndefined();
  });

  test('a record that cannot be read, or is of another version, is told', async () => {
    await ended();
    const path = join(state(), 'retired', `${job}.json`);
    const text = await readFile(path, 'utf8');
    for (const bad of ['', text.slice(0, 100), text.replace('"version":1', '"version":2')]) {
      await writeFile(path, bad);
      await expect(readRetired(state())).rejects.toMatchObject({ code: 'retired-record-unreadable' });
    }
  });

  test('the oldest gives way when there are 500', async () => {
    await ended();
    const [first] = await readRetired(state());
    if (first === undefined) throw new Error('no record');
    for (let age = 1; age <= 500; age += 1) {
      const text = JSON.stringify({ ...first, job: `older-${age}`, endedMs: first.endedMs - age });
      await writeFile(join(state(), 'retired', `older-${age}.json`), text);
    }
    await ended();
    const left = await readdir(join(state(), 'retired'));
    expect(left).toHaveLength(500);
    expect(left).toContain(`${job}.json`);
    expect(left).not.toContain('older-500.json');
  });
});
