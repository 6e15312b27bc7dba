/**
 * What is particular to ublk, in a guest whose kernel has it: what its device looks like, what tells it of
 * free space, that it is not taken away under its users, and what is left when a process is killed, or what takes
 * over from it. What holds for every frontend is in frontends.test.ts.
 */
import type { ChildProcess } from 'node:child_process';
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import type { ProgramResult } from '../../app/devices/program.ts';
import { runProgram } from '../../app/devices/program.ts';
import { ownDevices } from '../../app/devices/device-mapper.ts';
import { readKernelOffer } from '../../app/devices/kernel-part.ts';
import { Engine } from '../../app/engine/engine.ts';
import type { FrontendChoice } from '../../app/engine/messages.ts';
import { UblkHost } from '../../app/engine/ublk-device.ts';
import { removeAbandoned } from '../../app/engine/ublk-disk.ts';
import type { DeviceGeometry } from '../../app/frontends/frontend.ts';
import { trimFreeSpace } from '../../app/substitution/trim.ts';
import { addon } from '../../native/binding.ts';
import { UblkControl } from '../../native/ublk.ts';
import type { AnswerMessage } from '../bench/device-calls.ts';
import { bundledProgram } from '../bundled-program.ts';
import { readDirect } from '../system/support/direct-io.ts';
import { checkFileSystem, findMount, makeFileSystem, mount, unmount } from '../system/support/file-system.ts';
import type { LoopDisk } from '../system/support/loop-disk.ts';
import { fillWithRandom, makeLoopDisk, readPart, sysfsNumber } from '../system/support/loop-disk.ts';
import { Migration, runCli } from '../system/support/migration.ts';
import { useScratch } from '../system/support/scratch.ts';
import { inTime, waitUntil } from '../system/support/wait.ts';
import { numbersBelow } from './busy-volumes.ts';
import { numberOf } from './device-number.ts';
import { ServedDevice } from './served-device.ts';
import { SteadyReader } from './steady-reader.ts';
import { makeVolumeGroup } from './volume-group.ts';

const isOffered = (await readKernelOffer('ublk')).state !== 'missing';
const scratch = useScratch();
const diskBytes = 64 * mebibyte;

let source: LoopDisk;
let destination: LoopDisk;

beforeEach(async () => {
  source = await makeLoopDisk(scratch(), 'source', { sizeBytes: diskBytes });
  destination = await makeLoopDisk(scratch(), 'destination', { sizeBytes: diskBytes });
});

function ublkNumber(path: string): number {
  return Number(/\d+$/.exec(path)?.[0]);
}

/** Devices of this kind that the kernel has. */
function ublkNodes(): string[] {
  return readdirSync('/dev').filter((name) => /^ublk[bc]/.test(name));
}

function serve(geometry?: DeviceGeometry): Promise<ServedDevice> {
  const shape = geometry === undefined ? {} : { geometry };
  return ServedDevice.serve(scratch(), { frontend: 'ublk', source, destination, ...shape });
}

/** An ext4 on it, mounted until the test ends or unmounts it. */
async function mountFresh(path: string, ...more: readonly string[]): Promise<string> {
  await makeFileSystem('ext4', path, ...more);
  const target = await scratch().makeDirectory('volume');
  await mount(path, target);
  scratch().onRelease('the volume', async () => {
    if ((await findMount(target)) !== undefined) await unmount(target);
  });
  return target;
}

/** The engine's worker alone, without a device. It ends with the scratch. */
async function startEngine(frontend: FrontendChoice): Promise<{ engine: Engine; geometry: DeviceGeometry }> {
  const open = ({ path }: LoopDisk, access: number): number => {
    const fd = openSync(path, access | constants.O_DIRECT);
    scratch().onRelease(path, () => closeSync(fd));
    return fd;
  };
  const [sourceFd, destinationFd] = [open(source, constants.O_RDONLY), open(destination, constants.O_RDWR)];
  const names = { source: source.path, destination: destination.path };
  const geometry = addon().blockGeometry(sourceFd);
  const engine = await Engine.start({
    names,
    geometry,
    sourceFd,
    destinationFd,
    speed: 'balanced',
    frontend,
  });
  scratch().onRelease('the engine', () => engine.stop());
  return { engine, geometry };
}

