/** The guard at the start of a job and when one goes on, on image files: what is refused, and what is written. */
import { readFileSync } from 'node:fs';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { mebibyte } from '../../../app/base/units.ts';
import type { Plan, PlannedDisk } from '../../../app/contract/plan.ts';
import type * as diskMaskModule from '../../../app/devices/disk-mask.ts';
import type { FoundIdentity } from '../../../app/devices/disk-mask.ts';
import { findIdentities, maskDisk, plainDisk } from '../../../app/devices/disk-mask.ts';
import { GuardPlaces } from '../../../app/devices/guard-places.ts';
import { Guard } from '../../../app/migration/guard.ts';
import type { GoingOn, GuardedDisk } from '../../../app/migration/guard.ts';
import { requireSample, takeSample } from '../../../app/migration/source-sample.ts';
import { ShownDestination } from '../../../app/migration/shown-destination.ts';
import { StartTrace } from '../../../app/migration/start-trace.ts';

const sizeBytes = 4 * mebibyte;
const places = new GuardPlaces(sizeBytes);
const backup = sizeBytes - 512;
const plain = Buffer.from('EFI PART');
const masked = plain.map((value) => value ^ 0xff);

/** Where both disks have lost what was there. */
const bad = vi.hoisted((): { at: number | undefined } => ({ at: undefined }));
vi.mock('../../../app/devices/disk-mask.ts', async (importOriginal) => {
  const real = await importOriginal<typeof diskMaskModule>();
  const plainDisk: typeof real.plainDisk = (...parameters) => {
    const disk = real.plainDisk(...parameters);
    return { ...disk, read: (bytes, at) => at !== bad.at && disk.read(bytes, at) };
  };
  return { ...real, plainDisk };
});

let folder: string;
let source: GuardedDisk;
let destination: GuardedDisk;
let trace: StartTrace;
let guard: Guard;
/** What is kept in the record, and told. */
let told: string[];
const shown = new ShownDestination({
  keep: () => Promise.resolve(void told.push('kept')),
  warn: (message) => told.push(message),
});

async function makeDisk(name: string): Promise<GuardedDisk> {
  const path = join(folder, name);
  await writeFile(path, new Uint8Array(sizeBytes));
  const handle = await open(path, 'r+');
  const planned = { path, kind: 'file', toBeCreated: false, sizeBytes, logicalBlockBytes: 512 } as PlannedDisk;
  const disk = { handle, base: handle, isDirect: false, close: () => handle.close() };
  return { planned, open: disk, readingFd: handle.fd, writingFd: () => Promise.resolve(handle.fd) };
}

async function put(disk: GuardedDisk, bytes: Uint8Array, ...offsets: number[]): Promise<void> {
  for (const at of offsets) await disk.open.handle.write(bytes, 0, bytes.length, at);
}

/** `o`: shows, `x`: hidden. */
function look({ planned, readingFd }: GuardedDisk): string {
  const found = findIdentities(plainDisk(readingFd, planned.path, 512), places);
  return found.map(({ isMasked }) => (isMasked ? 'x' : 'o')).join('');
}

const gpt: FoundIdentity[] = [512, backup].map((offsetBytes) => ({ type: 'gpt', offsetBytes, isMasked: false }));
const foreseen = { source: gpt, destination: [] };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diskferry-guard-'));
  [source, destination] = [await makeDisk('source'), await makeDisk('destination')];
  const plan = { source: source.planned, destination: destination.planned } as Plan;
  trace = new StartTrace({ job: 'test', plan });
  told = [];
  guard = new Guard({ source, destination, trace, shown });
  await put(source, plain, 512, backup);
});

afterEach(async () => {
  for (const disk of [source, destination]) await disk.open.close();
  await rm(folder, { recursive: true });
});

describe('the start of a job', () => {
  test('hides the source', async () => {
    await guard.begin(foreseen, true);
    expect(look(source)).toBe('xx');
    expect(trace.dataIs).toBe('source');
  });

  test.each([
    ['is not what was foreseen', { ...foreseen, source: gpt.slice(1) }, plain, 'device-changed'],
    ['is hidden already', foreseen, masked, 'disk-masked'],
  ])('writes nothing, and says so, when the source %s', async (_, expected, bytes, code) => {
    await put(source, bytes, 512, backup);
    await put(destination, plain, 512);
    const before = [source, destination].map(({ planned }) => readFileSync(planned.path));
    await expect(guard.begin(expected, true)).rejects.toMatchObject({ code });
    expect(trace.dataIs).toBe('untouched');
    const after = [source, destination].map(({ planned }) => readFileSync(planned.path));
    expect(after.every((bytes, index) => bytes.equals(before[index] ?? Buffer.of()))).toBe(true);
  });

  test('is known to have left the source hidden when it cannot be taken back', async () => {
    await guard.begin(foreseen, true);
    const reading = await open(source.planned.path, 'r');
    const broken = new Guard({ source: { ...source, writingFd: () => Promise.resolve(reading.fd) }, destination, trace, shown });
    await expect(broken.takeBack()).rejects.toMatchObject({ code: 'mask-failed' });
    expect([trace.isSourceHidden, look(source)]).toEqual([true, 'xx']);
    await guard.takeBack();
    expect([trace.isSourceHidden, look(source)]).toEqual([false, 'oo']);
    await reading.close();
  });
});

