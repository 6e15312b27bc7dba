/**
 * A job is killed, or power is cut, and `recover` goes on with it: everything that was flushed is there at the
 * end, on the destination or, with --undo, on the source. What cannot go on is refused in one line, and stays
 * as it is.
 */
import { copyFileSync, readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import { DurableWriter } from './support/durable-writer.ts';
import { checkFileSystem, findMount, unmount } from './support/file-system.ts';
import type { LoopDisk } from './support/loop-disk.ts';
import { attachLoopDisk, makeLoopDisk, readPart } from './support/loop-disk.ts';
import { Migration, runCli } from './support/migration.ts';
import { makeMountedVolume } from './support/mounted-volume.ts';
import type { Scratch } from './support/scratch.ts';
import { useScratch } from './support/scratch.ts';
import { usuallyOrInSoak } from './support/soak.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();
const sizeBytes = 96 * mebibyte;
/** When the job is killed, after its device is there. */
const killMsMax = 1500;
/** What a stopped job has under way ends meanwhile. */
const settleMs = 300;

async function detach({ path }: LoopDisk): Promise<void> {
  await runCommand('losetup', ['--detach', path], `detaching ${path}`);
}

describe.skipIf(!isRoot)('a job that was killed (needs root)', () => {
  let scratch: Scratch;
  let source: LoopDisk;
  let destination: LoopDisk;
  let before: Buffer;

  beforeEach(async () => {
    scratch = scratchOf();
    source = await makeLoopDisk(scratch, 'source', { sizeBytes, content: 'random' });
    destination = await makeLoopDisk(scratch, 'destination', { sizeBytes, content: 'random' });
    before = readPart(source.path, 0, sizeBytes);
  });

  const start = (...parameters: string[]): Migration =>
    Migration.start(scratch, { source: source.path, destination: destination.path }, ...parameters);

  /** Returns its directory. */
  async function die(migration: Migration): Promise<string> {
    const directory = join(scratch.stateDirectory, 'jobs', await migration.job());
    await migration.kill();
    return directory;
  }

  /** Killed while somebody writes; what he was told is durable is known. */
  async function dieUnderLoad(seed: number): Promise<DurableWriter> {
    const migration = start('--hold', '--speed', 'gentle');
    const writer = new DurableWriter(seed, before);
    const writing = writer.writeUntilItFails(await migration.device());
    await sleep((seed * 7919) % killMsMax);
    await die(migration);
    await writing;
    return writer;
  }

  it.each(Array.from({ length: usuallyOrInSoak(3, 100) }, (_, index) => index + 1))(
    'under a writing consumer has every durable write at the end (seed %i)',
    async (seed) => {
      const writer = await dieUnderLoad(seed);
      const isUndone = seed % 3 === 0;
      const recovered = Migration.recover(scratch, ...(isUndone ? ['--undo'] : []));
      if (!isUndone) {
        await recovered.event('synchronized');
        await recovered.ask('cutover');
      }
      expect(await recovered.end()).toMatchObject({ exitCode: isUndone ? 8 : 0 });
      writer.expectOn(isUndone ? source.path : destination.path);
    },
  );

  it('goes on with disks that have other names now, as after a reboot', async () => {
    const writer = await dieUnderLoad(11);
    await detach(source);
    await detach(destination);
    const other = await makeLoopDisk(scratch, 'other', { sizeBytes, content: 'random' });
    const [newDestination, newSource] = [
      await attachLoopDisk(destination.file, sizeBytes),
      await attachLoopDisk(source.file, sizeBytes),
    ];
    const recovered = Migration.recover(scratch);
    await recovered.event('synchronized');
    await recovered.ask('cutover');
    expect(await recovered.end()).toMatchObject({ exitCode: 0 });
    writer.expectOn(newDestination.path);
    expect([newSource.path, newDestination.path]).not.toContain(other.path);
  });

  it('is refused while a disk is missing, while it runs, and when it is asked for twice', async () => {
    const migration = start('--hold');
    const job = await migration.job();
    await migration.event('synchronized');
    const state = ['--state-dir', scratch.stateDirectory];
    expect(await runCli('recover', job, ...state)).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('the job runs') as string,
    });
    await die(migration);
    await detach(source);
    expect(await runCli('recover', ...state)).toMatchObject({
      exitCode: 3,
      stderr: expect.stringMatching(/no disk here is the one .* both disks together/) as string,
    });
    source = await attachLoopDisk(source.file, sizeBytes);
    const recovered = Migration.recover(scratch, '--undo');
    expect(await recovered.end()).toMatchObject({ exitCode: 8 });
    expect(await runCli('recover', ...state)).toMatchObject({ exitCode: 2 });
  });

  it.each<[string, string, (directory: string) => void]>([
    ['has no journal', 'journal-missing', (at) => renameSync(join(at, 'journal'), join(at, 'away'))],
    ['has an empty journal', 'journal-missing', (at) => truncateSync(join(at, 'journal'), 0)],
    [
      'has a journal of which both checkpoints are damaged',
      'journal-damaged',
      (at) => writeFileSync(join(at, 'journal'), 'x'.repeat(8192), { flag: 'r+' }),
    ],
    [
      'has the journal of another job',
      'journal-mismatch',
      (at) => {
        const path = join(at, 'job.json');
        const text = readFileSync(path, 'utf8');
        writeFileSync(path, text.replace(/"identity":"[0-9a-f]{32}"/, `"identity":"${'0'.repeat(32)}"`));
      },
    ],
    ['has a record that cannot be read', 'record-unreadable', (at) => writeFileSync(join(at, 'job.json'), '{')],
  ])('is refused when it %s (%s)', async (_, code, damage) => {
    const migration = start('--hold');
    await migration.event('synchronized');
    const directory = await die(migration);
    damage(directory);
    const recovered = Migration.recover(scratch);
    expect(await recovered.end()).toMatchObject({ exitCode: 3 });
    expect(recovered.events.at(-1)).toMatchObject({ event: 'failed', code, dataIs: 'both' });
    await runCommand('umount', ['--lazy', join(directory, 'virtual-device')], 'unmounting');
    await runCommand('rm', ['-r', scratch.stateDirectory], 'removing the state');
  });

  it('is refused when its source has been written to since', async () => {
    const migration = start('--hold');
    await migration.event('synchronized');
    await die(migration);
    writeFileSync(source.path, 'mounted by somebody', { flag: 'r+' });
    for (const how of [[], ['--undo']]) {
      const recovered = Migration.recover(scratch, ...how);
      expect(await recovered.end()).toMatchObject({ exitCode: 3 });
      expect(recovered.events.at(-1)).toMatchObject({ code: 'source-changed', dataIs: 'both' });
    }
    await runCommand('rm', ['-r', scratch.stateDirectory], 'removing the state');
  });

  it('and whose power was cut at an instant has every durable write at the end', async () => {
    const migration = start('--hold', '--speed', 'gentle');
    const device = await migration.device();
    const directory = join(scratch.stateDirectory, 'jobs', await migration.job());
    const writer = new DurableWriter(23, before);
    const writing = writer.writeUntilItFails(device);
    await sleep(700);
    migration.signalJobProcess('SIGSTOP');
    await sleep(settleMs);
    const cut = writer.snapshot();
    const left = [source.file, destination.file, join(directory, 'journal')];
    for (const file of left) copyFileSync(file, `${file}.left`);
    await migration.kill();
    await writing;
    for (const file of left) writeFileSync(file, readFileSync(`${file}.left`), { flag: 'r+' });
    const recovered = Migration.recover(scratch);
    await recovered.event('synchronized');
    await recovered.ask('cutover');
    expect(await recovered.end()).toMatchObject({ exitCode: 0 });
    cut.expectOn(destination.path);
  });
});

