/**
 * Ctrl-C and a polite kill, at every stage of a job: the volume comes back where it was, mounted as it was,
 * its users running, with everything that they wrote. Never a half.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { faultRow } from '../fault-table.ts';
import { checkFileSystem, findMount, unmount } from './support/file-system.ts';
import { Gate } from './support/gate.ts';
import type { Migration } from './support/migration.ts';
import type { MountedVolume } from './support/mounted-volume.ts';
import { makeMountedVolume } from './support/mounted-volume.ts';
import { useScratch } from './support/scratch.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();

describe.skipIf(!isRoot)('a migration that is interrupted (needs root)', () => {
  let volume: MountedVolume;
  let stop: Gate;
  let start: Gate;

  beforeEach(async () => {
    const scratch = scratchOf();
    volume = await makeMountedVolume(scratch);
    [stop, start] = [new Gate(scratch, 'stop'), new Gate(scratch, 'start')];
  });

  function migrate(...more: string[]): Migration {
    return volume.migrate('--stop-command', stop.command, '--start-command', start.command, ...more);
  }

  /** The job is undone; `calls` is how often users were stopped and started. */
  async function expectUndone(migration: Migration, calls: number): Promise<void> {
    expect(await migration.end()).toMatchObject({ exitCode: 8 });
    expect(migration.events.at(-1)).toMatchObject({ event: 'undone' });
    expect(await findMount(volume.target)).toEqual(volume.mountedBefore);
    expect([stop.calls, start.calls]).toEqual([calls, calls]);
    await unmount(volume.target);
    await checkFileSystem('ext4', volume.source.path);
  }

  it('while its users are being stopped', async () => {
    stop.close();
    const migration = migrate();
    await stop.reached(1);
    migration.interrupt();
    stop.open();
    await expectUndone(migration, 2);
  });

  it('while its users are being started on the virtual device', async () => {
    start.close();
    const migration = migrate();
    await start.reached(1);
    migration.interrupt();
    start.open();
    await expectUndone(migration, 2);
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('by %s while it copies', async (signal) => {
    const migration = migrate('--hold');
    await migration.pausedDevice();
    writeFileSync(`${volume.target}/new`, 'written on the virtual device');
    migration.signal(signal);
    const { exitCode } = faultRow('SIGINT, SIGTERM or SIGHUP while copying');
    expect(await migration.end()).toMatchObject({ exitCode });
    expect(readFileSync(`${volume.target}/new`, 'utf8')).toBe('written on the virtual device');
    await expectUndone(migration, 2);
  });

  it('while it waits for the cut-over', async () => {
    const migration = migrate('--hold');
    await migration.event('synchronized');
    migration.interrupt();
    await expectUndone(migration, 2);
  });

  it('twice, and again while it goes back', async () => {
    const migration = migrate('--hold');
    await migration.event('synchronized');
    stop.close();
    migration.interrupt();
    migration.interrupt();
    await stop.reached(2);
    migration.interrupt();
    migration.signal('SIGTERM');
    stop.open();
    await expectUndone(migration, 2);
  });
});
