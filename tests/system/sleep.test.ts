/**
 * A machine that sleeps although a job keeps it awake, as when a lid is closed on a system without logind: all
 * processes stop where they are, and go on later.
 */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { faultRow } from '../fault-table.ts';
import { checkFileSystem, unmount } from './support/file-system.ts';
import type { Migration } from './support/migration.ts';
import type { MountedVolume } from './support/mounted-volume.ts';
import { makeMountedVolume } from './support/mounted-volume.ts';
import { useScratch } from './support/scratch.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();
/** Longer than anything that a job does once a second, or waits for. */
const asleepMs = 4000;

describe.skipIf(!isRoot)('a migration on a machine that sleeps (needs root)', () => {
  let volume: MountedVolume;

  beforeEach(async () => {
    volume = await makeMountedVolume(scratchOf());
  });

  function everybody(migration: Migration, signal: 'SIGSTOP' | 'SIGCONT'): void {
    migration.signal(signal);
    migration.signalJobProcess(signal);
  }

  it('while it copies: what was under way ends when it wakes, and the move goes on', async () => {
    const migration = volume.migrate('--hold', '--speed', 'gentle');
    await migration.pausedDevice();
    await migration.ask('resume');
    everybody(migration, 'SIGSTOP');
    let isWritten = false;
    const writing = writeFile(`${volume.target}/asleep`, 'written meanwhile', { flush: true }).then(() => {
      isWritten = true;
    });
    await sleep(asleepMs);
    expect(isWritten).toBe(false);
    everybody(migration, 'SIGCONT');
    await writing;
    await migration.event('synchronized');
    await migration.ask('cutover');
    expect(await migration.end()).toMatchObject({ exitCode: faultRow('the machine sleeps while it copies').exitCode });
    expect(migration.surprises).toEqual([]);
    expect(migration.eventsNamed('decision')).toEqual([]);
    expect(readFileSync(`${volume.target}/asleep`, 'utf8')).toBe('written meanwhile');
    await unmount(volume.target);
    await checkFileSystem('ext4', volume.destination.path);
  });
});
