/**
 * What goes wrong while devices are moved live, with real causes: each time they run on the table that they
 * had, nothing of ours is left, and the message says what stood in the way.
 */
import { readFileSync, renameSync } from 'node:fs';
import { release } from 'node:os';
import { describe, expect, it } from 'vitest';
import { sectorBytes } from '../../../app/base/units.ts';
import { deviceNumberAt } from '../../../app/devices/block-device.ts';
import { runCommand } from '../../../app/devices/command.ts';
import {
  createMapped,
  ensureDeviceMapper,
  ownDevices,
  removeMapped,
  replaceTable,
} from '../../../app/devices/device-mapper.ts';
import type { Segment } from '../../../app/devices/dm-table.ts';
import { linearTable, movedTo } from '../../../app/devices/dm-table.ts';
import { makeFileSystem, mount, unmount } from '../../system/support/file-system.ts';
import { readPart } from '../../system/support/loop-disk.ts';
import { useScratch } from '../../system/support/scratch.ts';
import type { LiveScene } from './live-scene.ts';
import { expectLiveTables, liveDeviceBytes, liveNames, makeLiveScene, startLive } from './live-scene.ts';

const scratch = useScratch();

async function expectUntouched({ tables }: LiveScene): Promise<void> {
  await expectLiveTables(tables);
  for (const name of liveNames)
    expect(readPart(`/dev/mapper/${name}`, 0, sectorBytes)).toHaveLength(sectorBytes);
}

describe('a start', () => {
  it('leaves everything as it was when a name is taken or the destination is mounted', async () => {
    const scene = await makeLiveScene(scratch());
    const { source, destination, plan } = scene;
    const expectRefusal = async (error: object): Promise<void> => {
      const { end } = await startLive(scratch(), plan);
      await expect(end).rejects.toMatchObject(error);
      await expectUntouched(scene);
    };
    for (const role of ['source', 'destination']) {
      const name = `diskferry-live-${role}`;
      const place = { device: deviceNumberAt(source.path), startSector: 0 };
      await createMapped({ name, segments: linearTable(place, 8), readOnly: true });
      const message = `/dev/mapper/${name}: a device of this name exists already`;
      await expectRefusal({ code: 'device-in-use', message });
      expect(await ownDevices()).toEqual([name]);
      await removeMapped(name);
    }
    await makeFileSystem('ext4', destination.path);
    const target = await scratch().makeDirectory('mounted');
    await mount(destination.path, target);
    await expectRefusal({ code: 'device-in-use' });
    await unmount(target);
    expect(await ownDevices()).toEqual([]);
  });
});

describe('a cut-over', () => {
  it('takes along the tables as they are then, also one that somebody has changed', async () => {
    const scene = await makeLiveScene(scratch());
    const { job, events, end, reached } = await startLive(scratch(), scene.plan);
    await reached('graduated');
    const [name] = liveNames;
    const virtual = deviceNumberAt(events.find((event) => event.event === 'attached')?.device ?? '');
    // The same bytes in two segments: not the table that we made.
    const halfSectors = liveDeviceBytes / sectorBytes / 2;
    const half = (startSector: number): Segment[] =>
      linearTable({ device: virtual, startSector }, halfSectors);
    const foreign = [
      ...half(halfSectors * 2),
      ...half(halfSectors * 3).map((one) => ({ ...one, startSector: halfSectors })),
    ];
    await replaceTable({ name, segments: foreign, flushFd: null });
    job.cutOver();
    expect(await end).toBe('finished');
    const to = deviceNumberAt(scene.destination.path);
    const [, ...others] = scene.tables;
    const from = deviceNumberAt(scene.source.path);
    await expectLiveTables([
      movedTo(foreign, { from: virtual, to }),
      ...others.map((one) => movedTo(one, { from, to })),
    ]);
  });
});

/** With the modules that use it, such as those that other tests have loaded. */
async function removeModule(name: string): Promise<void> {
  const users =
    moduleLine(name)?.[3]
      ?.split(',')
      .filter((user) => user !== '' && user !== '-') ?? [];
  for (const user of users) await removeModule(user);
  // modprobe takes with the last user what nobody needs any more.
  if (moduleLine(name) !== undefined)
    await runCommand('modprobe', ['--remove', name], `removing the module ${name}`);
}

/** Name, size, count of users, their names (proc(5)). */
function moduleLine(name: string): string[] | undefined {
  const lines = readFileSync('/proc/modules', 'utf8').split('\n');
  return lines.map((line) => line.split(' ')).find(([module]) => module === name);
}

describe('a kernel without device-mapper', () => {
  it('fails to start, and says so', async () => {
    await removeModule('dm_mod');
    const modules = `/lib/modules/${release()}`;
    renameSync(modules, `${modules}-away`);
    try {
      await expect(ensureDeviceMapper()).rejects.toMatchObject({
        message: expect.stringContaining('dm_mod'),
      });
    } finally {
      renameSync(`${modules}-away`, modules);
    }
    await ensureDeviceMapper();
  });
});