describe.skipIf(!isRoot)('a job of a mounted volume that was killed (needs root)', () => {
  it('mounts it again on the virtual device, when the dead one is let go, and moves it to the end', async () => {
    const scratch = scratchOf();
    const volume = await makeMountedVolume(scratch);
    const migration = volume.migrate('--hold', '--speed', 'gentle');
    await migration.device();
    writeFileSync(`${volume.target}/durable`, 'written on the virtual device', { flush: true });
    await migration.kill();

    const early = Migration.recover(scratch);
    expect(await early.end()).toMatchObject({ exitCode: 3 });
    expect(early.events.at(-1)).toMatchObject({ code: 'virtual-device-held', dataIs: 'both' });
    await unmount(volume.target);

    const recovered = Migration.recover(scratch);
    await recovered.event('synchronized');
    expect(readFileSync(`${volume.target}/durable`, 'utf8')).toBe('written on the virtual device');
    writeFileSync(`${volume.target}/later`, 'after the crash', { flush: true });
    await recovered.ask('cutover');
    expect(await recovered.end()).toMatchObject({ exitCode: 0 });
    expect(await findMount(volume.target)).toMatchObject({ source: volume.destination.path });
    expect(readFileSync(`${volume.target}/later`, 'utf8')).toBe('after the crash');
    await unmount(volume.target);
    await checkFileSystem('ext4', volume.destination.path);
  });
});
