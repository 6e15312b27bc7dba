/**
 * Device-mapper by our own ioctls, in a guest whose kernel has it and whose /dev has no udev: tables,
 * nodes, what holds while a device is suspended, errors by name, and tables that change under a mounted
 * file system while fio writes and verifies.
 */
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { mebibyte, sectorBytes } from '../../app/base/units.ts';
import { majorMinorOf } from '../../app/devices/block-device.ts';
import { runCommand } from '../../app/devices/command.ts';
import {
  createMapped,
  dependenciesOf,
  infoOf,
  ownDevices,
  removeMapped,
  replaceTable,
  statusOf,
  tableOf,
} from '../../app/devices/device-mapper.ts';
import type { MappedDevice } from '../../app/devices/device-mapper.ts';
import type { DevicePlace, Mapping, Segment } from '../../app/devices/dm-table.ts';
import { linearTable } from '../../app/devices/dm-table.ts';
import { addon } from '../../native/binding.ts';
import {
  clearTable,
  deviceMapperVersion,
  deviceTable,
  loadTable,
  resumeDevice,
  suspendDevice,
} from '../../native/device-mapper.ts';
import { checkFileSystem, findMount, makeFileSystem, mount, unmount } from '../system/support/file-system.ts';
import { runFio } from '../system/support/fio.ts';
import type { LoopDisk } from '../system/support/loop-disk.ts';
import { attachLoopDisk, countersOf, makeLoopDisk, readPart } from '../system/support/loop-disk.ts';
import { useScratch } from '../system/support/scratch.ts';

const scratch = useScratch();
const diskBytes = 64 * mebibyte;
const diskSectors = diskBytes / sectorBytes;
const name = 'diskferry-test';

let first: LoopDisk;
let second: LoopDisk;

beforeEach(async () => {
  first = await makeLoopDisk(scratch(), 'first', { sizeBytes: diskBytes });
  second = await makeLoopDisk(scratch(), 'second', { sizeBytes: diskBytes });
});

function placeOn(disk: LoopDisk, startSector = 0): DevicePlace {
  return { device: majorMinorOf(statSync(disk.path, { bigint: true }).rdev), startSector };
}

function wholeOf(disk: LoopDisk): Segment[] {
  return linearTable(placeOn(disk), diskSectors);
}

function tableFor(mapping: Mapping, sectorCount = diskSectors): Segment[] {
  return [{ startSector: 0, sectorCount, mapping }];
}

/** Goes with the test, whatever its table is then. */
async function create(segments: readonly Segment[]): Promise<MappedDevice> {
  const device = await createMapped({ name, segments });
  scratch().onRelease(name, async () => {
    if ((await ownDevices()).includes(name)) await removeMapped(name);
  });
  return device;
}

function fill(disk: LoopDisk, sector: number, value: number): void {
  const fd = openSync(disk.path, 'r+');
  writeSync(fd, new Uint8Array(sectorBytes).fill(value), 0, sectorBytes, sector * sectorBytes);
  closeSync(fd);
}

function byteAt(path: string, sector: number): number | undefined {
  return readPart(path, sector * sectorBytes, sectorBytes)[0];
}

