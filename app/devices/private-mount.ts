/**
 * A file system mounted for a moment where nobody but our own programs sees it: in a mount namespace of its own, kept
 * by a process that ends when we do, however we end. Whether the same file system is mounted elsewhere does not matter,
 * and no name of a mount point, nothing mounted over one and no subvolume can lead astray.
 *
 * What was mounted is compared with the device before anybody works on it: Btrfs chooses by the identifier that it
 * finds on the device, and another disk may carry the same one.
 */
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { DiskferryError } from '../base/error.ts';
import { ReleaseStack } from '../base/release.ts';
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

export interface PrivateMount {
  readonly directory: string;
  /** Runs a program that sees the mount; it goes on when we are killed. */
  readonly run: (program: string, parameters: readonly string[]) => Promise<ProgramResult>;
}

const safely = ['nosuid', 'nodev', 'noexec'];

/** `type`: the kernel's driver; `options`: what it needs besides. Throws when it cannot be mounted, or is another one. */
export async function withPrivateMount<T>(
  device: MountableDevice,
  { type, options }: { readonly type: string; readonly options: readonly string[] },
  act: (mount: PrivateMount) => Promise<T>,
): Promise<T> {
  const held = new ReleaseStack();
  try {
    const directory = await mkdtemp(join(tmpdir(), 'diskferry-mount-'));
    held.add('the mount point', () => rmdir(directory));
    const keeper = await startKeeper();
    held.add('the mount namespace', () => endKeeper(keeper));
    const inside = [`--mount=/proc/${String(keeper.pid)}/ns/mnt`, '--'];
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

type Keeper = ChildProcessByStdio<Writable, Readable, null>;

/** cat(1) answers as soon as it is in its namespace, and ends with the pipe that only we hold. */
async function startKeeper(): Promise<Keeper> {
  const parameters = ['--mount', '--propagation', 'private', 'cat'];
  const child = inOwnSession((own) =>
    spawn('unshare', parameters, { ...own, env: programEnvironment(), stdio: ['pipe', 'pipe', 'ignore'] }),
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
