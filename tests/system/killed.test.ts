/**
 * The job's process is killed, or its connection to the kernel is cut: consumers get errors at once instead
 * of hanging, later commands say what has happened, and the machine can be cleaned by hand in three steps
 * (support/traces.ts).
 */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { runCommand } from '../../app/devices/command.ts';
import { faultRow } from '../fault-table.ts';
import { checkFileSystem, findMount, unmount } from './support/file-system.ts';
import { readDirect } from './support/direct-io.ts';
import type { Migration } from './support/migration.ts';
import { runCli } from './support/migration.ts';
import type { MountedVolume } from './support/mounted-volume.ts';
import { makeMountedVolume } from './support/mounted-volume.ts';
import type { Scratch } from './support/scratch.ts';
import { useScratch } from './support/scratch.ts';
import { sweep, tracesIn } from './support/traces.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();

describe.skipIf(!isRoot)('a migration (needs root)', () => {
  let scratch: Scratch;
  let volume: MountedVolume;

  beforeEach(async () => {
    scratch = scratchOf();
    volume = await makeMountedVolume(scratch);
  });

  /** As the kernel's administrator can do it: /sys/fs/fuse/connections/N/abort. */
  async function abortFuse(migration: Migration): Promise<void> {
    const control = await scratch.makeDirectory('fusectl');
    await runCommand('mount', ['-t', 'fusectl', 'diskferry-test', control], 'mounting fusectl');
    const file = join(scratch.stateDirectory, 'jobs', await migration.job(), 'virtual-device');
    // The connection's number is the device's minor number, of which stat keeps the lower 8 bits in place.
    writeFileSync(join(control, String(statSync(file).dev & 0xff), 'abort'), '1');
  }

  it('that is killed leaves errors and no hanging consumer, and a machine that can be cleaned', async () => {
    const migration = volume.migrate('--hold');
    const device = await migration.device();
    await migration.event('synchronized');
    writeFileSync(`${volume.target}/durable`, 'written on the virtual device', { flush: true });
    await migration.kill();
    expect(() => readDirect(device, 0, 4096)).toThrow('EIO');
    expect(() => writeFileSync(`${volume.target}/more`, 'x', { flush: true })).toThrow(/EIO|EROFS/);

    const said = await runCli('status', '--state-dir', scratch.stateDirectory);
    expect(said).toMatchObject({ exitCode: 0 });
    expect(said.stderr).toContain(await migration.job());
    expect(said.stderr).not.toContain('No job is running');
    for (const command of [['undo'], ['resume', await migration.job()]]) {
      const told = await runCli(...command, '--state-dir', scratch.stateDirectory);
      expect(told).toMatchObject({
        exitCode: 3,
        stderr: expect.stringMatching(/died while .* keep both/) as string,
      });
    }

    expect(await scratch.tracesOfJobs()).toHaveLength(4);
    await unmount(volume.target);
    await sweep(scratch.stateDirectory);
    const again = volume.migrate();
    expect(await again.end()).toMatchObject({ exitCode: 3 });
    expect(again.events.at(-1)).toMatchObject({ code: 'earlier-job-died' });
    await runCommand('rm', ['-r', scratch.stateDirectory], 'removing the state');
    expect(await tracesIn(scratch.stateDirectory)).toEqual([]);
  });

  it('whose engine dies gives errors to its consumers, says so, and keeps its record', async () => {
    vi.stubEnv(
      'NODE_OPTIONS',
      `--require ${fileURLToPath(new URL('support/engine-fault.cjs', import.meta.url))}`,
    );
    const migration = volume.migrate('--hold');
    vi.unstubAllEnvs();
    const device = await migration.device();
    await migration.event('synchronized');
    await migration.setSpeed('gentle');
    const { exitCode, dataIs } = faultRow("the engine's thread dies");
    expect(await migration.end()).toMatchObject({ exitCode });
    const last = migration.events.at(-1);
    expect(last).toMatchObject({ event: 'failed', code: 'engine-died', dataIs });
    expect(last).toMatchObject({ message: expect.stringContaining('a fault for the test') as string });
    expect(() => readDirect(device, 0, 4096)).toThrow('EIO');
    await unmount(volume.target);
    expect(await scratch.tracesOfJobs()).toEqual([`directory of job ${await migration.job()}`]);

    const again = volume.migrate();
    expect(await again.end()).toMatchObject({ exitCode: 3 });
    expect(again.events.at(-1)).toMatchObject({ code: 'earlier-job-died' });
    await runCommand('rm', ['-r', scratch.stateDirectory], 'removing the state');
  });

  it('whose FUSE connection is cut ends on the destination with all that was acknowledged', async () => {
    const migration = volume.migrate('--hold');
    await migration.event('synchronized');
    writeFileSync(`${volume.target}/durable`, 'written on the virtual device', { flush: true });
    await abortFuse(migration);
    expect(() => writeFileSync(`${volume.target}/more`, 'x', { flush: true })).toThrow();
    await migration.ask('cutover');
    // Pages that could not be written back are lost, which a person must hear before the job goes on.
    await migration.event('decision', ({ message }) => message.includes('without being synced'));
    await migration.ask('resume');
    expect(await migration.end()).toMatchObject({ exitCode: 0 });
    expect(await findMount(volume.target)).toMatchObject({ source: volume.destination.path });
    expect(readFileSync(`${volume.target}/durable`, 'utf8')).toBe('written on the virtual device');
    await unmount(volume.target);
    await checkFileSystem('ext4', volume.destination.path);
  });
});