describe.skipIf(!isOffered)('a ublk device', () => {
  it.each([
    [512, 4096],
    [4096, 4096],
  ])('shows its source: blocks of %i bytes, physically %i', async (logicalBlockBytes, physicalBlockBytes) => {
    const geometry = { sizeBytes: diskBytes, logicalBlockBytes, physicalBlockBytes };
    const { device } = await serve(geometry);
    const fd = openSync(device.name, 'r');
    expect(addon().blockGeometry(fd)).toEqual({ ...geometry, readOnly: false });
    closeSync(fd);
    const limit = (name: string): number => sysfsNumber(device.name, `queue/${name}`);
    expect(['discard_granularity', 'max_sectors_kb', 'fua'].map(limit)).toEqual([4096, 1024, 1]);
    expect(['discard_max_bytes', 'write_zeroes_max_bytes'].map(limit)).toEqual([
      64 * mebibyte,
      64 * mebibyte,
    ]);
  });

  it('is there without anybody who makes nodes, and nothing of it is left', async () => {
    const before = ublkNodes();
    rmSync('/dev/ublk-control');
    const served = await serve();
    expect(ublkNodes()).toHaveLength(before.length + 2);
    await served.takeAway();
    expect(existsSync(served.path)).toBe(false);
    expect(ublkNodes()).toEqual(before);
    expect(existsSync('/dev/ublk-control')).toBe(true);
  });

  it('is served by the bare command numbers of older kernels, too', async () => {
    const host = await UblkHost.add();
    const { choice } = host;
    const bare = choice.kind === 'ublk' ? ({ ...choice, numberForm: 'bare' } as const) : choice;
    scratch().onRelease('the device', () => host.release());
    const { geometry } = await startEngine(bare);
    fillWithRandom(source.path, 0, mebibyte);
    const device = await host.attach(geometry);
    expect(readDirect(device.name, 4096, 8192)).toEqual(readPart(source.path, 4096, 8192));
    expect(await new UblkControl('bare').info(ublkNumber(device.name))).toMatchObject({ state: 'live' });
    await device.detach();
  });
});

describe.skipIf(!isOffered)('consumers of a ublk device', () => {
  it('have holes of their files read as zeroes, and a sound file system on the destination', async () => {
    const served = await serve();
    const target = await mountFresh(served.path);
    const file = `${target}/file`;
    writeFileSync(file, Buffer.alloc(4 * mebibyte, 0xaa), { flush: true });
    await runCommand('fallocate', ['-p', '-o', '4096', '-l', String(mebibyte), file], 'punching');
    await runCommand(
      'fallocate',
      ['-z', '-o', String(2 * mebibyte), '-l', String(mebibyte), file],
      'zeroing',
    );
    await served.copy();
    await unmount(target);
    await served.takeAway();
    await checkFileSystem('ext4', destination.path);
    await mount(destination.path, target, 'ro');
    const at = (offset: number): number | undefined => readPart(file, offset, 1)[0];
    expect([0, 4096, mebibyte + 4096, 2 * mebibyte, 3 * mebibyte].map(at)).toEqual([0xaa, 0, 0xaa, 0, 0xaa]);
    await unmount(target);
  });
});

describe.skipIf(!isOffered)('the free space of a mounted file system', () => {
  it('is not copied once it has been trimmed', async () => {
    const { path, engine } = await serve();
    const target = await mountFresh(path, '-E', 'nodiscard');
    const before = engine.progress.pendingBytes;
    const [first] = await trimFreeSpace([target]);
    expect(first).toMatchObject({ kind: 'trimmed', target });
    const bytes = first?.kind === 'trimmed' ? first.bytes : 0;
    expect(bytes).toBeGreaterThan(diskBytes / 2);
    expect(before - engine.progress.pendingBytes).toBeGreaterThan(diskBytes / 3);
    const reason = expect.stringContaining('before') as string;
    expect(await trimFreeSpace([target])).toEqual([{ kind: 'unknown', target, reason }]);
    await unmount(target);
  });

  it('is unknown where the file system cannot discard', async () => {
    const [outcome] = await trimFreeSpace([scratch().directory]);
    expect(outcome).toMatchObject({
      kind: 'unknown',
      reason: expect.stringContaining('cannot discard') as string,
    });
  });
});

