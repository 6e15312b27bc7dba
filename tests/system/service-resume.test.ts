/**
 * What a reset of the machine leaves of a move of a mounted volume: both disks hidden, nothing mounted, other names, and
 * one of them not there yet. The service that starts then has the volume back where it was, and the move goes on.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import { readMounts } from '../../app/devices/mounts.ts';
import { runProgram } from '../../app/devices/program.ts';
import { VolumeMounts } from '../../app/substitution/volume-mounts.ts';
import { checkFileSystem, findMount, makeFileSystem, mount, unmount } from './support/file-system.ts';
import { attachLoopDisk, makeLoopDisk } from './support/loop-disk.ts';
import { useScratch } from './support/scratch.ts';
import { Service, hasEnded, haveAllLeft } from './support/service.ts';
import { waitUntil } from './support/wait.ts';

const isRoot = process.getuid?.() === 0;
const scratch = useScratch();
const sizeBytes = 64 * mebibyte;
const how = ['--frontend', 'fuse', '--unmount-at-cutover', '--hold', '--yes', '--json'];

async function stateOf(service: Service): Promise<{ state: string; destination: string | null } | undefined> {
  const { stdout } = await service.cli(['status', '--json']);
  const [line = ''] = stdout.trim().split('\n');
  return line === '' ? undefined : (JSON.parse(line) as { state: string; destination: string | null });
}

async function awaitState(service: Service, state: string): Promise<void> {
  await waitUntil(`it is ${state}`, async () => (await stateOf(service))?.state === state);
}

/** All that the kernel knew is gone, and the boot that the record names is over. */
async function reset(service: Service, job: string): Promise<void> {
  await service.kill();
  await service.killJobs();
  const directory = `${scratch().stateDirectory}/jobs/${job}`;
  const virtual = `${directory}/virtual-device`;
  const loops = await runCommand('losetup', ['--noheadings', '--output', 'NAME', '--associated', virtual], 'looking');
  for (const loop of loops.split('\n').map((name) => name.trim())) {
    if (loop === '') continue;
    for (const { target } of readMounts().filter(({ source }) => source === loop)) await unmount(target);
    // It may go by itself with its last user.
    await runProgram('losetup', ['--detach', loop]);
  }
  if (readMounts().some(({ target }) => target === virtual)) await unmount(virtual);
  const path = `${directory}/job.json`;
  const record = JSON.parse(readFileSync(path, 'utf8')) as object;
  writeFileSync(path, JSON.stringify({ ...record, bootId: 'an earlier one' }));
}

describe.skipIf(!isRoot)('a move of a mounted volume that a reset broke off', () => {
  it('goes on by itself when its last disk has come, with the volume where it was', async () => {
    const service = await Service.start(scratch());
    const source = await makeLoopDisk(scratch(), 'source', { sizeBytes });
    const destination = await makeLoopDisk(scratch(), 'destination', { sizeBytes });
    await makeFileSystem('ext4', source.path);
    const target = await scratch().makeDirectory('volume');
    await mount(source.path, target, 'noatime,nodev');
    writeFileSync(`${target}/before`, 'written before');
    const started = await service.cli(['start', '--source', source.path, '--destination', destination.path, ...how]);
    expect(started).toMatchObject({ exitCode: 0, stderr: '' });
    const { job } = JSON.parse(started.stdout) as { job: string };
    await awaitState(service, 'synchronized');
    writeFileSync(`${target}/during`, 'written during the move');
    await runCommand('sync', ['--file-system', target], 'flushing');

    await reset(service, job);
    await runCommand('losetup', ['--detach', source.path], 'detaching');
    await runCommand('losetup', ['--detach', destination.path], 'detaching');
    // Whose name another disk has now.
    const stranger = await makeLoopDisk(scratch(), 'stranger', { sizeBytes, content: 'random' });
    const before = readFileSync(stranger.file);
    await attachLoopDisk(source.file, sizeBytes);
    await service.serve();
    await waitUntil('the disk is missed', () => service.stderr.includes('It is tried again when a disk comes.'));
    expect(await stateOf(service)).toMatchObject({ state: 'died' });
    expect(await findMount(target)).toBeUndefined();

    await attachLoopDisk(destination.file, sizeBytes);
    await awaitState(service, 'synchronized');
    const mounted = await findMount(target);
    expect(mounted?.options.split(',')).toEqual(expect.arrayContaining(['rw', 'noatime', 'nodev']));
    expect(readFileSync(`${target}/during`, 'utf8')).toBe('written during the move');
    writeFileSync(`${target}/after`, 'written after the reset');
    expect((await service.cli(['cutover', job])).exitCode).toBe(0);
    await waitUntil('it has ended', () => hasEnded(scratch(), job));
    await waitUntil('it has left', () => haveAllLeft(scratch()));
    const texts = ['before', 'during', 'after'].map((name) => readFileSync(`${target}/${name}`, 'utf8'));
    expect(texts).toEqual(['written before', 'written during the move', 'written after the reset']);
    expect((await findMount(target))?.options.split(',')).toContain('noatime');
    await unmount(target);
    await checkFileSystem('ext4', destination.file);
    expect(readFileSync(stranger.file).equals(before)).toBe(true);
  });
});

it.skipIf(!isRoot)('a volume that the system has mounted where it was is not mounted again', async () => {
  const disk = await makeLoopDisk(scratch(), 'volume', { sizeBytes });
  await makeFileSystem('ext4', disk.path);
  const target = await scratch().makeDirectory('volume');
  await mount(disk.path, target);
  const propagation = { peerGroup: null, masterGroup: null, isUnbindable: false };
  const place = { target, fsType: 'ext4', options: 'rw', readOnlyHere: false, userOptions: '', root: '/', propagation };
  const mounts = new VolumeMounts([place], 'recovered');
  await mounts.mountAll(disk.path);
  expect(readMounts().filter((one) => one.target === target)).toHaveLength(1);
  // It is ours from then on.
  await mounts.unmountAll(disk.path);
  expect(await findMount(target)).toBeUndefined();
});