describe('a device', () => {
  it('is there with its node when it has been created, and gone with it when removed', async () => {
    const device = await create(wholeOf(first));
    expect(majorMinorOf(statSync(device.path, { bigint: true }).rdev)).toBe(device.majorMinor);
    expect(statSync(device.path).isBlockDevice()).toBe(true);
    await removeMapped(name);
    expect(existsSync(device.path)).toBe(false);
    expect(await ownDevices()).toEqual([]);
  });

  it('serves each segment from where its table says', async () => {
    fill(first, 100, 1);
    fill(second, 7, 2);
    const { path } = await create([
      { startSector: 0, sectorCount: 1000, mapping: { type: 'linear', place: placeOn(second) } },
      { startSector: 1000, sectorCount: 1000, mapping: { type: 'linear', place: placeOn(first, 100) } },
    ]);
    expect([7, 1000].map((sector) => byteAt(path, sector))).toEqual([2, 1]);
  });

  it('stripes over two disks', async () => {
    fill(first, 0, 1);
    fill(second, 0, 2);
    const { path } = await create(
      tableFor({ type: 'striped', chunkSectors: 8, stripes: [placeOn(first), placeOn(second)] }),
    );
    expect([0, 8].map((sector) => byteAt(path, sector))).toEqual([1, 2]);
  });

  it('fails requests where its table says so', async () => {
    const { path } = await create(tableFor({ type: 'error' }));
    expect(() => byteAt(path, 0)).toThrow(/EIO/);
    await replaceTable({
      name,
      segments: tableFor({
        type: 'flakey',
        place: placeOn(first),
        upSeconds: 0,
        downSeconds: 60,
        features: [],
      }),
      flushFd: null,
    });
    expect(() => byteAt(path, 0)).toThrow(/EIO/);
  });

  it('is described as it was made', async () => {
    const { path } = await create(wholeOf(first));
    expect(await tableOf(name)).toEqual(wholeOf(first));
    expect(await dependenciesOf(name)).toEqual([placeOn(first).device]);
    expect(await statusOf(name)).toEqual(['']);
    const fd = openSync(path, 'r');
    scratch().onRelease('the descriptor', () => closeSync(fd));
    expect(await infoOf(name)).toMatchObject({
      name,
      uuid: 'DISKFERRY-test',
      openCount: 1,
      targetCount: 1,
      isSuspended: false,
      isReadOnly: false,
      hasActiveTable: true,
      hasInactiveTable: false,
    });
    expect(await deviceMapperVersion()).toMatch(/^4\.\d+\.\d+$/);
  });

  it('is seen alike by dmsetup', async () => {
    await create(wholeOf(first));
    const table = await runCommand('dmsetup', ['table', name], 'dmsetup');
    expect(table.trim()).toBe(`0 ${diskSectors} linear ${placeOn(first).device} 0`);
  });

  it('refuses writes when it was made read-only', async () => {
    const { path } = await createMapped({ name, segments: wholeOf(first), readOnly: true });
    scratch().onRelease(name, () => removeMapped(name));
    const fd = openSync(path, 'r+');
    try {
      expect(() => writeSync(fd, new Uint8Array(sectorBytes))).toThrow(/EPERM/);
    } finally {
      closeSync(fd);
    }
    expect((await infoOf(name)).isReadOnly).toBe(true);
  });

  it('takes the place of a node that an earlier one of its name left', async () => {
    addon().makeBlockNode(`/dev/mapper/${name}`, 7, 250);
    const device = await create(wholeOf(first));
    expect(majorMinorOf(statSync(device.path, { bigint: true }).rdev)).toBe(device.majorMinor);
  });

  it('has its node even when udev runs and never deals with it', async () => {
    await mkdir('/run/udev', { recursive: true });
    writeFileSync('/run/udev/control', '');
    scratch().onRelease('the pretended udev', () => rmSync('/run/udev', { recursive: true }));
    const semaphores = (): number => readFileSync('/proc/sysvipc/sem', 'utf8').split('\n').length;
    const before = semaphores();
    const device = await create(wholeOf(first));
    expect(byteAt(device.path, 0)).toBe(0);
    rmSync('/run/udev/control');
    expect(semaphores()).toBe(before);
  });

  it('leaves no descriptor and no device behind however often it comes and goes', async () => {
    const descriptors = (): number => readdirSync('/proc/self/fd').length;
    const before = descriptors();
    for (let round = 0; round < 20; round += 1) {
      await createMapped({ name, segments: wholeOf(first) });
      await replaceTable({ name, segments: wholeOf(second), flushFd: null });
      await removeMapped(name);
    }
    expect(descriptors()).toBe(before);
    expect(readdirSync('/sys/block').filter((device) => device.startsWith('dm-'))).toEqual([]);
  });
});

