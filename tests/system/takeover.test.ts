/**
 * The process that serves the volume is killed with SIGKILL while the volume is in use: its supervisor starts
 * another one, which goes on with the same virtual device. Consumers see a pause and no error; nothing that was
 * acknowledged is lost. With DISKFERRY_SOAK=1 it is killed a hundred times.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { present } from '../../app/base/error.ts';
import { mebibyte } from '../../app/base/units.ts';
import { exitCodes } from '../../app/contract/exit-codes.ts';
import { runProgram } from '../../app/devices/program.ts';
import { canBeTakenOver } from '../../app/engine/fuse-device.ts';
import { keepInRecord } from '../../app/migration/job-record.ts';
import { isHeld, lockDeadJob } from '../../app/migration/read-journal.ts';
import { readDirect } from './support/direct-io.ts';
import { checkFileSystem, findMount, unmount } from './support/file-system.ts';
import { makeLoopDisk } from './support/loop-disk.ts';
import { Migration } from './support/migration.ts';
import { makeMountedVolume } from './support/mounted-volume.ts';
import { useScratch } from './support/scratch.ts';
import { usuallyOrInSoak } from './support/soak.ts';
import { waitUntil } from './support/wait.ts';

const isPossible = process.getuid?.() === 0 && canBeTakenOver();
const scratchOf = useScratch();
const kills = usuallyOrInSoak(3, 100);
const testMsMax = usuallyOrInSoak(180_000, 1_800_000);
/** Three successors a minute are allowed. */
const pauseMs = usuallyOrInSoak(500, 20_500);

/** At a random moment; returns when another one has taken over. */
async function killAndFollow(migration: Migration): Promise<void> {
  const before = migration.eventsNamed('warning').filter(({ code }) => code === 'taken-over').length;
  await sleep(pauseMs + Math.random() * 500);
  migration.signalJobProcess('SIGKILL');
  const isNew = (): boolean => migration.eventsNamed('warning').filter(({ code }) => code === 'taken-over').length > before;
  await migration.event('warning', isNew);
}

/** Before a successor has it, which takes the start of a process. */
async function lockAsUnmask(directory: string): Promise<() => Promise<void>> {
  let unlock: (() => Promise<void>) | undefined;
  await waitUntil('the dead process has let go of its journal', async () => {
    try {
      unlock = await lockDeadJob(directory);
    } catch (error) {
      if (!isHeld(error)) throw error;
    }
    return unlock !== undefined;
  });
  return present(unlock, 'a lock that was waited for');
}

/** What nobody serves any more, by hand. */
async function giveUp(target: string, directory: string): Promise<void> {
  await unmount(target);
  await runProgram('umount', [`${directory}/virtual-device`]);
  await runProgram('rm', ['-r', scratchOf().stateDirectory]);
}

describe.skipIf(!isPossible)('a killed job process (needs root and kernel 6.9)', { timeout: testMsMax }, () => {
  it('is followed by others, under fio verify, without an error', async () => {
    const sizeBytes = 128 * mebibyte;
    const source = await makeLoopDisk(scratchOf(), 'source', { sizeBytes });
    const destination = await makeLoopDisk(scratchOf(), 'destination', { sizeBytes });
    const disks = { source: source.path, destination: destination.path };
    const migration = Migration.start(scratchOf(), disks, '--hold', '--speed', 'gentle');
    const device = await migration.device();
    const load = [
      ...['--name=load', '--rw=randrw', '--bsrange=512-64k', '--direct=1', '--ioengine=libaio', '--iodepth=16'],
      ...['--verify=crc32c', '--verify_fatal=1', '--verify_state_save=0', '--size=32m'],
      ...['--rate_iops=400', '--output-format=terse'],
      ...['--time_based', `--runtime=${Math.ceil((kills * (pauseMs + 3000)) / 1000)}`, `--filename=${device}`],
    ];
    const served = runProgram('fio', load);
    for (let count = 0; count < kills; count += 1) await killAndFollow(migration);
    expect(await served).toMatchObject({ exitCode: 0, stderr: '' });
    await migration.event('synchronized');
    const shown = readDirect(device, 0, 32 * mebibyte);
    await migration.ask('cutover');
    expect(await migration.end()).toMatchObject({ exitCode: 0 });
    expect(readDirect(destination.path, 0, 32 * mebibyte).equals(shown)).toBe(true);
  });

  it('is followed by one that goes back to the source with all that was written before and after', async () => {
    const volume = await makeMountedVolume(scratchOf());
    const migration = volume.migrate('--hold');
    await migration.pausedDevice();
    writeFileSync(`${volume.target}/before`, 'written before', { flush: true });
    await killAndFollow(migration);
    writeFileSync(`${volume.target}/after`, 'written after', { flush: true });
    expect(await migration.ask('status')).toMatchObject({ state: 'paused' });
    migration.interrupt();
    expect(await migration.end()).toMatchObject({ exitCode: 8 });
    expect(await findMount(volume.target)).toEqual(volume.mountedBefore);
    expect(readFileSync(`${volume.target}/before`, 'utf8')).toBe('written before');
    expect(readFileSync(`${volume.target}/after`, 'utf8')).toBe('written after');
    await unmount(volume.target);
    await checkFileSystem('ext4', volume.source.path);
  });

  it('is followed by nobody where a disk of it has been unmasked in between', async () => {
    const volume = await makeMountedVolume(scratchOf());
    const migration = volume.migrate('--hold');
    await migration.event('synchronized');
    const job = await migration.job();
    const directory = `${scratchOf().stateDirectory}/jobs/${job}`;
    migration.signalJobProcess('SIGKILL');
    const unlock = await lockAsUnmask(directory);
    await keepInRecord(directory, job, { unmasked: 'source' });
    await unlock();
    expect(await migration.end()).toMatchObject({ exitCode: exitCodes.refused });
    expect(migration.events.at(-1)).toMatchObject({ event: 'failed', code: 'disk-unmasked', dataIs: 'both' });
    await giveUp(volume.target, directory);
  });

  it('is given up when it dies again and again: then there are errors, and the user is told', async () => {
    const volume = await makeMountedVolume(scratchOf());
    const migration = volume.migrate('--hold');
    await migration.event('synchronized');
    for (let count = 0; count < 3; count += 1) {
      const seen = migration.eventsNamed('warning').length;
      migration.signalJobProcess('SIGKILL');
      await migration.event('warning', () => migration.eventsNamed('warning').length > seen);
    }
    migration.signalJobProcess('SIGKILL');
    expect(await migration.end()).toMatchObject({ exitCode: 4 });
    expect(migration.events.at(-1)).toMatchObject({ event: 'failed', code: 'engine-died', dataIs: 'both' });
    expect(() => writeFileSync(`${volume.target}/more`, 'x', { flush: true })).toThrow(/EIO|EROFS/);
    await giveUp(volume.target, `${scratchOf().stateDirectory}/jobs/${await migration.job()}`);
  });
});
