/** The end of a job that died when one disk was the truth already, on image files. */
import { existsSync } from 'node:fs';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import type * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { mebibyte } from '../../../app/base/units.ts';
import type { EventBody } from '../../../app/contract/events.ts';
import type { Plan, PlannedDisk } from '../../../app/contract/plan.ts';
import { finishRecovered } from '../../../app/migration/finish-recovered.ts';
import type { JobRecord } from '../../../app/migration/job-record.ts';
import { readBootId } from '../../../app/migration/job-record.ts';
import type { RecoverableJob } from '../../../app/migration/recovery.ts';

/** Where the disk has lost what was there, and where it takes nothing new. */
const bad = vi.hoisted(() => new Set<number>());
const readOnly = vi.hoisted(() => new Set<number>());

vi.mock('node:fs', async (importOriginal) => {
  const real = await importOriginal<typeof fs>();
  const readSync = (fd: number, bytes: Uint8Array, from: number, length: number, at: number): number => {
    if (bad.has(at)) throw Object.assign(new Error('ENODATA'), { code: 'ENODATA' });
    return real.readSync(fd, bytes, from, length, at);
  };
  const writeSync = (fd: number, bytes: Uint8Array, from: number, length: number, at: number): number => {
    if (readOnly.has(at)) throw Object.assign(new Error('EIO'), { code: 'EIO' });
    return real.writeSync(fd, bytes, from, length, at);
  };
  return { ...real, readSync, writeSync };
});

const sizeBytes = 2 * mebibyte;
const backup = sizeBytes - 512;
const plain = Buffer.from('EFI PART');
const masked = Buffer.alloc(512, 0xff).fill(plain.map((value) => value ^ 0xff), 0, 8);

let folder: string;

function disk(name: string): PlannedDisk {
  const path = join(folder, name);
  return { path, kind: 'file', toBeCreated: false, sizeBytes, logicalBlockBytes: 512, identity: null } as PlannedDisk;
}

interface Died {
  readonly plan?: Partial<Pick<Plan, 'way' | 'usesDeviceMapper'>>;
  readonly record?: Partial<Pick<JobRecord, 'bootId' | 'users' | 'mayDestinationShow' | 'unmasked' | 'unmasking'>>;
  readonly absent?: RecoverableJob['absent'];
}

async function finish(continuation: RecoverableJob['continuation'], died: Died = {}): Promise<EventBody[]> {
  const disks = { source: disk('source'), destination: disk('destination') };
  const plan = { ...disks, mounts: [], way: 'attach', usesDeviceMapper: false, ...died.plan };
  const events: EventBody[] = [];
  const record = { startedMs: 0, bootId: 'before', users: { units: [] }, ...died.record };
  const dead = { plan, absent: died.absent ?? [], record, continuation } as unknown as RecoverableJob;
  await finishRecovered(dead, (event) => events.push(event));
  return events;
}