describe('a table', () => {
  it('has no effect while it is only loaded', async () => {
    fill(second, 0, 9);
    const { path } = await create(wholeOf(first));
    await loadTable({
      name,
      targets: [{ startSector: 0, sectorCount: diskSectors, type: 'error', parameters: '' }],
    });
    expect(byteAt(path, 0)).toBe(0);
    expect((await infoOf(name)).hasInactiveTable).toBe(true);
    expect((await deviceTable(name, 'loaded'))[0]?.type).toBe('error');
    await clearTable(name);
    expect((await infoOf(name)).hasInactiveTable).toBe(false);
  });

  it('holds requests back while its device is suspended, and answers them from the next table', async () => {
    fill(second, 5, 9);
    const { path } = await create(wholeOf(first));
    await suspendDevice({ name, noFlush: true, skipLockfs: true });
    let wasAnswered = false;
    const reading = runCommand('dd', [`if=${path}`, 'bs=512', 'skip=5', 'count=1', 'iflag=direct'], 'dd');
    void reading.then(() => (wasAnswered = true));
    await sleep(500);
    expect(wasAnswered).toBe(false);
    const target = {
      startSector: 0,
      sectorCount: diskSectors,
      type: 'linear',
      parameters: `${placeOn(second).device} 0`,
    };
    await loadTable({ name, targets: [target] });
    await resumeDevice(name);
    expect((await reading).charCodeAt(0)).toBe(9);
  });

  it('is not replaced on a device that somebody else has suspended', async () => {
    await create(wholeOf(first));
    await suspendDevice({ name, noFlush: true, skipLockfs: true });
    await expect(replaceTable({ name, segments: wholeOf(second), flushFd: null })).rejects.toMatchObject({
      code: 'device-suspended',
    });
    expect(await infoOf(name)).toMatchObject({ isSuspended: true, hasInactiveTable: false });
    await resumeDevice(name);
    expect(await tableOf(name)).toEqual(wholeOf(first));
  });

  it('stays what it was when the flush between suspend and resume fails', async () => {
    const { path } = await create(wholeOf(first));
    // fsync(2) of what cannot be synced: EINVAL.
    const flushFd = addon().eventFd();
    scratch().onRelease('the eventfd', () => closeSync(flushFd));
    await expect(replaceTable({ name, segments: wholeOf(second), flushFd })).rejects.toMatchObject({
      code: 'mapping-failed',
      message: expect.stringContaining('fsync failed: EINVAL'),
    });
    expect(await tableOf(name)).toEqual(wholeOf(first));
    expect(await infoOf(name)).toMatchObject({ isSuspended: false, hasInactiveTable: false });
    expect(byteAt(path, 0)).toBe(0);
  });
});

describe('an error', () => {
  it.each<[string, () => Segment[], RegExp]>([
    [
      'an unknown target',
      () => tableFor({ type: 'other', target: 'ferry', parameters: '' }),
      /no device-mapper target "ferry"/,
    ],
    [
      'bad parameters',
      () => tableFor({ type: 'other', target: 'linear', parameters: 'x y z' }),
      /refused its table/,
    ],
    ['a disk that is too small', () => linearTable(placeOn(first), diskSectors + 8), /refused its table/],
  ])('names %s, and nothing is left', async (_, segments, message) => {
    await expect(createMapped({ name, segments: segments() })).rejects.toMatchObject({
      code: 'mapping-failed',
      message: expect.stringMatching(message),
    });
    expect(await ownDevices()).toEqual([]);
    expect(existsSync(`/dev/mapper/${name}`)).toBe(false);
  });

  it('names a disk that does not exist', async () => {
    const segments = linearTable({ device: '240:9', startSector: 0 }, 8);
    await expect(createMapped({ name, segments })).rejects.toMatchObject({ code: 'device-missing' });
  });

  it('names a disk that is mounted', async () => {
    await makeFileSystem('ext4', first.path);
    const target = await scratch().makeDirectory('mounted');
    await mount(first.path, target);
    await expect(createMapped({ name, segments: wholeOf(first) })).rejects.toMatchObject({
      code: 'device-in-use',
    });
    await unmount(target);
  });

  it('names a device that exists already', async () => {
    await create(wholeOf(first));
    await expect(createMapped({ name, segments: wholeOf(second) })).rejects.toMatchObject({
      code: 'device-in-use',
      message: `/dev/mapper/${name}: a device of this name exists already`,
    });
    expect(await tableOf(name)).toEqual(wholeOf(first));
  });

  it('names a device that is in use when it is to be removed', async () => {
    const { path } = await create(wholeOf(first));
    const fd = openSync(path, 'r');
    await expect(removeMapped(name)).rejects.toMatchObject({ code: 'device-in-use' });
    closeSync(fd);
    expect(existsSync(path)).toBe(true);
  });

  it.each([
    ['removed', () => removeMapped(name)],
    ['asked for its table', () => tableOf(name)],
    ['given another table', () => replaceTable({ name, segments: wholeOf(first), flushFd: null })],
  ])('names a device that is missing when it is %s', async (_, act) => {
    await expect(act()).rejects.toMatchObject({
      code: 'device-missing',
      message: `/dev/mapper/${name}: there is no such device`,
    });
  });
});

