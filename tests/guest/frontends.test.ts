/**
 * One suite for every frontend that makes a block device: what holds for a consumer must not depend on what
 * serves it. Then what is particular to nbd, and which frontend `auto` takes.
 */
import { closeSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { DiskferryError } from '../../app/base/error.ts';
import { mebibyte } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import { ownDevices } from '../../app/devices/device-mapper.ts';
import { Engine } from '../../app/engine/engine.ts';
import { addon } from '../../native/binding.ts';
import { connectNbd, disconnectNbd, nbdStatus, reconfigureNbd } from '../../native/nbd.ts';
import { checkFileSystem, makeFileSystem, mount, unmount } from '../system/support/file-system.ts';
import type { FioJob } from '../system/support/fio.ts';
import { runFio } from '../system/support/fio.ts';
import type { LoopDisk } from '../system/support/loop-disk.ts';
import { makeImage, makeLoopDisk, readPart } from '../system/support/loop-disk.ts';
import { Migration } from '../system/support/migration.ts';
import { makeMountedVolume } from '../system/support/mounted-volume.ts';
import { useScratch } from '../system/support/scratch.ts';
import { expectSame, SectorWriter } from '../system/support/sector-writer.ts';
import { waitUntil } from '../system/support/wait.ts';
import { expectNoDevicesLeft } from './own-devices.ts';
import type { KernelFrontend, ServeOptions } from './served-device.ts';
import { ServedDevice } from './served-device.ts';
import { SteadyReader } from './steady-reader.ts';

const scratchOf = useScratch();
const isQemu = process.env['DISKFERRY_GUEST'] === 'qemu';
/** Each on one kernel: what QEMU translates takes several times as long. */
const offered: readonly KernelFrontend[] = isQemu ? ['ublk'] : ['nbd', 'fuse'];

interface Disks {
  readonly source: LoopDisk;
  readonly destination: LoopDisk;
}

/** Both full of garbage: what is read must have been copied, or written. */
async function makeDisks(sizeBytes: number, blockBytes = 512): Promise<Disks> {
  const shape = { sizeBytes, blockBytes, content: 'random' } as const;
  const source = await makeLoopDisk(scratchOf(), 'source', shape);
  const destination = await makeLoopDisk(scratchOf(), 'destination', shape);
  return { source, destination };
}

function serve(
  frontend: KernelFrontend,
  disks: Disks,
  more: Partial<ServeOptions> = {},
): Promise<ServedDevice> {
  return ServedDevice.serve(scratchOf(), { frontend, ...disks, ...more });
}

async function readFirst(path: string): Promise<void> {
  await runCommand('dd', [`if=${path}`, 'of=/dev/null', 'bs=4096', 'count=1', 'iflag=direct'], 'reading');
}

function queueOf(path: string, attribute: string): string {
  return readFileSync(`/sys/block/${basename(path)}/queue/${attribute}`, 'utf8').trim();
}

/** Devices of all frontends that are in use, as the kernel lists them. */
async function usedDevices(): Promise<string[]> {
  const nbd = (await nbdStatus()).filter(({ isConnected }) => isConnected).map(({ index }) => `nbd${index}`);
  return [...nbd, ...readdirSync('/sys/block').filter((name) => /^(ublkb|dm-)/.test(name))];
}

describe.each(offered)('a volume served by %s', (frontend) => {
  const jobs: FioJob[] = [
    { name: 'any', options: { rw: 'randwrite', bsrange: '512-1m', fsync: 8, offset: '0', size: '12m' } },
    { name: 'small', options: { rw: 'randwrite', bsrange: '512-12k', fsync: 64, offset: '12m', size: '2m' } },
    { name: 'sectors', options: { rw: 'randrw', bs: '512', offset: '14m', size: '64k' } },
  ].map(({ name, options }) => ({
    name,
    options: { ...options, blockalign: 512, verify: 'crc32c', verify_backlog: name === 'sectors' ? 0 : 64 },
  }));
  const trim: FioJob = {
    name: 'trim',
    options: { rw: 'randtrim', bsrange: '4k-1m', offset: '16m', size: '4m' },
  };
  const untouched = { offset: 20 * mebibyte, length: 12 * mebibyte };

  it('keeps all that fio writes at depth 32 during the copy, also on the bare destination', async () => {
    const disks = await makeDisks(32 * mebibyte);
    const served = await serve(frontend, disks, { speed: 'gentle' });
    const [fio] = await Promise.all([runFio(scratchOf(), served.path, [...jobs, trim]), served.copy()]);
    expect(fio.reduce((sum, { write }) => sum + write.io_bytes, 0)).toBeGreaterThanOrEqual(14 * mebibyte);
    await runFio(scratchOf(), served.path, jobs.map(withoutBacklog), '--verify_only');
    await served.takeAway();
    await runFio(scratchOf(), disks.destination.path, jobs.map(withoutBacklog), '--verify_only');
    const [moved, original] = [disks.destination, disks.source].map(({ path }) =>
      readPart(path, untouched.offset, untouched.length),
    );
    expectSame(moved ?? Buffer.of(), original ?? Buffer.of(), untouched.offset);
  });

  it.each([
    [512, 2 * mebibyte + 512],
    [4096, 2 * mebibyte + 12 * 1024],
  ])('has the logical blocks of %i bytes and the size of its source', async (blockBytes, sizeBytes) => {
    const disks = await makeDisks(sizeBytes, blockBytes);
    const served = await serve(frontend, disks);
    const device = await open(served.path, 'r');
    const shape = { sizeBytes, logicalBlockBytes: blockBytes, readOnly: false };
    expect(addon().blockGeometry(device.fd)).toMatchObject(shape);
    await device.close();
    const last = readPart(disks.source.path, sizeBytes - blockBytes, blockBytes);
    expectSame(readPart(served.path, sizeBytes - blockBytes, blockBytes), last);
    await served.copy();
    await served.takeAway();
    expectSame(readPart(disks.destination.path, sizeBytes - blockBytes, blockBytes), last);
  });

  it('does not copy what was discarded, and reads as zero where zeroes were asked for', async () => {
    const disks = await makeDisks(8 * mebibyte);
    const served = await serve(frontend, disks);
    expect(Number(queueOf(served.path, 'discard_max_bytes'))).toBeGreaterThan(0);
    const range = (offset: number): string[] => [
      '--offset',
      String(offset),
      '--length',
      String(2 * mebibyte),
    ];
    await runCommand('blkdiscard', ['--force', ...range(0), served.path], 'discarding');
    await runCommand('blkdiscard', ['--force', '--zeroout', ...range(4 * mebibyte), served.path], 'zeroing');
    const zeroes = new Uint8Array(2 * mebibyte);
    expectSame(readPart(served.path, 4 * mebibyte, zeroes.length), Buffer.from(zeroes));
    await served.copy();
    expect(served.engine.progress.copiedBytes).toBe(4 * mebibyte);
    await served.takeAway();
    expectSame(readPart(disks.destination.path, 4 * mebibyte, zeroes.length), Buffer.from(zeroes));
    const second = 2 * mebibyte;
    expectSame(readPart(disks.destination.path, second, second), readPart(disks.source.path, second, second));
  });

  it('takes an ext4 that initialises itself later, over garbage, and is not taken away under it', async () => {
    const disks = await makeDisks(48 * mebibyte);
    const served = await serve(frontend, disks);
    await makeFileSystem('ext4', served.path, '-E', 'lazy_itable_init=1,lazy_journal_init=1');
    const target = await scratchOf().makeDirectory('volume');
    await mount(served.path, target, 'init_itable=0');
    const copied = served.copy();
    makeImage(`${target}/file`, 4 * mebibyte, 'random');
    const written = readFileSync(`${target}/file`);
    await copied;
    await expect(served.device.detach()).rejects.toMatchObject({ code: 'volume-busy' });
    expect(served.device.isAttached).toBe(true);
    writeFileSync(`${target}/later`, 'still there');
    await unmount(target);
    await served.takeAway();
    await checkFileSystem('ext4', disks.destination.path);
    await mount(disks.destination.path, target);
    expectSame(readFileSync(`${target}/file`), written);
    expect(readFileSync(`${target}/later`, 'utf8')).toBe('still there');
    await unmount(target);
  });

  it('comes and goes ten times and leaves no descriptor, no device and no process', async () => {
    const disks = await makeDisks(4 * mebibyte);
    const descriptors = (): number => readdirSync('/proc/self/fd').length;
    const children = (): string => readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8');
    const round = async (): Promise<void> => {
      const served = await serve(frontend, disks);
      await readFirst(served.path);
      await served.takeAway();
    };
    await round();
    const before = { descriptors: descriptors(), devices: await usedDevices(), children: children() };
    for (let count = 0; count < 10; count += 1) await round();
    expect({ descriptors: descriptors(), devices: await usedDevices(), children: children() }).toEqual(
      before,
    );
  });

  it('is paused, goes on, and goes back to the source with every sector that was written', async () => {
    const { source, destination } = await makeDisks(48 * mebibyte + 512);
    const expected = readPart(source.path, 0, source.sizeBytes);
    const disks = { source: source.path, destination: destination.path };
    const migration = Migration.start(
      scratchOf(),
      disks,
      '--frontend',
      frontend,
      '--speed',
      'gentle',
      '--hold',
      '--unmount-at-cutover',
    );
    const device = await migration.device();
    expect(device).toMatch({ ublk: /^\/dev\/ublkb/, nbd: /^\/dev\/nbd/, fuse: /^\/dev\/loop/ }[frontend]);
    const isPaused = await pausedInTime(migration);
    const writer = await SectorWriter.open(scratchOf(), device, {
      seed: 3,
      expected,
      sectorBytes: 512,
      discardsZero: frontend === 'fuse',
    });
    await writer.run(40);
    if (isPaused) await migration.ask('resume');
    await migration.event('synchronized');
    await writer.run(20);
    await writer.close();
    await migration.ask('undo');
    expect(await migration.end()).toMatchObject({ exitCode: 8 });
    expectSame(readPart(source.path, 0, source.sizeBytes), expected);
    expect(await usedDevices()).toEqual([]);
  });
});

/**
 * False when so small a disk has crossed before the word came: the job then waits to be cut over, paused or
 * not.
 */
async function pausedInTime(migration: Migration): Promise<boolean> {
  try {
    await migration.ask('pause');
    return true;
  } catch (error) {
    if (!(error instanceof DiskferryError) || error.code !== 'job-state') throw error;
    await migration.event('synchronized');
    return false;
  }
}

describe.each(offered)('a job whose engine dies while it serves by %s', (frontend) => {
  it('ends and says so, and nobody waits for its device', async () => {
    const { source, destination } = await makeDisks(4 * mebibyte);
    const disks = { source: source.path, destination: destination.path };
    const fault = fileURLToPath(new URL('../system/support/engine-fault.cjs', import.meta.url));
    vi.stubEnv('NODE_OPTIONS', `--require ${fault}`);
    const migration = Migration.start(scratchOf(), disks, '--frontend', frontend, '--hold', '--unmount-at-cutover');
    vi.unstubAllEnvs();
    const reader = await SteadyReader.start(scratchOf(), await migration.device());
    await migration.event('synchronized');
    await migration.setSpeed('gentle');
    expect(await migration.end()).toMatchObject({ exitCode: 4 });
    expect(migration.events.at(-1)).toMatchObject({ event: 'failed', code: 'engine-died', dataIs: 'both' });
    await reader.failed();
    await waitUntil('the kernel has let go', async () => (await usedDevices()).length === 0);
    const again = Migration.start(scratchOf(), disks);
    expect(await again.end()).toMatchObject({ exitCode: 3 });
    expect(again.events.at(-1)).toMatchObject({ code: 'earlier-job-died' });
    rmSync(scratchOf().stateDirectory, { recursive: true });
  });
});

/** In verify-only mode fio 3.33 skips what has a backlog. */
function withoutBacklog({ name, options }: FioJob): FioJob {
  return { name, options: { ...options, verify_backlog: 0 } };
}

describe.skipIf(isQemu)('when the job process that serves by nbd is killed', () => {
  expectNoDevicesLeft(scratchOf);

  async function killAndFollow(migration: Migration): Promise<void> {
    const takenOver = (): number => migration.eventsNamed('warning').filter(({ code }) => code === 'taken-over').length;
    const before = takenOver();
    migration.signalJobProcess('SIGKILL');
    await migration.event('warning', () => takenOver() > before);
  }

  it('another one takes over, before and after what has crossed is direct, while fio writes and verifies', async () => {
    const volume = await makeMountedVolume(scratchOf());
    const migration = volume.migrate('--frontend', 'nbd', '--hold');
    expect(await migration.device()).toMatch(/^\/dev\/mapper\//);
    const writer = { rw: 'randrw', bs: '4k', size: '16M', verify: 'crc32c', rate_iops: 100, time_based: 1, runtime: 20 };
    const writing = runFio(scratchOf(), `${volume.target}/data`, [{ name: 'writer', options: writer }]);
    await killAndFollow(migration);
    await migration.event('graduated', ({ directBytes }) => directBytes === volume.source.sizeBytes);
    await killAndFollow(migration);
    await migration.ask('cutover');
    expect(await migration.end()).toMatchObject({ exitCode: 0 });
    expect((await writing)[0]?.error).toBe(0);
    await unmount(volume.target);
    await waitUntil('the kernel has removed the device', async () => (await ownDevices()).length === 0);
    await checkFileSystem('ext4', volume.destination.path);
    expect(await usedDevices()).toEqual([]);
  });

  it('and nobody is to take over, who reads from it gets errors', async () => {
    const { source, destination } = await makeDisks(4 * mebibyte);
    const disks = { source: source.path, destination: destination.path };
    const bare = ['--frontend', 'nbd', '--unmount-at-cutover'];
    const migration = Migration.start(scratchOf(), disks, ...bare, '--hold');
    const reader = await SteadyReader.start(scratchOf(), await migration.device());
    await migration.event('synchronized');
    for (let count = 0; count < 3; count += 1) await killAndFollow(migration);
    migration.signalJobProcess('SIGKILL');
    expect(await migration.end()).toMatchObject({ exitCode: 4 });
    await reader.failed();
    await waitUntil('the kernel has let go', async () => (await usedDevices()).length === 0);
    rmSync(scratchOf().stateDirectory, { recursive: true });
  });
});

describe.skipIf(isQemu)('a device of nbd', () => {
  async function failedAfterMs(path: string): Promise<number> {
    const startMs = performance.now();
    await expect(readFirst(path)).rejects.toThrow(/reading failed/);
    return performance.now() - startMs;
  }

  /** What was not synced then is lost: that is told once, and does not keep the device. */
  async function expectToldLoss(served: ServedDevice): Promise<void> {
    await expect(served.device.detach()).rejects.toMatchObject({ code: 'frontend-failed' });
    await served.takeAway();
    expect(await usedDevices()).toEqual([]);
  }

  it('lets its consumers wait as long as was set when the engine is gone, and then fails', async () => {
    const served = await serve('nbd', await makeDisks(4 * mebibyte), { deadConnectionSeconds: 2 });
    losesItsEngine(served);
    expect(await failedAfterMs(served.path)).toBeGreaterThan(1900);
    await expectToldLoss(served);
  });

  it('goes on where another engine takes over', async () => {
    const disks = await makeDisks(4 * mebibyte);
    // Longer than the second engine takes to come.
    const served = await serve('nbd', disks, { deadConnectionSeconds: 300 });
    losesItsEngine(served);
    const reading = readFirst(served.path);
    await sleep(200);
    const [ours, kernels] = addon().socketPair();
    const [from, to] = [await open(disks.source.path, 'r'), await open(disks.destination.path, 'r+')];
    const second = await Engine.start({
      names: { source: disks.source.path, destination: disks.destination.path },
      geometry: { sizeBytes: disks.source.sizeBytes, logicalBlockBytes: 512, physicalBlockBytes: 512 },
      sourceFd: from.fd,
      destinationFd: to.fd,
      speed: 'full',
      frontend: { kind: 'nbd', socketFds: [ours] },
    });
    const backendIdentifier = readFileSync(`/sys/block/${basename(served.path)}/backend`, 'utf8').trim();
    const index = Number(served.path.slice('/dev/nbd'.length));
    await reconfigureNbd(index, { sockets: [kernels], backendIdentifier });
    await reading;
    await served.takeAway();
    await second.stop();
    await Promise.all([from.close(), to.close()]);
  });

  it('fails at once when its worker has died', async () => {
    // Far longer than a busy machine takes to start what reads.
    const deadConnectionSeconds = 500;
    const served = await serve('nbd', await makeDisks(4 * mebibyte), { deadConnectionSeconds });
    served.host.abort();
    expect(await failedAfterMs(served.path)).toBeLessThan((deadConnectionSeconds * 1000) / 2);
    await expectToldLoss(served);
  });

  it('is gone when the process that served it was killed and nobody uses it', async () => {
    const { source, destination } = await makeDisks(4 * mebibyte);
    const disks = { source: source.path, destination: destination.path };
    const migration = Migration.start(scratchOf(), disks, '--frontend', 'nbd', '--hold', '--unmount-at-cutover');
    await migration.event('synchronized');
    await migration.kill();
    await waitUntil('the device is gone', async () => (await usedDevices()).length === 0);
    rmSync(scratchOf().stateDirectory, { recursive: true });
  });

  it('is a new one when all that there are have users', async () => {
    await runCommand('modprobe', ['--remove', 'nbd'], 'unloading');
    await runCommand('modprobe', ['nbd', 'nbds_max=1'], 'loading');
    const [ours, kernels] = addon().socketPair();
    const shape = { sizeBytes: mebibyte, logicalBlockBytes: 512, serverFlags: 1 };
    const only = await connectNbd({ ...shape, sockets: [kernels], backendIdentifier: 'somebody' });
    const served = await serve('nbd', await makeDisks(4 * mebibyte));
    expect([`/dev/nbd${only}`, served.path]).toEqual(['/dev/nbd0', '/dev/nbd1']);
    await readFirst(served.path);
    await served.takeAway();
    await disconnectNbd(only);
    for (const fd of [ours, kernels]) closeSync(fd);
    await runCommand('modprobe', ['--remove', 'nbd'], 'unloading');
    await runCommand('modprobe', ['nbd'], 'loading');
  });

  it('is none that is in use, and has a node even where nobody makes nodes', async () => {
    const [ours, kernels] = addon().socketPair();
    const shape = { sizeBytes: mebibyte, logicalBlockBytes: 512, serverFlags: 1 };
    const foreign = await connectNbd({ ...shape, sockets: [kernels], backendIdentifier: 'somebody' });
    const next = `/dev/nbd${foreign + 1}`;
    const [major = 0, minor = 0] = readFileSync(`/sys/block/${basename(next)}/dev`, 'utf8')
      .split(':')
      .map(Number);
    rmSync(next);
    const served = await serve('nbd', await makeDisks(4 * mebibyte));
    expect(served.path).toBe(next);
    await readFirst(next);
    await served.takeAway();
    expect(existsSync(next)).toBe(false);
    addon().makeBlockNode(next, major, minor);
    expect(await usedDevices()).toEqual([`nbd${foreign}`]);
    await disconnectNbd(foreign);
    for (const fd of [ours, kernels]) closeSync(fd);
  });
});

/** What its process's end does to it. */
function losesItsEngine({ host }: ServedDevice): void {
  if (host.choice.kind !== 'nbd') throw new Error('only nbd has sockets');
  for (const fd of host.choice.socketFds) addon().shutDownSocket(fd);
}

describe.skipIf(!isQemu)('ublk that is there and makes no device', () => {
  /** As containers hide what is not for them. */
  beforeEach(async () => {
    const control = '/dev/ublk-control';
    await runCommand('modprobe', ['ublk_drv'], 'loading');
    await runCommand('mount', ['--bind', '/dev/null', control], 'hiding');
    scratchOf().onRelease(control, async () => {
      await runCommand('umount', [control], 'showing');
    });
  });

  it('is passed over by auto, which says why', async () => {
    const { source, destination } = await makeDisks(4 * mebibyte);
    const migration = Migration.start(scratchOf(), { source: source.path, destination: destination.path });
    const { plan } = await migration.event('planned');
    expect(plan.frontend).toBe('nbd');
    expect(plan.frontendReason).toMatch(
      /^nbd serves it, the best that works here: ublk makes no device: .*E[A-Z]+/,
    );
    expect(await migration.end()).toMatchObject({ exitCode: 0 });
  });

  it('is refused before anything changes when it is asked for', async () => {
    const { source, destination } = await makeDisks(4 * mebibyte);
    const disks = { source: source.path, destination: destination.path };
    const migration = Migration.start(scratchOf(), disks, '--frontend', 'ublk');
    expect(await migration.end()).toMatchObject({ exitCode: 3 });
    expect(migration.events).toMatchObject([{ event: 'failed', code: 'no-frontend', dataIs: 'untouched' }]);
  });
});

describe('the frontend auto', () => {
  const best = isQemu ? { name: 'ublk', module: 'ublk_drv' } : { name: 'nbd', module: 'nbd' };

  it(`is ${best.name} here, whose module it loads, and the plan says why`, async () => {
    await runCommand('modprobe', ['--remove', best.module], 'unloading');
    const { source, destination } = await makeDisks(4 * mebibyte);
    const migration = Migration.start(scratchOf(), { source: source.path, destination: destination.path });
    const { plan } = await migration.event('planned');
    expect(plan.frontend).toBe(best.name);
    expect(plan.frontendReason).toMatch(
      isQemu ? /^ublk serves it, the fastest/ : /neither ublk nor its module/,
    );
    expect(await migration.end()).toMatchObject({ exitCode: 0 });
  });

  it('is the next best when a module is there and cannot be loaded', async () => {
    await runCommand('modprobe', ['--remove', best.module], 'unloading');
    const refusal = '/etc/modprobe.d/refused-for-a-test.conf';
    await runCommand('sh', ['-c', `echo 'install ${best.module} /bin/false' > ${refusal}`], 'refusing');
    scratchOf().onRelease('the refusal', async () => {
      rmSync(refusal);
      await runCommand('modprobe', [best.module], 'loading');
    });
    const { source, destination } = await makeDisks(4 * mebibyte);
    const migration = Migration.start(scratchOf(), { source: source.path, destination: destination.path });
    const { plan } = await migration.event('planned');
    expect(plan.frontend).toBe(isQemu ? 'nbd' : 'fuse');
    expect(plan.frontendReason).toContain(`loading the kernel module ${best.module} failed`);
    expect(await migration.end()).toMatchObject({ exitCode: 0 });
  });
});