async function at(name: string, offset: number): Promise<string> {
  const handle = await open(join(folder, name));
  const { buffer } = await handle.read(Buffer.alloc(8), 0, 8, offset);
  await handle.close();
  return buffer.toString('latin1');
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diskferry-finish-'));
  bad.clear();
  readOnly.clear();
  for (const name of ['source', 'destination']) {
    await writeFile(join(folder, name), new Uint8Array(sizeBytes));
    const handle = await open(join(folder, name), 'r+');
    for (const offset of [512, backup]) await handle.write(masked, 0, masked.length, offset);
    await handle.close();
  }
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

test.each([
  ['finish-on-destination', 'destination', 'source', 'finished'],
  ['finish-on-source', 'source', 'destination', 'undone'],
] as const)('%s shows that disk alone', async (continuation, shown, hidden, last) => {
  const events = await finish(continuation);
  expect(events.at(-1)?.event).toBe(last);
  expect(events.filter(({ event }) => event === 'warning')).toEqual([]);
  for (const offset of [512, backup])
    expect([await at(shown, offset), await at(hidden, offset)]).toEqual(['EFI PART', masked.toString('latin1', 0, 8)]);
});

test('a place that cannot be read is left, and told', async () => {
  bad.add(backup);
  const events = await finish('finish-on-destination');
  expect(await at('destination', 512)).toBe('EFI PART');
  expect(events.find(({ event }) => event === 'warning')).toMatchObject({
    code: 'places-unreadable',
    message: expect.stringMatching(/destination: cannot be read in 1 of the places .* still be on .*source$/) as string,
  });
});

test('what was told on the way is in the report as well, where people look at the end', async () => {
  bad.add(backup);
  const events = await finish('finish-on-destination');
  const told = events.flatMap((event) => (event.event === 'warning' ? [event.message] : []));
  expect(told).toHaveLength(1);
  expect(events.at(-1)).toMatchObject({ event: 'finished', report: { warnings: told } });
});

test('a place that cannot be written keeps no other hidden, and is told', async () => {
  readOnly.add(backup);
  const events = await finish('finish-on-destination');
  expect([await at('destination', 512), events.at(-1)?.event]).toEqual(['EFI PART', 'finished']);
  expect(events.find(({ event }) => event === 'warning')).toMatchObject({
    code: 'places-unreadable',
    message: expect.stringMatching(/destination: stays hidden in 1 of the places/) as string,
  });
});

test('the job is not over while the primary of what identifies the disk stays hidden', async () => {
  readOnly.add(512);
  await expect(finish('finish-on-destination')).rejects.toMatchObject({ code: 'mask-failed' });
  expect(await at('destination', backup)).toBe('EFI PART');
  readOnly.clear();
  expect((await finish('finish-on-destination')).at(-1)?.event).toBe('finished');
  expect(await at('destination', 512)).toBe('EFI PART');
});

describe('the disk that is not the volume', () => {
  async function show(name: string): Promise<void> {
    const handle = await open(join(folder, name), 'r+');
    await handle.write(plain, 0, plain.length, 512);
    await handle.write(new Uint8Array(512 - plain.length), 0, 512 - plain.length, 512 + plain.length);
    await handle.close();
  }

  test.each([
    ['that the job could not hide', 'finish-on-source', 'destination', { mayDestinationShow: true }, 'could not be hidden again'],
    ['that was unmasked', 'finish-on-source', 'destination', { unmasked: 'destination' }, 'by "diskferry unmask"'],
    ['that unmask was about to show', 'finish-on-source', 'destination', { unmasking: 'destination' }, 'by "diskferry unmask"'],
    ['that was unmasked, after a commit', 'finish-on-destination', 'source', { unmasked: 'source' }, 'by "diskferry unmask"'],
  ] as const)('is warned of, %s', async (_, continuation, other, record, why) => {
    await show(other);
    const warning = { code: 'disk-not-hidden', message: expect.stringContaining(`${join(folder, other)}: `) as string };
    const events = await finish(continuation, { record });
    expect(events.find(({ event }) => event === 'warning')).toMatchObject(warning);
    expect(events.find(({ event }) => event === 'warning')).toMatchObject({ message: expect.stringContaining(why) as string });
    // Also when nobody can look.
    await rm(join(folder, other));
    expect((await finish(continuation, { record, absent: [other] })).find(({ event }) => event === 'warning')).toMatchObject(warning);
  });

  test('is not warned of where it is hidden, or shows something of its own', async () => {
    const hidden = await finish('finish-on-source', { record: { mayDestinationShow: true } });
    await show('destination');
    for (const events of [hidden, await finish('finish-on-source')])
      expect(events.filter(({ event }) => event === 'warning')).toEqual([]);
  });
});

describe('users of a volume that is mounted', () => {
  const sameBoot = readBootId();

  /** Whether they are. */
  async function starts(
    continuation: RecoverableJob['continuation'],
    plan: NonNullable<Died['plan']>,
    bootId: string,
  ): Promise<boolean> {
    const started = join(folder, 'started');
    const users = { units: [], startCommand: `touch ${started}` };
    const events = await finish(continuation, { plan, record: { bootId, users } });
    expect(events.filter(({ event }) => event === 'warning')).toEqual([]);
    return existsSync(started);
  }

  test.each([
    // The end, the way, by device-mapper; then in the same boot, and in another.
    ['finish-on-source', 'remount', false, [true, false]],
    ['finish-on-source', 'remount', true, [true, false]],
    ['finish-on-destination', 'remount', false, [true, false]],
    ['finish-on-destination', 'remount', true, [false, false]],
    ['finish-on-source', 'attach', false, [false, false]],
  ] as const)('are started again where the job may have stopped them: %s, %s (device-mapper: %s)', async (...row) => {
    const [continuation, way, usesDeviceMapper, expected] = row;
    // The other boot first: what has been started leaves a file.
    const inOther = await starts(continuation, { way, usesDeviceMapper }, 'before');
    expect([await starts(continuation, { way, usesDeviceMapper }, await sameBoot), inOther]).toEqual(expected);
  });

  test('that do not start again keep no job from its end', async () => {
    const record = { bootId: await sameBoot, users: { units: [], startCommand: 'exit 7' } };
    const events = await finish('finish-on-source', { plan: { way: 'remount' }, record });
    expect(events.at(-1)?.event).toBe('undone');
    expect(events.find(({ event }) => event === 'warning')).toMatchObject({
      code: 'users-not-started',
      message: expect.stringMatching(/source may still be stopped: .*exit code 7/) as string,
    });
  });
});
