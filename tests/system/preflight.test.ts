/**
 * The refusals on real devices and files: facts gathered from this machine, not made up. Both stages; what
 * only root finds out is asked for by `closer`. Nothing is ever written to a disk here.
 */
import { spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
} from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { DiskferryError, present } from '../../app/base/error.ts';
import type { ErrorCode } from '../../app/base/error.ts';
import { mebibyte } from '../../app/base/units.ts';
import type { DeviceIdentity, Plan } from '../../app/contract/plan.ts';
import { planSchema } from '../../app/contract/plan.ts';
import { exitCodes } from '../../app/contract/exit-codes.ts';
import { runCommand } from '../../app/devices/command.ts';
import { assertSameDevice } from '../../app/devices/identity.ts';
import type { ProgramResult } from '../../app/devices/program.ts';
import { runProgram } from '../../app/devices/program.ts';
import { gatherFacts } from '../../app/migration/facts.ts';
import type { PlanOptions } from '../../app/migration/plan.ts';
import { decidePlan } from '../../app/migration/plan.ts';
import { makeImage, makeLoopDisk } from './support/loop-disk.ts';
import { writePartitionTable } from './support/partition-table.ts';
import { endOf } from './support/processes.ts';
import { useScratch } from './support/scratch.ts';

const isRoot = process.getuid?.() === 0;
const sizeBytes = 64 * mebibyte;
const scratchOf = useScratch();

interface PlanRequest extends Partial<PlanOptions> {
  readonly closer?: boolean;
  readonly stateDirectory?: string;
}

async function plan(sourcePath: string, destinationPath: string, request: PlanRequest = {}): Promise<Plan> {
  const { closer = false, stateDirectory = '/var/lib/diskferry', ...options } = request;
  const facts = await gatherFacts({
    sourcePath,
    destinationPath,
    stateDirectory,
    looksCloser: closer,
    findsWriters: closer,
    readsAllocation: closer,
  });
  return planSchema.parse(decidePlan(facts, { frontend: 'auto', mode: 'redirect', ...options }));
}

async function refusal(
  source: string,
  destination: string,
  request: PlanRequest = {},
): Promise<DiskferryError> {
  try {
    await plan(source, destination, request);
  } catch (error) {
    if (error instanceof DiskferryError) return error;
    throw error;
  }
  throw new Error('was not refused');
}

async function expectRefusal(
  pair: readonly [string, string],
  code: ErrorCode,
  names: string,
  request: PlanRequest = {},
): Promise<void> {
  const error = await refusal(pair[0], pair[1], request);
  expect(error.code, error.message).toBe(code);
  expect(error.message).toContain(names);
}

async function makePair(): Promise<{
  source: string;
  destination: string;
  sourceFile: string;
  destinationFile: string;
}> {
  const source = await makeLoopDisk(scratchOf(), 'source', { sizeBytes });
  const destination = await makeLoopDisk(scratchOf(), 'destination', { sizeBytes });
  return {
    source: source.path,
    destination: destination.path,
    sourceFile: source.file,
    destinationFile: destination.file,
  };
}

function image(name: string, bytes = sizeBytes): string {
  makeImage(scratchOf().path(name), bytes);
  return scratchOf().path(name);
}

async function attach(...parameters: readonly string[]): Promise<string> {
  return (await runCommand('losetup', ['--find', '--show', ...parameters], 'attaching')).trim();
}

async function mountAt(name: string, ...parameters: readonly string[]): Promise<string> {
  const target = await scratchOf().makeDirectory(name);
  await runCommand('mount', [...parameters, target], 'mounting');
  return target;
}

/** What the scratch does not know of, or must be gone before what it knows of. */
function releaseBy(program: string, ...parameters: readonly string[]): void {
  scratchOf().onRelease(parameters.join(' '), async () => {
    await runCommand(program, parameters, 'releasing');
  });
}