describe.skipIf(!isOffered)('taking a ublk device away', () => {
  it('is refused while a process has it open, and while it is mounted', async () => {
    const served = await serve();
    const fd = openSync(served.path, 'r');
    const reader = spawn('sleep', ['60'], { stdio: [fd, 'ignore', 'ignore'] });
    closeSync(fd);
    scratch().onRelease('the reader', () => void reader.kill());
    const refusal = (words: string): object => ({
      code: 'volume-busy',
      message: expect.stringContaining(words) as string,
    });
    await expect(served.device.detach()).rejects.toMatchObject(
      refusal(`sleep (process ${String(reader.pid)})`),
    );
    reader.kill();
    await once(reader, 'exit');
    const target = await mountFresh(served.path);
    await expect(served.device.detach()).rejects.toMatchObject(refusal('mounted'));
    writeFileSync(`${target}/more`, 'x', { flush: true });
    await unmount(target);
    await served.takeAway();
  });

  it('gives errors to whoever has it open when somebody stops it by hand', async () => {
    const served = await serve();
    const { device } = served;
    const fd = openSync(device.name, 'r+');
    await new UblkControl('ioctl').stop(ublkNumber(device.name));
    // The kernel gives a disk that has gone the size 0.
    expect(() => writeSync(fd, new Uint8Array(4096))).toThrow(/ENOSPC|EIO/);
    closeSync(fd);
    await served.takeAway();
    expect(device.isAttached).toBe(false);
  });

  it('gives its number back, twenty times', async () => {
    const descriptors = (): number => readdirSync('/proc/self/fd').length;
    const cycle = async (): Promise<string[]> => {
      const host = await UblkHost.add();
      const names = ublkNodes();
      await host.release();
      return names;
    };
    const first = await cycle();
    const before = descriptors();
    for (let round = 1; round < 20; round += 1) expect(await cycle()).toEqual(first);
    expect(descriptors()).toBe(before);
    expect(ublkNodes()).toEqual([]);
  });
});

async function readFails(path: string): Promise<boolean> {
  const dd = await runProgram('dd', [`if=${path}`, 'of=/dev/null', 'bs=4096', 'count=1', 'iflag=direct']);
  return dd.exitCode !== 0;
}

describe.skipIf(!isOffered)('when the process that serves a ublk device is killed', () => {
  let child: ChildProcess;
  let name: string;

  beforeEach(async () => {
    child = fork(bundledProgram('tests/bench/our-device'));
    scratch().onRelease('the process', () => void child.kill('SIGKILL'));
    const directory = await scratch().makeDirectory('device');
    const parameter = {
      sourcePath: source.path,
      destinationPath: destination.path,
      directory,
      frontend: 'ublk',
      speed: 'gentle',
    };
    child.send({ call: 'attach', parameter });
    const [answer] = (await once(child, 'message')) as [AnswerMessage];
    if ('error' in answer) throw new Error(answer.error);
    name = (answer.result as { name: string }).name;
  });

  async function kill(): Promise<void> {
    child.kill('SIGKILL');
    await once(child, 'exit');
    const control = await UblkControl.find();
    const isQuiesced = async (): Promise<boolean> =>
      (await control.info(ublkNumber(name))).state === 'quiesced';
    await waitUntil('the kernel has taken back what was in flight', isQuiesced);
  }

  it('its consumers wait, until what it left is removed: then they get errors', async () => {
    await kill();
    const reading = readFails(name);
    expect(await Promise.race([reading, sleep(1000, 'waits')])).toBe('waits');
    expect(await removeAbandoned()).toEqual([name]);
    expect(await inTime('the reader has got an error', reading)).toBe(true);
    await waitUntil('the device is gone', () => ublkNodes().length === 0);
  });

  it('another one can take its place, and what waited is served', async () => {
    fillWithRandom(source.path, 0, mebibyte);
    await kill();
    const reading = readFails(name);
    const control = await UblkControl.find();
    const id = ublkNumber(name);
    await control.startRecovery(id);
    const characterFd = openSync(`/dev/ublkc${id}`, constants.O_RDWR);
    const choice = { kind: 'ublk', characterFd, numberForm: control.numberForm } as const;
    const { engine } = await startEngine(choice);
    await control.endRecovery(id, process.pid, 10_000);
    expect(await inTime('the reader is served', reading)).toBe(false);
    expect(readDirect(name, 4096, 8192)).toEqual(readPart(source.path, 4096, 8192));
    await control.stop(id);
    await engine.stop();
    closeSync(characterFd);
    await control.delete(id, 5000);
    expect(ublkNodes()).toEqual([]);
  });
});

