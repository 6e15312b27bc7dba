/**
 * A file system mounted for a moment where nobody but our own programs sees it: in a mount namespace of its
 * own, kept by a process that ends when we do, however we end. Whether the same file system is mounted
 * elsewhere does not matter, and no name of a mount point, nothing mounted over one and no subvolume can lead
 * astray.
 *
 * What was mounted is compared with the device before anybody works on it: Btrfs chooses by the identifier
 * that it finds on the device, and another disk may carry the same one.
 *
 * The namespace begins as a copy of all mounts, and a copy keeps its device busy. So what is unmounted
 * outside goes inside as well (`slave`), and nothing that is done inside comes out. Where mounts propagate to
 * nobody (no systemd: a rescue system, a container) there is no such way, and they stay busy until this ends.
 *
 * Programs enter the namespace by its keeper's root directory, not by the namespace's own: in a chroot (a
 * rescue system, our guests) the two differ, and the second one has other directories and devices.
 */
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, realpathSync } from 'node:fs';
import { mkdtemp, realpath, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { DiskferryError } from '../base/error.ts';
import { ReleaseStack } from '../base/release.ts';
import { deviceNumberAt } from './block-device.ts';
import { readBtrfsSets } from './inventory.ts';
import type { Mount } from './mounts.ts';
import { parseMountInfo, sourceDevice } from './mounts.ts';
import { inOwnSession } from './own-session.ts';
import { runCommand } from './command.ts';
import type { ProgramResult } from './program.ts';
import { programEnvironment } from './program.ts';
import { runToItsEnd } from './program-to-its-end.ts';

export interface MountableDevice {
  readonly path: string;
  readonly majorMinor: string;
  readonly kernelName: string;
}

/** The device that the path leads to now. */
export function mountableAt(path: string): MountableDevice {
  return { path, majorMinor: deviceNumberAt(path), kernelName: basename(realpathSync(path)) };
}

export interface PrivateMount {
  readonly directory: string;
  /** Runs a program that sees the mount; it goes on when we are killed. */
  readonly run: (program: string, parameters: readonly string[]) => Promise<ProgramResult>;
}

const safely = ['nosuid', 'nodev', 'noexec'];

/**
 * `type`: the kernel's driver; `options`: what it needs besides. Throws when it cannot be mounted, or is
 * another one.
 */
export async function withPrivateMount<T>(
  device: MountableDevice,
  { type, options }: { readonly type: string; readonly options: readonly string[] },
  act: (mount: PrivateMount) => Promise<T>,
): Promise<T> {
  const held = new ReleaseStack();
  try {
    // The kernel names mounts by paths without links.
    const directory = await mkdtemp(join(await realpath(tmpdir()), 'diskferry-mount-'));
    held.add('the mount point', () => rmdir(directory));
    const keeper = await startKeeper();
    held.add('the mount namespace', () => endKeeper(keeper));
    const inside = wordsInto(keeper.pid);
    const words = ['-t', type, '-o', [...safely, ...options].join(','), '--', device.path, directory];
    await runCommand('nsenter', [...inside, 'mount', ...words], `${device.path}: mounting it for a moment`);
    held.add('the mount', async () => {
      await runCommand('nsenter', [...inside, 'umount', directory], `${device.path}: unmounting it again`);
    });
    requireSame(device, mountIn(keeper.pid, directory));
    return await act({
      directory,
      run: (program, parameters) => runToItsEnd('nsenter', [...inside, program, ...parameters]),
    });
  } finally {
    await held.releaseAll();
  }
}

/** For nsenter(1), before the program. All three are opened before it enters anything. */
function wordsInto(pid: number | undefined): string[] {
  const keeper = `/proc/${String(pid)}`;
  return [`--mount=${keeper}/ns/mnt`, `--root=${keeper}/root`, `--wd=${keeper}/root`, '--'];
}

type Keeper = ChildProcessByStdio<Writable, Readable, null>;

/** cat(1) answers as soon as it is in its namespace, and ends with the pipe that only we hold. */
async function startKeeper(): Promise<Keeper> {
  const parameters = ['--mount', '--propagation', 'slave', 'cat'];
  // Its working directory would keep a mount busy.
  const place = { cwd: '/', env: programEnvironment() };
  const child = inOwnSession((own) =>
    spawn('unshare', parameters, { ...own, ...place, stdio: ['pipe', 'pipe', 'ignore'] }),
  );
  const ended = once(child, 'close').then(() => 'ended', (error: unknown) => error);
  child.stdin.on('error', () => undefined);
  child.stdin.write('ready\n');
  const answer = await Promise.race([once(child.stdout, 'data').then(() => 'ready'), ended]);
  if (answer === 'ready') return child;
  const why = answer instanceof Error ? answer.message : 'unshare has ended';
  throw new DiskferryError('command-failed', `making a mount namespace failed: ${why}`);
}

async function endKeeper(keeper: Keeper): Promise<void> {
  if (keeper.exitCode !== null || keeper.signalCode !== null) return;
  const ended = once(keeper, 'close');
  keeper.stdout.resume();
  keeper.stdin.end();
  await ended;
}

function mountIn(pid: number | undefined, directory: string): Mount | undefined {
  const mounts = parseMountInfo(readFileSync(`/proc/${String(pid)}/mountinfo`, 'utf8'));
  return mounts.find(({ target }) => target === directory);
}

function requireSame({ path, majorMinor, kernelName }: MountableDevice, mount: Mount | undefined): void {
  const isIt =
    mount !== undefined &&
    (mount.majorMinor === majorMinor ||
      (mount.fsType === 'btrfs' && sourceDevice(mount) === majorMinor && isAloneInBtrfs(kernelName)));
  if (isIt) return;
  throw new DiskferryError('device-changed', `${path}: the kernel mounts another device for it`, {
    context: { device: path },
  });
}

function isAloneInBtrfs(kernelName: string): boolean {
  return readBtrfsSets().some((set) => set.length === 1 && set[0] === kernelName);
}
