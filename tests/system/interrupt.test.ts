/**
 * Ctrl-C and a polite kill, at every stage of a job: the volume comes back where it was, mounted as it was,
 * its users running, with everything that they wrote. Never a half.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import type { MountState } from './support/file-system.ts';
import { checkFileSystem, findMount, makeFileSystem, mount, unmount } from './support/file-system.ts';
import { Gate } from './support/gate.ts';
import type { LoopDisk } from './support/loop-disk.ts';
import { makeImage, makeLoopDisk } from './support/loop-disk.ts';
import { Migration } from './support/migration.ts';
import { useScratch } from './support/scratch.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();

const diskBytes = 128 * mebibyte;

interface Stage {
  readonly source: LoopDisk;
  readonly target: string;
  readonly mountedBefore: MountState | undefined;
  readonly stop: Gate;
  readonly start: Gate;
  readonly migrate: (...parameters: string[]) => Migration;
}

/** A mounted volume with 64 MiB on it, and commands that a test can hold up. */
async function setStage(): Promise<Stage> {
  const scratch = scratchOf();
  const source = await makeLoopDisk(scratch, 'source', { sizeBytes: diskBytes });
  const destination = await makeLoopDisk(scratch, 'destination', { sizeBytes: diskBytes });
  await makeFileSystem('ext4', source.path);
  const target = await scratch.makeDirectory('volume');
  await mount(source.path, target, 'noatime');
  makeImage(`${target}/ballast`, diskBytes / 2, 'random');
  const [stop, start] = [new Gate(scratch, 'stop'), new Gate(scratch, 'start')];
  const commands = ['--stop-command', stop.command, '--start-command', start.command];
  const disks = { source: source.path, destination: destination.path };
  const migrate = (...more: string[]): Migration => Migration.start(scratch, disks, ...commands, ...more);
  return { source, target, mountedBefore: await findMount(target), stop, start, migrate };
}

describe.skipIf(!isRoot)('a migration that is interrupted (needs root)', () => {
  let stage: Stage;

  beforeEach(async () => {
    stage = await setStage();
  });

  /** The job is undone; `calls` is how often users were stopped and started. */
  async function expectUndone(migration: Migration, calls: number): Promise<void> {
    expect(await migration.end()).toMatchObject({ exitCode: 8 });
    expect(migration.events.at(-1)).toMatchObject({ event: 'undone' });
    expect(await findMount(stage.target)).toEqual(stage.mountedBefore);
    expect([stage.stop.calls, stage.start.calls]).toEqual([calls, calls]);
    await unmount(stage.target);
    await checkFileSystem('ext4', stage.source.path);
  }

  it('while its users are being stopped', async () => {
    stage.stop.close();
    const migration = stage.migrate();
    await stage.stop.reached(1);
    migration.interrupt();
    stage.stop.open();
    await expectUndone(migration, 2);
  });

  it('while its users are being started on the virtual device', async () => {
    stage.start.close();
    const migration = stage.migrate();
    await stage.start.reached(1);
    migration.interrupt();
    stage.start.open();
    await expectUndone(migration, 2);
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('by %s while it copies', async (signal) => {
    const migration = stage.migrate('--hold');
    await migration.event('attached');
    await migration.ask('pause');
    writeFileSync(`${stage.target}/new`, 'written on the virtual device');
    migration.signal(signal);
    await migration.end();
    expect(readFileSync(`${stage.target}/new`, 'utf8')).toBe('written on the virtual device');
    await expectUndone(migration, 2);
  });

  it('while it waits for the cut-over', async () => {
    const migration = stage.migrate('--hold');
    await migration.event('synchronized');
    migration.interrupt();
    await expectUndone(migration, 2);
  });

  it('twice, and again while it goes back', async () => {
    const migration = stage.migrate('--hold');
    await migration.event('synchronized');
    stage.stop.close();
    migration.interrupt();
    migration.interrupt();
    await stage.stop.reached(2);
    migration.interrupt();
    migration.signal('SIGTERM');
    stage.stop.open();
    await expectUndone(migration, 2);
  });
});