describe.skipIf(!isOffered)('when a job that serves by ublk has crashed', () => {
  it('its consumers wait, the next command says so, and the next migration ends the wait', async () => {
    const disks = { source: source.path, destination: destination.path };
    const migration = Migration.start(scratch(), disks, '--frontend', 'ublk', '--hold', '--unmount-at-cutover');
    const reader = await SteadyReader.start(scratch(), await migration.device());
    await migration.event('synchronized');
    await migration.kill();
    expect(await reader.waitsFor(1000)).toBe(true);
    const said = await runCli('status', '--state-dir', scratch().stateDirectory);
    expect(said).toMatchObject({
      exitCode: 0,
      stderr: expect.stringContaining(await migration.job()) as string,
    });
    const again = Migration.start(scratch(), disks);
    expect(await again.end()).toMatchObject({ exitCode: 3 });
    expect(again.events.at(-1)).toMatchObject({ code: 'earlier-job-died' });
    await reader.failed();
    await waitUntil('the devices are gone', () => ublkNodes().length === 0);
    rmSync(scratch().stateDirectory, { recursive: true });
  });

  it('who cannot even unmount it, through device-mapper, is let go by recover, which takes the job back', async () => {
    const disks = { source: source.path, destination: destination.path };
    const migration = Migration.start(scratch(), disks, '--frontend', 'ublk', '--hold');
    const device = await migration.pausedDevice();
    expect(device).toMatch(/^\/dev\/mapper\//);
    const target = await mountFresh(device);
    writeFileSync(`${target}/kept`, 'durable', { flush: true });
    await migration.kill();
    const unmounted = once(spawn('umount', [target], { stdio: 'ignore' }), 'exit');
    // It is refused while the volume is still mounted, and has ended that by then.
    const refused = await Migration.recover(scratch(), '--undo').end();
    await inTime('the volume is unmounted', unmounted);
    const end = refused.exitCode === 8 ? refused : await Migration.recover(scratch(), '--undo').end();
    expect(end).toMatchObject({ exitCode: 8 });
    expect([ublkNodes(), await ownDevices()]).toEqual([[], []]);
    await mount(source.path, target);
    expect(readFileSync(`${target}/kept`, 'utf8')).toBe('durable');
    await unmount(target);
    await checkFileSystem('ext4', source.path);
  });
});

describe.skipIf(!isOffered)('when the job process that serves by ublk is killed', () => {
  const takenOver = (migration: Migration): number =>
    migration.eventsNamed('warning').filter(({ code }) => code === 'taken-over').length;

  function startLoad(device: string): Promise<ProgramResult> {
    const how = ['--rw=randrw', '--bsrange=512-64k', '--direct=1', '--ioengine=libaio', '--iodepth=16'];
    const verify = ['--verify=crc32c', '--verify_fatal=1', '--verify_state_save=0', '--size=16m', '--rate_iops=100'];
    const length = ['--time_based', '--runtime=15', '--output-format=terse', `--filename=${device}`];
    return runProgram('fio', ['--name=load', ...how, ...verify, ...length]);
  }

  async function killAndFollow(migration: Migration): Promise<void> {
    const before = takenOver(migration);
    migration.signalJobProcess('SIGKILL');
    await migration.event('warning', () => takenOver(migration) > before);
  }

  /** Which process has what the dead one has left in memory. */
  async function keeperOf(migration: Migration): Promise<unknown> {
    const state = readFileSync(`/run/diskferry/${await migration.job()}/state.json`, 'utf8');
    return (JSON.parse(state) as { processId: unknown }).processId;
  }

  it('another one takes over, even from one that was just taking over: a pause, no error, nothing lost', async () => {
    const disks = { source: source.path, destination: destination.path };
    const bare = ['--frontend', 'ublk', '--unmount-at-cutover'];
    const migration = Migration.start(scratch(), disks, ...bare, '--hold', '--speed', 'gentle');
    const device = await migration.device();
    const served = startLoad(device);
    await sleep(2000);
    const first = await keeperOf(migration);
    migration.signalJobProcess('SIGKILL');
    await waitUntil('a successor is about to serve', async () => (await keeperOf(migration)) !== first);
    // Others clear away what nobody will serve.
    expect(await removeAbandoned()).toEqual([]);
    await killAndFollow(migration);
    expect(await served).toMatchObject({ exitCode: 0, stderr: '' });
    await migration.event('synchronized');
    const shown = readDirect(device, 0, diskBytes);
    await migration.ask('cutover');
    expect(await migration.end()).toMatchObject({ exitCode: 0 });
    expect(readDirect(destination.path, 0, diskBytes).equals(shown)).toBe(true);
    expect(ublkNodes()).toEqual([]);
  });

  it('another one takes a live move of LVM back to the source, with what was written past the dead one', async () => {
    const group = 'vgublk';
    const options = ['--size', '48M'];
    await makeVolumeGroup(scratch(), group, { disks: [source.path], volumes: [{ name: 'one', options }] });
    const target = await mountFresh(`/dev/${group}/one`);
    const disks = { source: source.path, destination: destination.path };
    const migration = Migration.start(scratch(), disks, '--frontend', 'ublk', '--hold');
    await migration.event('graduated', ({ directBytes }) => directBytes === diskBytes);
    writeFileSync(`${target}/before`, Buffer.alloc(mebibyte, 1), { flush: true });
    await killAndFollow(migration);
    writeFileSync(`${target}/after`, Buffer.alloc(mebibyte, 2), { flush: true });
    expect(await numbersBelow(`${group}-one`)).not.toContain(numberOf(source));
    migration.interrupt();
    expect(await migration.end()).toMatchObject({ exitCode: 8 });
    expect(await numbersBelow(`${group}-one`)).toEqual([numberOf(source)]);
    await unmount(target);
    await mount(`/dev/${group}/one`, target);
    expect(readFileSync(`${target}/before`).equals(Buffer.alloc(mebibyte, 1))).toBe(true);
    expect(readFileSync(`${target}/after`).equals(Buffer.alloc(mebibyte, 2))).toBe(true);
    await unmount(target);
    await checkFileSystem('ext4', `/dev/${group}/one`);
    expect(await ownDevices()).toEqual([]);
  });
});

describe.skipIf(!isOffered)('when the engine of a ublk device dies', () => {
  const rounds = 5;
  const readerCount = 6;
  /** A range without an end: an assumption of the worker breaks. */
  const broken = [{ offsetBytes: 0, lengthBytes: Number.NaN }];

  /** Reads the device once, in pieces so small that it takes seconds, past the page cache. */
  function startReader(path: string): Promise<unknown> {
    const fd = openSync(path, 'r');
    const child = spawn('dd', ['of=/dev/null', 'bs=512', 'iflag=direct'], { stdio: [fd, 'ignore', 'ignore'] });
    closeSync(fd);
    scratch().onRelease('a reader', () => void child.kill('SIGKILL'));
    return once(child, 'exit');
  }

  it('every read that is under way ends, and the device goes', async () => {
    for (let round = 0; round < rounds; round += 1) {
      const served = await serve();
      const { engine, host, device } = served;
      const aborted = engine.died().catch(() => host.abort());
      const readers = Array.from({ length: readerCount }, () => startReader(device.name));
      const readRequestsMin = 200 + 50 * round;
      await waitUntil('all read', () => engine.consumer.readRequests > readRequestsMin);
      await expect(engine.skip(broken)).rejects.toMatchObject({ code: 'engine-died' });
      await aborted;
      await inTime('the device is taken away', served.letGo());
      await inTime('every reader has ended', Promise.all(readers));
    }
  });
});
