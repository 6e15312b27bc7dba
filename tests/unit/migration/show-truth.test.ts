/** What a disk that is the truth still hides at the end of a job, on image files. */
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import type * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { mebibyte } from '../../../app/base/units.ts';
import type { DeviceContent, Plan, PlannedDisk } from '../../../app/contract/plan.ts';
import { isAbsent, readDiskFacts } from '../../../app/devices/disk-facts.ts';
import { readInventory } from '../../../app/devices/inventory.ts';
import { showRest } from '../../../app/migration/show-truth.ts';

/** Where the disk has lost what was there. */
const bad = vi.hoisted(() => new Set<number>());

vi.mock('node:fs', async (importOriginal) => {
  const real = await importOriginal<typeof fs>();
  const readSync = (fd: number, bytes: Uint8Array, from: number, length: number, at: number): number => {
    if (bad.has(at)) throw Object.assign(new Error('ETIMEDOUT'), { code: 'ETIMEDOUT' });
    return real.readSync(fd, bytes, from, length, at);
  };
  return { ...real, readSync };
});

const sizeBytes = 2 * mebibyte;
const primary = 512;
const backup = sizeBytes - 512;
const plain = Buffer.from('EFI PART');
const masked = Buffer.alloc(512, 0xff).fill(plain.map((value) => value ^ 0xff), 0, 8);

const nothingKnown: DeviceContent = {
  ...{ fileSystemType: null, fileSystemUuid: null, label: null },
  ...{ partitionTableType: null, partitionTableUuid: null },
};

let folder: string;

function planOf({ usesDeviceMapper = false } = {}): Plan {
  const disk = (name: string): PlannedDisk => {
    const path = join(folder, name);
    return { path, kind: 'file', toBeCreated: false, sizeBytes, logicalBlockBytes: 512, identity: null } as PlannedDisk;
  };
  return { source: disk('source'), destination: disk('destination'), usesDeviceMapper } as Plan;
}

async function put(bytes: Uint8Array, ...offsets: number[]): Promise<void> {
  const handle = await open(join(folder, 'destination'), 'r+');
  for (const at of offsets) await handle.write(bytes, 0, bytes.length, at);
  await handle.close();
}

async function isShown(at: number): Promise<boolean> {
  const handle = await open(join(folder, 'destination'));
  const { buffer } = await handle.read(Buffer.alloc(8), 0, 8, at);
  await handle.close();
  return buffer.equals(plain);
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diskferry-rest-'));
  bad.clear();
  for (const name of ['source', 'destination']) await writeFile(join(folder, name), new Uint8Array(sizeBytes));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

test('a disk that shows has nothing to tell', async () => {
  await put(plain, primary, backup);
  expect(await showRest(planOf(), 'destination')).toEqual([]);
});

test('a place that could not be read only for a moment is shown', async () => {
  await put(plain, primary);
  await put(masked, backup);
  expect(await showRest(planOf(), 'destination')).toEqual([]);
  expect(await isShown(backup)).toBe(true);
});

test('a disk is known again though its content is not what the plan had found there', async () => {
  const plan = planOf();
  const { path } = plan.destination;
  const facts = readDiskFacts(await readInventory({ probes: false, votes: false }), path);
  if (isAbsent(facts)) throw new Error(`${path}: no such file`);
  // Of what lay there when the plan was made.
  const content = { ...nothingKnown, fileSystemType: 'ext4', label: 'old' };
  const identity = { ...facts.identity, content };
  await put(plain, primary);
  await put(masked, backup);
  const destination = { ...plan.destination, identity };
  expect(await showRest({ ...plan, destination }, 'destination')).toEqual([]);
  expect(await isShown(backup)).toBe(true);
});

test('one that cannot be read now either is told', async () => {
  await put(masked, primary);
  await put(plain, backup);
  bad.add(primary);
  expect(await showRest(planOf(), 'destination')).toEqual([
    expect.stringMatching(/destination: cannot be read in 1 of the places .*still be on .*source$/),
  ]);
});

test('nothing is written while users may be on the disk, and people are told how it is shown', async () => {
  await put(masked, primary, backup);
  expect(await showRest(planOf({ usesDeviceMapper: true }), 'destination')).toEqual([
    expect.stringMatching(/destination: stays hidden in 2 of the .*; when nothing uses it, "diskferry unmask /),
  ]);
  expect([await isShown(primary), await isShown(backup)]).toEqual([false, false]);
});

test('a disk that cannot be asked is no failure of the move', async () => {
  await rm(join(folder, 'destination'));
  expect(await showRest(planOf(), 'destination')).toEqual([expect.stringMatching(/destination: may still hide/)]);
});
