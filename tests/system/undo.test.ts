/**
 * Until the commit a job can be undone: the source then holds exactly what consumers saw last, takes its old
 * place, and nothing that was acknowledged is missing.
 */
import { open } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import { checkFileSystem, findMount, makeFileSystem, mount, unmount } from './support/file-system.ts';
import { runFio } from './support/fio.ts';
import { Gate } from './support/gate.ts';
import { makeImage, makeLoopDisk, readPart } from './support/loop-disk.ts';
import { Migration } from './support/migration.ts';
import { makeMountedVolume } from './support/mounted-volume.ts';
import { useScratch } from './support/scratch.ts';
import { expectSame, SectorWriter } from './support/sector-writer.ts';
import { waitUntil } from './support/wait.ts';
import { Workload } from './support/workload.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();

describe.skipIf(!isRoot)('undo of a migration (needs root)', () => {
  it.each([
    ['before anything is copied', 'paused'],
    ['in the middle of the copy', 'copying'],
    ['when all has crossed', 'synchronized'],
  ] as const)('gives the source every sector that was written, %s', async (_, moment) => {
    const scratch = scratchOf();
    const sizeBytes = 48 * mebibyte + 512;
    const source = await makeLoopDisk(scratch, 'source', { sizeBytes, content: 'random' });
    const destination = await makeLoopDisk(scratch, 'destination', { sizeBytes, content: 'random' });
    const expected = readPart(source.path, 0, sizeBytes);

    const migration = Migration.start(
      scratch,
      { source: source.path, destination: destination.path },
      ...['--speed', 'gentle', '--hold'],
    );
    const device = await migration.pausedDevice();
    const writer = await SectorWriter.open(scratch, device, { seed: sizeBytes, expected, sectorBytes: 512 });
    await writer.run(200);
    if (moment !== 'paused') await migration.ask('resume');
    if (moment === 'synchronized') await migration.event('synchronized');
    await writer.run(100);
    await writer.close();
    await migration.ask('undo');
    expect(await migration.end()).toMatchObject({ exitCode: 8 });
    expect(migration.events.at(-1)).toMatchObject({ event: 'undone', report: { interruptions: [] } });
    const goingBack = migration.eventsNamed('progress').filter(({ phase }) => phase === 'undoing');
    expect(goingBack[0]?.toReturnBytes).toBeGreaterThan(0);
    expect(goingBack.at(-1)?.toReturnBytes).toBe(0);
    expectSame(readPart(source.path, 0, sizeBytes), expected);
  });

  it('puts a mounted volume and its users back on the source', async () => {
    const scratch = scratchOf();
    const sizeBytes = 256 * mebibyte;
    const source = await makeLoopDisk(scratch, 'source', { sizeBytes });
    const destination = await makeLoopDisk(scratch, 'destination', { sizeBytes, content: 'random' });
    await makeFileSystem('ext4', source.path);
    const target = await scratch.makeDirectory('volume');
    await mount(source.path, target, 'noatime');
    makeImage(`${target}/ballast`, 64 * mebibyte, 'random');
    const mountedBefore = await findMount(target);
    const workload = await Workload.start(scratch, [{ directory: `${target}/tree`, seed: 11 }]);
    await workload.doSteps(100);

    const migration = Migration.start(
      scratch,
      { source: source.path, destination: destination.path },
      ...['--speed', 'gentle', '--hold'],
      ...['--stop-command', workload.stopCommand, '--start-command', workload.startCommand],
    );
    await migration.event('attached');
    await workload.doSteps(100);
    await migration.ask('undo');
    expect(await migration.end()).toMatchObject({ exitCode: 8 });
    const { interruptions } = (await migration.event('undone')).report;
    expect(interruptions.map(({ at }) => at)).toEqual(['start', 'undo']);
    expect(interruptions.at(-1)?.elapsedMs).toBeGreaterThan(0);
    expect(await findMount(target)).toEqual(mountedBefore);
    expect(workload.isStopped).toBe(false);
    await workload.doSteps(50);
    await workload.end();
    await unmount(target);
    await checkFileSystem('ext4', source.path);
    await mount(source.path, target);
    await workload.expectTrees();
  });

  it('goes back beside a consumer who writes, and waits until he lets the virtual device go', async () => {
    const scratch = scratchOf();
    const sizeBytes = 16 * mebibyte + 512;
    const source = await makeLoopDisk(scratch, 'source', { sizeBytes, content: 'random' });
    const destination = await makeLoopDisk(scratch, 'destination', { sizeBytes });
    const expected = readPart(source.path, 0, sizeBytes);
    const migration = Migration.start(
      scratch,
      { source: source.path, destination: destination.path },
      '--hold',
    );
    const device = await migration.device();
    const writer = await SectorWriter.open(scratch, device, { seed: 5, expected, sectorBytes: 512 });
    await writer.run(200);
    let goesOn = true;
    const writing = writer.runWhile(() => goesOn);
    const before = writer.operations;
    await migration.ask('undo');
    await migration.event('warning', ({ code }) => code === 'volume-busy');
    // All has gone back, and he has not been held up meanwhile.
    expect(await migration.ask('status')).toMatchObject({ state: 'undoing' });
    const returned = writer.operations;
    expect(returned).toBeGreaterThan(before);
    await waitUntil('he has gone on', () => writer.operations > returned + 200);
    goesOn = false;
    await writing;
    await writer.close();
    expect(await migration.end()).toMatchObject({ exitCode: 8 });
    expectSame(readPart(source.path, 0, sizeBytes), expected);
  });

  it('leaves on the source what fio has written and verified before and meanwhile', async () => {
    const scratch = scratchOf();
    const sizeBytes = 128 * mebibyte;
    const source = await makeLoopDisk(scratch, 'source', { sizeBytes });
    const destination = await makeLoopDisk(scratch, 'destination', { sizeBytes });
    const migration = Migration.start(
      scratch,
      { source: source.path, destination: destination.path },
      '--hold',
    );
    const device = await migration.device();
    const verified = { rw: 'randwrite', bs: '4k', size: '32M', verify: 'crc32c' };
    const before = [{ name: 'before', options: { ...verified, offset: '64M' } }];
    const beside = [{ name: 'beside', options: { ...verified, rate_iops: 4000 } }];
    await runFio(scratch, device, before);
    // fio itself closes the device before it verifies.
    const held = await open(device);
    scratch.onRelease('the device', () => held.close());
    const fio = runFio(scratch, device, beside);
    await migration.event('progress', ({ consumer }) => consumer.writeIops > 0);
    await migration.ask('undo');
    await fio;
    await held.close();
    expect(await migration.end()).toMatchObject({ exitCode: 8 });
    expect(
      migration
        .eventsNamed('progress')
        .some(({ phase, consumer }) => phase === 'undoing' && consumer.writeIops > 0),
    ).toBe(true);
    for (const jobs of [before, beside]) await runFio(scratch, source.path, jobs, '--verify_only');
  });

  it('waits for a source that is write-protected', async () => {
    const scratch = scratchOf();
    const sizeBytes = 16 * mebibyte;
    const source = await makeLoopDisk(scratch, 'source', { sizeBytes, content: 'random' });
    const destination = await makeLoopDisk(scratch, 'destination', { sizeBytes });
    const protect = (way: string) => async (): Promise<void> => {
      await runCommand('blockdev', [way, source.path], 'switching the write protection');
    };
    // The protection would stay with the loop device's number, for whoever gets it next.
    scratch.onRelease('the write protection', protect('--setrw'));
    const expected = readPart(source.path, 0, sizeBytes);
    const migration = Migration.start(
      scratch,
      { source: source.path, destination: destination.path },
      '--hold',
    );
    const device = await migration.device();
    const writer = await SectorWriter.open(scratch, device, { seed: 6, expected, sectorBytes: 512 });
    await writer.run(50);
    await writer.close();
    await protect('--setro')();
    await migration.ask('undo');
    const { message, choices } = await migration.event('decision');
    expect(message).toContain(source.path);
    expect(choices.map(({ choice }) => choice)).toEqual(['undo']);
    await protect('--setrw')();
    await migration.ask('undo');
    expect(await migration.end()).toMatchObject({ exitCode: 8 });
    expectSame(readPart(source.path, 0, sizeBytes), expected);
  });

  it('is heard while the users are being stopped for the cut-over', async () => {
    const scratch = scratchOf();
    const { source, target, migrate } = await makeMountedVolume(scratch);
    const [stop, start] = [new Gate(scratch, 'stop'), new Gate(scratch, 'start')];
    const migration = migrate('--hold', '--stop-command', stop.command, '--start-command', start.command);
    await migration.event('synchronized');
    stop.close();
    await migration.ask('cutover');
    await stop.reached(2);
    await migration.ask('undo');
    stop.open();
    expect(await migration.end()).toMatchObject({ exitCode: 8 });
    expect(await findMount(target)).toMatchObject({ source: source.path });
    await unmount(target);
  });

  it('is refused once the destination is the truth', async () => {
    const scratch = scratchOf();
    const { destination, target, migrate } = await makeMountedVolume(scratch);
    const [stop, start] = [new Gate(scratch, 'stop'), new Gate(scratch, 'start')];
    const migration = migrate('--hold', '--stop-command', stop.command, '--start-command', start.command);
    await migration.event('synchronized');
    start.close();
    await migration.ask('cutover');
    await start.reached(2);
    await expect(migration.ask('undo')).rejects.toMatchObject({ code: 'job-state' });
    migration.signal('SIGINT');
    start.open();
    expect(await migration.end()).toMatchObject({ exitCode: 0 });
    expect(await findMount(target)).toMatchObject({ source: destination.path });
    await unmount(target);
  });
});