/** A disk as it was, and as it is after it was detached and attached again under its name. */
async function attachAgain(): Promise<[DeviceIdentity, DeviceIdentity]> {
  const { path, file } = await makeLoopDisk(scratchOf(), 'destination', { sizeBytes });
  const identity = async (): Promise<DeviceIdentity> => {
    const { destination } = await plan(image('source.img'), path, { closer: true });
    return present(destination.identity, 'a disk that exists has its identity');
  };
  const before = await identity();
  await runCommand('losetup', ['--detach', path], 'detaching');
  const { exitCode, stderr } = await runProgram('losetup', [path, file]);
  if (exitCode === 0) return [before, await identity()];
  // Any program on this machine may have taken the name while it was free: the same again with another disk.
  expect(stderr).toContain('busy');
  return attachAgain();
}

const makeExt4 = (device: string) => runCommand('mkfs.ext4', ['-q', device], 'mkfs');

describe.skipIf(!isRoot)('a plan for loop devices and image files', () => {
  test('is made without and with a closer look', async () => {
    const { source, destination } = await makePair();
    await makeExt4(source);
    expect((await plan(source, destination)).copy.exact).toBe(false);
    const closer = await plan(source, destination, { closer: true });
    expect(closer.source).toMatchObject({ kind: 'block', sizeBytes, content: { fileSystemType: 'ext4' } });
    const reason = 'Only what the file system uses is copied.';
    expect(closer.copy).toMatchObject({ scope: 'allocated', exact: true, reason });
    expect(closer.warnings.map(({ code }) => code)).toContain('recover-after-crash');
  });

  test('takes a mounted source by the way remount, with its mounts', async () => {
    const { source, destination } = await makePair();
    await makeExt4(source);
    const target = await mountAt('with space', '-o', 'noatime', source);
    const { way, mounts, copy } = await plan(source, destination, { closer: true });
    expect(way).toBe('remount');
    expect(copy).toMatchObject({ scope: 'allocated', exact: false });
    expect(copy.bytes).toBeGreaterThan(0);
    expect(mounts).toMatchObject([{ target, fsType: 'ext4', root: '/' }]);
    expect(mounts[0]?.options.split(',')).toContain('noatime');
  });

  test('finds the mounts of a Btrfs and of its subvolumes, whose device numbers say nothing', async () => {
    const source = (await makeLoopDisk(scratchOf(), 'btrfs', { sizeBytes: 256 * mebibyte })).path;
    await runCommand('mkfs.btrfs', ['-q', source], 'mkfs');
    const top = await mountAt('top', source);
    await runCommand('btrfs', ['-q', 'subvolume', 'create', `${top}/home`], 'subvolume');
    const home = await mountAt('home', '-o', 'subvol=home', source);
    const { mounts } = await plan(source, image('destination.img', 256 * mebibyte));
    expect(mounts.map(({ target, root }) => [target, root])).toEqual([
      [top, '/'],
      [home, '/home'],
    ]);
    // An image on that Btrfs lies on the source, although stat gives it a device number of its own.
    makeImage(`${home}/inner.img`, 256 * mebibyte);
    await expectRefusal([source, `${home}/inner.img`], 'device-overlaps', 'inner.img');
  });

  test('takes a sparse 16 TiB image', async () => {
    const huge = image('huge.img', 16 * 2 ** 40);
    const options = { createBytes: 16 * 2 ** 40 };
    expect((await plan(huge, scratchOf().path('new.img'), options)).destination.toBeCreated).toBe(true);
  });

  test('tells another disk under the same name from the one that was planned', async () => {
    const [before, now] = await attachAgain();
    expect(() => assertSameDevice(before, now)).toThrow(expect.objectContaining({ code: 'device-changed' }));
  });
});