describe('a mounted file system', () => {
  const writer = {
    name: 'writer',
    options: { rw: 'randrw', bs: '4k', size: '24M', verify: 'crc32c', verify_backlog: 256 },
  };

  async function mountOn(path: string): Promise<string> {
    await makeFileSystem('ext4', path);
    const target = await scratch().makeDirectory('volume');
    await mount(path, target);
    scratch().onRelease('the volume', async () => {
      if ((await findMount(target)) !== undefined) await unmount(target);
    });
    return target;
  }

  async function whileFioVerifies(target: string, act: () => Promise<void>): Promise<void> {
    const options = { ...writer.options, time_based: 1, runtime: 8 };
    const fio = runFio(scratch(), `${target}/data`, [{ ...writer, options }]);
    const hasEnded = (waitMs: number): Promise<boolean> =>
      Promise.race([fio.then(() => true), sleep(waitMs, false)]);
    let waitMs = 1500;
    while (!(await hasEnded(waitMs))) {
      await act();
      waitMs = 200;
    }
    const [result] = await fio;
    expect(result?.error).toBe(0);
    expect(result?.write.total_ios).toBeGreaterThan(0);
  }

  it('notices nothing when its table changes again and again between two ways to one disk', async () => {
    const other = await attachLoopDisk(first.file, diskBytes);
    const { path } = await create(wholeOf(first));
    const target = await mountOn(path);
    const flushFd = openSync(first.path, 'r');
    scratch().onRelease('the flush descriptor', () => closeSync(flushFd));
    const pausesMs: number[] = [];
    const afterSwaps = (count: number): Segment[] => wholeOf(count % 2 === 1 ? other : first);
    const writtenBefore = countersOf(other.path).writtenBytes;
    await whileFioVerifies(target, async () => {
      const times = await replaceTable({ name, segments: afterSwaps(pausesMs.length + 1), flushFd });
      pausesMs.push(times.suspendMs + times.flushMs + times.resumeMs);
    });
    expect(await tableOf(name)).toEqual(afterSwaps(pausesMs.length));
    expect(countersOf(other.path).writtenBytes).toBeGreaterThan(writtenBefore);
    expect(pausesMs.length).toBeGreaterThan(5);
    console.log(`${pausesMs.length} swaps, longest ${Math.max(...pausesMs).toFixed(1)} ms`);
    await unmount(target);
    await checkFileSystem('ext4', path);
  });

  it('moves to another disk: suspended, copied, resumed there', async () => {
    const { path } = await create(wholeOf(first));
    const target = await mountOn(path);
    let isMoved = false;
    await whileFioVerifies(target, async () => {
      if (isMoved) return;
      isMoved = true;
      await suspendDevice({ name, noFlush: false, skipLockfs: false });
      await runCommand('dd', [`if=${first.path}`, `of=${second.path}`, 'bs=1M', 'conv=fsync'], 'dd');
      const parameters = `${placeOn(second).device} 0`;
      await loadTable({
        name,
        targets: [{ startSector: 0, sectorCount: diskSectors, type: 'linear', parameters }],
      });
      await resumeDevice(name);
    });
    expect(await dependenciesOf(name)).toEqual([placeOn(second).device]);
    await unmount(target);
    await removeMapped(name);
    await checkFileSystem('ext4', second.path);
  });
});
