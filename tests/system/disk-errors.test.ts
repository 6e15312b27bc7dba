/**
 * A disk fails in the middle of a job: copying stops, the job asks for a decision and names the disk, and the
 * volume goes on being served as far as the disks can. When the disk works again the job goes on; undo works
 * all the time.
 */
import { readFileSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { gibibyte, mebibyte } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import { faultRow } from '../fault-table.ts';
import { readDirect, writeDirect } from './support/direct-io.ts';
import type { LoopDisk } from './support/loop-disk.ts';
import { fillWithRandom, makeImage, makeLoopDisk, readPart } from './support/loop-disk.ts';
import { Migration, runCli } from './support/migration.ts';
import type { Scratch } from './support/scratch.ts';
import { useScratch } from './support/scratch.ts';
import { expectSame, SectorWriter } from './support/sector-writer.ts';
import { waitUntil } from './support/wait.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();

const sizeBytes = 48 * mebibyte;
/** So much that a pause comes long before all of it has crossed. */
const pausableBytes = gibibyte;
/** What is looked at of each disk: so much at its start, and at its end. */
const lookedAtBytes = 8 * mebibyte;
const goodBytes = 16 * mebibyte;
const block = 4096;

interface FailingDestination {
  readonly path: string;
  readonly errorName: string;
  /** From now on writes fail. */
  readonly spoil: () => Promise<void>;
  readonly mend: () => Promise<void>;
}

/**
 * An image on a file system that is full. Not through a loop device: that one calls a write done of which
 * only a part had room (Linux 6.18).
 */
async function makeImageWithoutRoom(scratch: Scratch): Promise<FailingDestination> {
  const directory = await scratch.makeDirectory('narrow');
  const mountTmpfs = async (options: string): Promise<void> => {
    await runCommand('mount', ['-t', 'tmpfs', '-o', options, 'diskferry-test', directory], 'mounting');
  };
  await mountTmpfs('size=2g');
  const path = `${directory}/destination.img`;
  makeImage(path, pausableBytes);
  const fill = (): Promise<void> => {
    const { blocks, bfree, bsize } = statfsSync(directory);
    return mountTmpfs(`remount,size=${(blocks - bfree) * bsize}`);
  };
  return { path, errorName: 'ENOSPC', spoil: fill, mend: () => mountTmpfs('remount,size=2g') };
}

/** A disk whose write protection is switched on. */
async function makeProtectedDisk(scratch: Scratch): Promise<FailingDestination> {
  const { path } = await makeLoopDisk(scratch, 'destination', { sizeBytes: pausableBytes });
  const set = (way: string) => async (): Promise<void> => {
    await runCommand('blockdev', [way, path], 'switching the write protection');
  };
  // The protection would stay with the loop device's number, for whoever gets it next.
  scratch.onRelease('the write protection', set('--setrw'));
  return { path, errorName: 'EPERM', spoil: set('--setro'), mend: set('--setrw') };
}

const destinations = [
  ['is full', makeImageWithoutRoom],
  ['is write-protected', makeProtectedDisk],
] as const;

interface SpoiledJob {
  readonly migration: Migration;
  readonly source: LoopDisk;
  /** What consumers must see of the parts that are looked at. */
  readonly expected: Buffer;
}

const tailStart = pausableBytes - lookedAtBytes;

function lookAt(path: string): Buffer {
  return Buffer.concat([readPart(path, 0, lookedAtBytes), readPart(path, tailStart, lookedAtBytes)]);
}

/** A consumer has written a little, then the destination fails and the copy goes on. */
async function startSpoiled(destination: FailingDestination): Promise<SpoiledJob> {
  const source = await makeLoopDisk(scratchOf(), 'source', { sizeBytes: pausableBytes });
  for (const start of [0, tailStart]) fillWithRandom(source.path, start, lookedAtBytes);
  const expected = lookAt(source.path);
  const disks = { source: source.path, destination: destination.path };
  const migration = Migration.start(scratchOf(), disks, '--hold', '--speed', 'gentle');
  const device = await migration.pausedDevice();
  const written = Buffer.alloc(3 * 512, 0xab);
  writeDirect(device, pausableBytes - 5 * block + 512, written);
  expected.set(written, expected.length - 5 * block + 512);
  await destination.spoil();
  await migration.ask('resume');
  const { message, choices } = await migration.event('decision');
  expect(message).toContain(`${destination.path}: write of`);
  expect(message).toContain(destination.errorName);
  expect(choices.map(({ choice }) => choice)).toEqual(['retry', 'undo']);
  return { migration, source, expected };
}

describe.skipIf(!isRoot)('a migration (needs root)', () => {
  it.each(destinations)(
    'whose destination %s goes on serving, and finishes once it takes writes again',
    async (_, make) => {
      const destination = await make(scratchOf());
      const { migration, expected } = await startSpoiled(destination);
      const device = await migration.device();
      expect(await migration.ask('status')).toMatchObject({ state: 'needs-decision', device });
      expectSame(lookAt(device), expected);
      await migration.ask('resume');
      await waitUntil('it fails again', () => migration.eventsNamed('decision').length === 2);
      await destination.mend();
      await migration.ask('resume');
      await migration.event('synchronized');
      await migration.ask('cutover');
      const { exitCode } = faultRow('the destination refuses writes, later it takes them');
      expect(await migration.end()).toMatchObject({ exitCode });
      expectSame(lookAt(destination.path), expected);
    },
  );

  it.each(destinations)(
    'whose destination %s can be undone without losing what had been written',
    async (_, make) => {
      const { migration, source, expected } = await startSpoiled(await make(scratchOf()));
      const device = await migration.device();
      const last = pausableBytes - block;
      expect(() => writeDirect(device, last, Buffer.alloc(block, 0xcd))).toThrow(/ENOSPC|EIO/);
      expectSame(readDirect(device, last, block), expected.subarray(-block));
      await waitUntil('the failure is told', () =>
        migration.eventsNamed('warning').some(({ code }) => code === 'consumer-failed'),
      );
      await migration.ask('undo');
      const { exitCode } = faultRow('the destination refuses writes, and the job is undone');
      expect(await migration.end()).toMatchObject({ exitCode });
      expectSame(lookAt(source.path), expected);
    },
  );
});

function runControl(command: string): Promise<{ readonly exitCode: number | null }> {
  return runCli(command, '--state-dir', scratchOf().stateDirectory);
}

describe.skipIf(!isRoot)('a migration whose source cannot be read everywhere (needs root)', () => {
  /** A loop device answers EIO behind the end of its image. */
  async function start(): Promise<{
    migration: Migration;
    source: LoopDisk;
    destination: LoopDisk;
    original: Buffer;
  }> {
    const scratch = scratchOf();
    const source = await makeLoopDisk(scratch, 'source', { sizeBytes, content: 'random' });
    truncateSync(source.file, goodBytes);
    const destination = await makeLoopDisk(scratch, 'destination', { sizeBytes });
    const migration = Migration.start(scratch, { source: source.path, destination: destination.path });
    const { message, choices, unreadable } = await migration.event('decision');
    expect(message).toContain(`${source.path}: ${sizeBytes - goodBytes} bytes cannot be read`);
    expect(choices.map(({ choice }) => choice)).toEqual(['retry', 'accept-unreadable', 'undo']);
    const extents = [{ offsetBytes: goodBytes, lengthBytes: sizeBytes - goodBytes }];
    expect(unreadable).toEqual({ extents, extentCount: 1, totalBytes: sizeBytes - goodBytes });
    const original = Buffer.concat([
      readPart(source.file, 0, goodBytes),
      Buffer.alloc(sizeBytes - goodBytes),
    ]);
    return { migration, source, destination, original };
  }

  it('serves the rest, takes writes everywhere, and finishes once it can be read again', async () => {
    const { migration, source, destination, original } = await start();
    const device = await migration.device();
    expectSame(readPart(device, 0, goodBytes), original.subarray(0, goodBytes));
    expect(() => readDirect(device, sizeBytes - block, block)).toThrow('EIO');
    writeDirect(device, sizeBytes - block, Buffer.alloc(block, 0x11));
    expectSame(readDirect(device, sizeBytes - block, block), Buffer.alloc(block, 0x11));
    // The rest of the block would have to come from the source.
    expect(() => writeDirect(device, sizeBytes - 2 * block, Buffer.alloc(512, 0x22))).toThrow('EIO');
    const { exitCode: decisionCode } = faultRow('a command meets a job that waits for a decision');
    expect(await runControl('cutover')).toMatchObject({ exitCode: decisionCode });
    await migration.ask('retry');
    await waitUntil('it fails again', () => migration.eventsNamed('decision').length === 2);
    const { decision, progress } = await migration.ask('status');
    expect(decision).toMatchObject({ event: 'decision', unreadable: { totalBytes: sizeBytes - goodBytes - block } });
    expect(progress).toMatchObject({ unreadableBytes: sizeBytes - goodBytes - block });
    truncateSync(source.file, sizeBytes);
    await migration.ask('retry');
    const { exitCode } = faultRow('places of the source cannot be read, later they can');
    expect(await migration.end()).toMatchObject({ exitCode });
    original.fill(0x11, sizeBytes - block);
    expectSame(readPart(destination.path, 0, sizeBytes), original);
  });

  it('goes on without it when that is accepted, and reports what became zeroes', async () => {
    const { migration, destination, original } = await start();
    const device = await migration.device();
    writeDirect(device, goodBytes + block, Buffer.alloc(block, 0x44));
    await migration.ask('accept-unreadable');
    const { exitCode } = faultRow('places of the source cannot be read, and are accepted');
    expect(await migration.end()).toMatchObject({ exitCode });
    original.fill(0x44, goodBytes + block, goodBytes + 2 * block);
    expectSame(readPart(destination.path, 0, sizeBytes), original);
    const { report } = await migration.event('finished');
    expect(report.unreadable).toMatchObject({ extentCount: 1, totalBytes: sizeBytes - goodBytes });
    // Before the cut-over, too: it cannot be taken back.
    expect(await migration.event('synchronized')).toMatchObject({ acceptedBytes: sizeBytes - goodBytes });
  });

  it('can be undone', async () => {
    const { migration, source, original } = await start();
    writeDirect(await migration.device(), block, Buffer.alloc(block, 0x33));
    original.fill(0x33, block, 2 * block);
    await migration.ask('undo');
    const { exitCode } = faultRow('places of the source cannot be read, and the job is undone');
    expect(await migration.end()).toMatchObject({ exitCode });
    expectSame(readPart(source.file, 0, goodBytes), original.subarray(0, goodBytes));
  });
});

describe.skipIf(!isRoot)('a migration whose source can be read nowhere (needs root)', () => {
  it('says so at once, is not told to do without it, and finishes once it is back', async () => {
    const scratch = scratchOf();
    const source = await makeLoopDisk(scratch, 'source', { sizeBytes, content: 'random' });
    const destination = await makeLoopDisk(scratch, 'destination', { sizeBytes });
    const original = readFileSync(source.file);
    const migration = Migration.start(scratch, { source: source.path, destination: destination.path });
    const device = await migration.pausedDevice();
    writeDirect(device, block, Buffer.alloc(block, 0x55));
    truncateSync(source.file, 0);
    await migration.ask('resume');
    const { message, choices } = await migration.event('decision');
    expect(message).toContain(`${source.path}: nothing can be read from it any more`);
    expect(choices.map(({ choice }) => choice)).toEqual(['retry', 'undo']);
    const row = faultRow('the source can be read nowhere, later it can');
    await expect(migration.ask('accept-unreadable')).rejects.toMatchObject({ code: 'decision-needed' });
    expectSame(readDirect(device, block, block), Buffer.alloc(block, 0x55));
    expect(() => readDirect(device, 0, block)).toThrow('EIO');
    writeFileSync(source.file, original, { flag: 'r+' });
    await migration.ask('retry');
    expect(await migration.end()).toMatchObject({ exitCode: row.exitCode });
    original.fill(0x55, block, 2 * block);
    expectSame(readPart(destination.path, 0, sizeBytes), original);
  });
});

describe.skipIf(!isRoot)('an undo whose source takes no writes (needs root)', () => {
  it('lets consumers go on, asks for a decision, and gives the source everything once it takes them again', async () => {
    const scratch = scratchOf();
    const narrow = await makeImageWithoutRoom(scratch);
    truncateSync(narrow.path, sizeBytes);
    // All else is a hole, for which there will be no room.
    fillWithRandom(narrow.path, 0, mebibyte);
    const destination = await makeLoopDisk(scratch, 'destination', { sizeBytes });
    const expected = readPart(narrow.path, 0, sizeBytes);
    const migration = Migration.start(
      scratch,
      { source: narrow.path, destination: destination.path },
      '--hold',
    );
    const writer = await SectorWriter.open(scratch, await migration.device(), {
      seed: 7,
      expected,
      sectorBytes: 512,
    });
    await writer.run(50);
    await narrow.spoil();
    await migration.ask('undo');
    const { message, choices } = await migration.event('decision');
    expect(message).toMatch(new RegExp(`^${narrow.path}: write of .*ENOSPC`));
    expect(choices.map(({ choice }) => choice)).toEqual(['undo']);
    await writer.run(50);
    await narrow.mend();
    await writer.close();
    await migration.ask('undo');
    const { exitCode } = faultRow('the source refuses what an undo brings back, later it takes it');
    expect(await migration.end()).toMatchObject({ exitCode });
    expectSame(readPart(narrow.path, 0, sizeBytes), expected);
  });
});
