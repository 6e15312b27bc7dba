/**
 * Whole jobs where the kernel has device-mapper: a mounted volume stops once and is never unmounted again,
 * whoever mounts one that nothing used may stay, and devices that lie on the source never stop at all. What was
 * acknowledged is checked sector by sector, or by fio.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { sectorBytes } from '../../../app/base/units.ts';
import { deviceNumberAt } from '../../../app/devices/block-device.ts';
import { ownDevices } from '../../../app/devices/device-mapper.ts';
import { movedTo } from '../../../app/devices/dm-table.ts';
import { checkFileSystem, findMount, mount, unmount } from '../../system/support/file-system.ts';
import { runFio } from '../../system/support/fio.ts';
import type { LoopDisk } from '../../system/support/loop-disk.ts';
import { readPart } from '../../system/support/loop-disk.ts';
import { Migration } from '../../system/support/migration.ts';
import type { MountedVolume } from '../../system/support/mounted-volume.ts';
import { makeMountedVolume } from '../../system/support/mounted-volume.ts';
import { useScratch } from '../../system/support/scratch.ts';
import { SectorWriter } from '../../system/support/sector-writer.ts';
import { waitUntil } from '../../system/support/wait.ts';
import { numbersBelow } from '../busy-volumes.ts';
import { expectLiveTables, liveDeviceBytes, liveNames, makeLiveScene, startLive } from './live-scene.ts';
import { expectNoDevicesLeft } from '../own-devices.ts';

const scratch = useScratch();

/** Nothing of ours is left, whatever the job came to. */
expectNoDevicesLeft(scratch);

const writer = {
  rw: 'randrw',
  bs: '4k',
  size: '16M',
  verify: 'crc32c',
  verify_backlog: 256,
  time_based: 1,
  runtime: 4,
};

describe('a mounted volume', () => {
  it('is unmounted once, and cut over to the destination while fio writes and verifies', async () => {
    const { destination, target, mountedBefore, migrate } = await makeMountedVolume(scratch());
    const migration = migrate('--hold');
    const device = await migration.device();
    expect(await findMount(target)).toEqual({ ...mountedBefore, source: device });
    const fio = runFio(scratch(), `${target}/data`, [{ name: 'writer', options: writer }]);
    await migration.event('synchronized');
    await migration.ask('cutover');
    expect(await migration.end()).toMatchObject({ exitCode: 0 });
    expect((await fio)[0]?.error).toBe(0);

    expect(await findMount(target)).toEqual({ ...mountedBefore, source: device });
    expect(await ownDevices()).toEqual([device.replace('/dev/mapper/', '')]);
    const { report } = await migration.event('finished');
    expect(report).toMatchObject({
      staysOn: device,
      interruptions: [
        { at: 'start', how: 'unmounted' },
        { at: 'cut-over', how: 'suspended' },
      ],
    });
    console.log(
      `away and still, in ms: ${report.interruptions.map(({ elapsedMs }) => elapsedMs).join(', ')}`,
    );
    expect(migration.surprises).toEqual([]);
    await unmount(target);
    await waitUntil('the kernel has removed the device', async () => (await ownDevices()).length === 0);
    await checkFileSystem('ext4', destination.path);
  });

  it('goes back to the source with what was written', async () => {
    const { source, target, mountedBefore, migrate } = await makeMountedVolume(scratch());
    const migration = migrate('--hold');
    await migration.device();
    await runFio(scratch(), `${target}/data`, [{ name: 'writer', options: { ...writer, runtime: 1 } }]);
    await migration.ask('undo');
    expect(await migration.end()).toMatchObject({ exitCode: 8 });
    expect(await findMount(target)).toEqual(mountedBefore);
    await unmount(target);
    await checkFileSystem('ext4', source.path);
  });
});