describe('a job that goes on', () => {
  const usual: GoingOn = {
    ...{ mayHaveBeenUsed: true, isSourceUnchanged: true },
    ...{ isUndoing: false, mayDestinationShow: false },
  };

  test.each([
    ['that is as it was', usual],
    ['of which nobody knows whether it is', { ...usual, isSourceUnchanged: false }],
    ['to which it goes back', { ...usual, isSourceUnchanged: false, isUndoing: true }],
  ])('is refused when somebody has shown all of a source %s', async (_, going) => {
    await expect(guard.beginAgain(going)).rejects.toMatchObject({ code: 'disk-unmasked' });
    expect(look(source)).toBe('oo');
  });

  test.each([
    ['is as it was', usual],
    ['it was about to show', { ...usual, isSourceUnchanged: false, isUndoing: true }],
  ])('hides again what shows in part of a source that %s', async (_, going) => {
    await put(source, masked, 512);
    await guard.beginAgain(going);
    expect(look(source)).toBe('xx');
  });

  test('needs a source that is hidden for reading only, and for writing one that shows in part', async () => {
    const readOnly = { ...source, writingFd: () => Promise.reject(new Error('EACCES')) };
    const failing = new Guard({ source: readOnly, destination, trace, shown });
    await put(source, masked, 512, backup);
    await failing.beginAgain(usual);
    await put(source, plain, backup);
    await expect(failing.beginAgain(usual)).rejects.toThrow('EACCES');
    expect(look(source)).toBe('xo');
  });

  test('is refused when the source shows in part, and nobody knows whether it is as it was', async () => {
    await put(source, masked, 512);
    const going = { ...usual, isSourceUnchanged: false };
    await expect(guard.beginAgain(going)).rejects.toMatchObject({ code: 'disk-unmasked' });
    expect(look(source)).toBe('xo');
  });

  test('is refused when anything shows on the destination: it may have been made anew', async () => {
    await put(source, masked, 512, backup);
    await put(destination, masked, backup);
    await put(destination, plain, 512);
    await expect(guard.beginAgain(usual)).rejects.toMatchObject({
      code: 'disk-unmasked',
      context: { device: destination.planned.path, source: source.planned.path },
    });
    expect(look(destination)).toBe('ox');
  });

  test('hides a destination again that shows by its own doing', async () => {
    await put(source, masked, 512, backup);
    await put(destination, plain, 512, backup);
    await guard.beginAgain({ ...usual, mayDestinationShow: true });
    expect([look(source), look(destination), told]).toEqual(['xx', 'xx', []]);
  });

  test('does not say of a destination that it is hidden where it cannot be read', async () => {
    await put(source, masked, 512, backup);
    await put(destination, plain, 512, backup);
    bad.at = 512;
    await guard.beginAgain({ ...usual, mayDestinationShow: true });
    bad.at = undefined;
    expect(look(destination)).toBe('ox');
    expect(told).toEqual(['kept', expect.stringMatching(/: 1 of the places by which .* cannot be read, and may show still; the undo goes on\. /)]);
  });

  test('goes on with one that shows by its own doing and refuses to be hidden, and keeps that', async () => {
    await put(source, masked, 512, backup);
    await put(destination, plain, 512, backup);
    const reading = await open(destination.planned.path, 'r');
    const broken = new Guard({ source, destination: { ...destination, writingFd: () => Promise.resolve(reading.fd) }, trace, shown });
    await broken.beginAgain({ ...usual, mayDestinationShow: true });
    expect([look(source), look(destination)]).toEqual(['xx', 'oo']);
    expect(told).toEqual(['kept', expect.stringMatching(/destination: write at 512 failed: .*; the undo goes on\. /)]);
    await reading.close();
  });
});

describe("the source's sample", () => {
  const extents = [0, sizeBytes - mebibyte].map((offsetBytes) => ({ offsetBytes, lengthBytes: mebibyte }));

  test('is the same whether the source shows or not, and another one when something else has changed', async () => {
    const sample = await takeSample(source.open, { extents, volumeBytes: sizeBytes });
    maskDisk(plainDisk(source.readingFd, source.planned.path, 512), places);
    expect(await takeSample(source.open, { extents, volumeBytes: sizeBytes })).toEqual(sample);
    await put(source, Buffer.from([1]), 4096);
    await expect(requireSample(source.planned, source.open, sample)).rejects.toMatchObject({ code: 'source-changed' });
  });
});