describe.skipIf(!isRoot)('preflight refuses', () => {
  test('what is no disk', async () => {
    const destination = image('destination.img');
    const scratch = scratchOf();
    await runCommand('mkfifo', [scratch.path('fifo')], 'mkfifo');
    await expectRefusal([scratch.path('nothing'), destination], 'device-missing', 'nothing');
    await expectRefusal([scratch.directory, destination], 'device-not-a-disk', 'directory');
    await expectRefusal(['/dev/null', destination], 'device-not-a-disk', 'character device');
    await expectRefusal([scratch.path('fifo'), destination], 'device-not-a-disk', 'fifo');
    await expectRefusal([destination, `${destination}/below`], 'device-missing', 'below');
    symlinkSync(scratch.path('ring'), scratch.path('ring'));
    await expectRefusal([destination, scratch.path('ring')], 'device-missing', 'ELOOP');
    await expectRefusal([image('empty.img', 0), destination], 'device-empty', 'empty.img');
    await expectRefusal([image('odd.img', 1000), destination], 'size-not-in-blocks', 'odd.img');
  });

  test('one storage under two names', async () => {
    const { source, sourceFile } = await makePair();
    const scratch = scratchOf();
    symlinkSync(source, scratch.path('link'));
    await expectRefusal([source, scratch.path('link')], 'device-same', 'link');
    await expectRefusal([source, sourceFile], 'device-overlaps', 'source.img');
    await expectRefusal([source, await attach(sourceFile)], 'device-overlaps', 'loop');
    const onTop = await attach(source);
    releaseBy('losetup', '--detach', onTop);
    await expectRefusal([source, onTop], 'device-overlaps', onTop);
    const free = image('free.img');
    linkSync(free, scratch.path('hard.img'));
    symlinkSync(free, scratch.path('soft.img'));
    await expectRefusal([free, scratch.path('hard.img')], 'device-same', 'hard.img');
    await expectRefusal([free, scratch.path('soft.img')], 'device-same', 'soft.img');
  });

  test('a loop device over the same part of a file, and takes one over another part', async () => {
    const file = image('parts.img', 4 * sizeBytes);
    const half = ['--sizelimit', String(sizeBytes)];
    const first = await attach(...half, file);
    const second = await attach('--offset', String(2 * sizeBytes), ...half, file);
    const overlapping = await attach('--offset', String(sizeBytes / 2), ...half, file);
    expect((await plan(first, second)).way).toBe('attach');
    await expectRefusal([first, overlapping], 'device-overlaps', overlapping);
  });

  test('a partition and its disk, by the partition nodes that the kernel makes', async () => {
    const source = image('source.img');
    const destination = await attach('--partscan', image('destination.img'));
    writePartitionTable(destination, [{ startSectors: 2048, sectors: 65536 }]);
    await runCommand('partx', ['--add', destination], 'adding partitions');
    await expectRefusal([`${destination}p1`, destination], 'device-overlaps', destination);
    await makeExt4(`${destination}p1`);
    await mountAt('part', `${destination}p1`);
    await expectRefusal([source, destination], 'destination-mounted', 'part');
    await expectRefusal([destination, source], 'mount-not-supported', 'part');
  });

  test('files that a loop device uses, and names it', async () => {
    const { source, sourceFile, destinationFile } = await makePair();
    await expectRefusal([sourceFile, image('free.img')], 'device-has-loop', source);
    const error = await refusal(image('other.img'), destinationFile);
    expect(error.context['loop']).toMatch(/^\/dev\/loop\d+$/);
  });

  test('a mounted destination', async () => {
    const { source, destination } = await makePair();
    await makeExt4(destination);
    const target = await mountAt('mounted', destination);
    await expectRefusal([source, destination], 'destination-mounted', target);
  });

  test('swap', async () => {
    const { source, destination } = await makePair();
    await runCommand('mkswap', [destination], 'mkswap');
    await runCommand('swapon', [destination], 'swapon');
    releaseBy('swapoff', destination);
    await expectRefusal([source, destination], 'device-is-swap', destination);
    await expectRefusal([destination, source], 'device-is-swap', destination);
  });

  test('a destination that another mount namespace has mounted, on the closer look', async () => {
    const { source, destination } = await makePair();
    await makeExt4(destination);
    const target = await scratchOf().makeDirectory('hidden');
    const script = `mount ${destination} ${target} && echo ready && exec sleep 60`;
    const child = spawn('unshare', ['--mount', 'sh', '-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    scratchOf().onRelease('the namespace', () => endOf(child));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    expect((await plan(source, destination)).way).toBe('attach');
    await expectRefusal([source, destination], 'device-in-use', destination, { closer: true });
  });

  test('a disk that somebody has claimed, on the closer look', async () => {
    const { source, destination } = await makePair();
    const fd = openSync(destination, constants.O_RDONLY | constants.O_EXCL);
    try {
      await expectRefusal([source, destination], 'device-in-use', destination, { closer: true });
      await expectRefusal([destination, source], 'device-in-use', destination, { closer: true });
    } finally {
      closeSync(fd);
    }
  });

  test('a disk that a process has open for writing, and names the process', async () => {
    const file = image('written.img');
    const script = 'exec 3<>"$1"; echo ready; exec sleep 60';
    const child = spawn('bash', ['-c', script, 'bash', file], { stdio: ['ignore', 'pipe', 'inherit'] });
    scratchOf().onRelease('the writer', () => endOf(child));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const names = `sleep (process ${child.pid})`;
    await expectRefusal([file, image('free.img')], 'device-in-use', names, { closer: true });
    await expectRefusal([image('free.img'), file], 'device-in-use', names, { closer: true });
  });

  test('a smaller destination, by as little as a sector', async () => {
    const { source } = await makePair();
    await expectRefusal(
      [source, image('small.img', sizeBytes - 512)],
      'destination-too-small',
      '512 bytes less',
    );
    const smaller = { createBytes: sizeBytes - 512 };
    await expectRefusal([source, scratchOf().path('new.img')], 'destination-too-small', 'new.img', smaller);
  });

  test('other logical blocks', async () => {
    const small = await makeLoopDisk(scratchOf(), 'small', { sizeBytes, blockBytes: 512 });
    const large = await makeLoopDisk(scratchOf(), 'large', { sizeBytes, blockBytes: 4096 });
    await expectRefusal([small.path, large.path], 'logical-block-size-differs', '4096');
    await expectRefusal([large.path, small.path], 'logical-block-size-differs', '4096');
    await expectRefusal([image('source.img'), large.path], 'logical-block-size-differs', '4096');
    const odd = image('odd.img', sizeBytes + 512);
    await expectRefusal([large.path, odd], 'size-not-in-blocks', 'odd.img');
    expect((await plan(large.path, image('even.img'))).destination.logicalBlockBytes).toBe(4096);
  });

  test('read-only disks and file systems', async () => {
    const { source } = await makePair();
    const readOnly = await attach('--read-only', image('protected.img'));
    await expectRefusal([source, readOnly], 'device-read-only', readOnly);
    await expectRefusal([readOnly, source], 'device-read-only', readOnly);
    const target = await mountAt('read-only', '-t', 'tmpfs', 'none');
    makeImage(`${target}/a.img`, sizeBytes);
    await runCommand('mount', ['-o', 'remount,ro', target], 'remounting');
    await expectRefusal([source, `${target}/a.img`], 'device-read-only', 'a.img');
    const create = { createBytes: sizeBytes };
    await expectRefusal([source, `${target}/new.img`], 'device-read-only', 'new.img', create);
  });

  test('mounts that could not be put back', async () => {
    const { source, destination } = await makePair();
    await makeExt4(source);
    const target = await mountAt('outer', source);
    mkdirSync(`${target}/folder`);
    const bound = await mountAt('bound', '--bind', `${target}/folder`);
    await expectRefusal([source, destination], 'mount-not-supported', bound);
    await runCommand('umount', [bound], 'unmounting');
    await runCommand('mount', ['-t', 'tmpfs', 'none', `${target}/folder`], 'mounting inside');
    await expectRefusal([source, destination], 'mount-not-supported', `${target}/folder`);
    await runCommand('umount', [`${target}/folder`], 'unmounting inside');
  });

  test('a source on which a loop device, a swap file or the state directory lies', async () => {
    const { source, destination } = await makePair();
    await makeExt4(source);
    const target = await mountAt('volume', source);
    const inState = { stateDirectory: `${target}/state/of/jobs` };
    await expectRefusal([source, destination], 'state-directory-unusable', 'state/of/jobs', inState);
    makeImage(`${target}/inner.img`, mebibyte);
    await expectRefusal([source, `${target}/inner.img`], 'device-overlaps', 'inner.img');
    const inner = await attach(`${target}/inner.img`);
    releaseBy('losetup', '--detach', inner);
    await expectRefusal([source, destination], 'source-has-holders', inner);
  });

  test('a Btrfs of two devices', async () => {
    const first = await makeLoopDisk(scratchOf(), 'first', { sizeBytes: 128 * mebibyte });
    const second = await makeLoopDisk(scratchOf(), 'second', { sizeBytes: 128 * mebibyte });
    await runCommand('mkfs.btrfs', ['-q', first.path, second.path], 'mkfs');
    const destination = image('destination.img', 128 * mebibyte);
    await expectRefusal([first.path, destination], 'content-not-supported', '2 devices', { closer: true });
    const target = await mountAt('both', first.path);
    await expectRefusal([second.path, destination], 'mount-not-supported', target);
  });

  test('the disk of the running system', async () => {
    const { majorMinor, path } = rootDisk();
    if (majorMinor === null) return;
    await expectRefusal([path, image('free.img')], 'device-holds-system', path);
    const { source } = await makePair();
    await expectRefusal([source, path], 'device-holds-system', path);
  });
});

describe.skipIf(!isRoot)('without root', () => {
  const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups', '--'];
  const program = fileURLToPath(new URL('../../build/app/cli/main.js', import.meta.url));

  const planAsNobody = (source: string, destination: string, frontend: string): Promise<ProgramResult> => {
    const parameters = [
      'plan',
      '--json',
      '--source',
      source,
      '--destination',
      destination,
      '--frontend',
      frontend,
    ];
    return runProgram('setpriv', [...nobody, process.execPath, program, ...parameters]);
  };

  test('image files of somebody else are refused on a socket, and own ones are not', async () => {
    const [source, destination] = [image('source.img'), image('destination.img')];
    chmodSync(source, 0o600);
    const refused = await planAsNobody(source, destination, 'nbd-socket');
    expect(refused.exitCode).toBe(exitCodes.refused);
    expect(refused.stdout).toContain('device-permission-denied');
    for (const path of [source, destination]) chownSync(path, 65534, 65534);
    const planned = await planAsNobody(source, destination, 'nbd-socket');
    expect(planned.exitCode, planned.stderr).toBe(exitCodes.done);
    expect(planned.stdout).toContain('"needsRoot":false');
  });

  test('everything that can be known is refused before root is asked for', async () => {
    const { source, destination } = await makePair();
    const planned = await planAsNobody(source, destination, 'fuse');
    expect(planned.exitCode, planned.stderr).toBe(exitCodes.done);
    expect(planned.stdout).toContain('"needsRoot":true');
    await makeExt4(destination);
    await mountAt('mounted', destination);
    const refused = await planAsNobody(source, destination, 'fuse');
    expect(refused.stdout).toContain('destination-mounted');
  });
});

function rootDisk(): { majorMinor: string | null; path: string } {
  const line = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .find((text) => text.split(' ')[4] === '/');
  const path = line?.split(' - ')[1]?.split(' ')[1] ?? '';
  return { majorMinor: path.startsWith('/dev/') ? (line?.split(' ')[2] ?? null) : null, path };
}