describe('a volume that nothing uses', () => {
  async function startUnused(): Promise<MountedVolume & { migration: Migration; device: string }> {
    const volume = await makeMountedVolume(scratch());
    await unmount(volume.target);
    const migration = volume.migrate('--hold');
    const device = await migration.device();
    expect(device).toMatch(/^\/dev\/mapper\/diskferry-/);
    return { ...volume, migration, device };
  }

  /** What users write before the end, and after it on the same mount, is on that disk. */
  async function expectStays(
    { target, migration, device }: Awaited<ReturnType<typeof startUnused>>,
    { path }: LoopDisk,
    order: 'cutover' | 'undo',
  ): Promise<void> {
    await mount(device, target);
    const ballast = readFileSync(`${target}/ballast`);
    const fio = runFio(scratch(), `${target}/data`, [{ name: 'writer', options: { ...writer, runtime: 2 } }]);
    writeFileSync(`${target}/before`, 'written before the end', { flush: true });
    await migration.event('synchronized');
    await migration.event('graduated');
    await migration.ask(order);
    expect(await migration.end()).toMatchObject({ exitCode: order === 'undo' ? 8 : 0 });
    writeFileSync(`${target}/after`, 'written after it', { flush: true });
    expect((await fio)[0]?.error).toBe(0);
    expect((await findMount(target))?.source).toBe(device);
    expect(await numbersBelow(device.replace('/dev/mapper/', ''))).toEqual([deviceNumberAt(path)]);
    const { report } = await migration.event(order === 'undo' ? 'undone' : 'finished');
    const at = order === 'undo' ? 'undo' : 'cut-over';
    expect(report).toMatchObject({ staysOn: device, interruptions: [{ at, how: 'suspended' }] });
    expect(migration.surprises).toEqual([]);
    await unmount(target);
    await waitUntil('the kernel has removed the device', async () => (await ownDevices()).length === 0);
    await checkFileSystem('ext4', path);
    await mount(path, target);
    expect(readFileSync(`${target}/ballast`).equals(ballast)).toBe(true);
    expect(['before', 'after'].map((name) => readFileSync(`${target}/${name}`, 'utf8'))).toEqual([
      'written before the end',
      'written after it',
    ]);
    await unmount(target);
  }

  it('is mounted while it moves, and stays so at the cut-over while fio writes and verifies', async () => {
    const scene = await startUnused();
    await expectStays(scene, scene.destination, 'cutover');
  });

  it('is mounted while it moves, and stays so when it goes back to the source', async () => {
    const scene = await startUnused();
    await expectStays(scene, scene.source, 'undo');
  });

  it('comes back after a crash, and goes back to the source without a trace when nobody has come', async () => {
    const { source, migration, device } = await startUnused();
    await migration.event('synchronized');
    await migration.kill();
    const again = Migration.recover(scratch());
    expect(await again.device()).toBe(device);
    await again.event('synchronized');
    await again.ask('undo');
    expect(await again.end()).toMatchObject({ exitCode: 8 });
    expect((await again.event('undone')).report).toMatchObject({ staysOn: null });
    expect(await ownDevices()).toEqual([]);
    await checkFileSystem('ext4', source.path);
  });
});

describe('devices that lie on the source', () => {
  const names = liveNames;
  const pathOf = (name: string): string => `/dev/mapper/${name}`;
  const halfBytes = liveDeviceBytes;

  async function openWriters(): Promise<SectorWriter[]> {
    return Promise.all(
      names.map((name, index) => {
        const expected = readPart(pathOf(name), 0, halfBytes);
        return SectorWriter.open(scratch(), pathOf(name), { seed: index + 1, expected, sectorBytes });
      }),
    );
  }

  it('stay open from the first second to the last, and end up on the destination with every sector', async () => {
    const { source, destination, plan, tables } = await makeLiveScene(scratch());
    const writers = await openWriters();
    const { directory, job, events, end, reached } = await startLive(scratch(), plan);
    const write = async (): Promise<void> => {
      for (const writer of writers) await writer.run(100);
    };
    await reached('attached');
    await write();
    await reached('synchronized');
    await write();
    job.cutOver();
    await write();
    expect(await end).toBe('finished');
    await write();
    await expectLiveTables(
      tables.map((table) =>
        movedTo(table, { from: deviceNumberAt(source.path), to: deviceNumberAt(destination.path) }),
      ),
    );
    for (const writer of writers) await writer.close();
    const pauses = events.filter((event) => event.event === 'interrupted');
    expect(pauses.map(({ at, how }) => [at, how])).toEqual([
      ['start', 'suspended'],
      ['cut-over', 'suspended'],
    ]);
    console.log(`pauses in ms: ${pauses.map(({ elapsedMs }) => elapsedMs).join(', ')}`);
    // Record and journal go with the directory; nothing else is left in it.
    expect(readdirSync(directory).sort()).toEqual(['job.json', 'journal']);
  });

  it('go back to the source with every sector that was written', async () => {
    const { plan, tables } = await makeLiveScene(scratch());
    const writers = await openWriters();
    const { job, events, end, reached } = await startLive(scratch(), plan);
    await reached('attached');
    for (const one of writers) await one.run(100);
    await Promise.all(writers.map((one) => one.close()));
    // From another process: here, requests that are held back would take the threads that resume the device.
    const fio = runFio(scratch(), pathOf(names[0]), [{ name: 'writer', options: { ...writer, size: '8M' } }]);
    await sleep(1500);
    job.undo();
    expect(await end).toBe('undone');
    await expectLiveTables(tables);
    expect((await fio)[0]?.error).toBe(0);
    const last = writers[1]?.expected ?? Buffer.alloc(0);
    expect(readPart(pathOf(names[1]), 0, halfBytes).equals(last)).toBe(true);
    const stalls = events.filter((event) => event.event === 'interrupted');
    expect(stalls.map(({ at }) => at)).toEqual(['start', 'undo']);
    console.log(`stall of undo: ${stalls.at(-1)?.elapsedMs} ms`);
    expect(existsSync('/dev/mapper/diskferry-live-source')).toBe(false);
  });
});
