/**
 * What a path leads to that a client names. The service is root and the client may not be: everything about a
 * file that such a client names stays in that client's hands while root works with it. So he names block devices
 * and nothing else. His path is followed with his own rights, by a process that he can end and not steer
 * (native/harden.cc); from then on only the device's number counts, by which the kernel knows one device, and
 * its own node. Whether he may have that device moved is polkit's word (authority.ts), and not the node's mode, by
 * which nobody but root could.
 */
import { execFile } from 'node:child_process';
import { getSystemErrorName } from 'node:util';
import { builtFile } from '../base/built-file.ts';
import { DiskferryError } from '../base/error.ts';
import type { PlannedDisk } from '../contract/plan.ts';
import type { Peer } from '../devices/peer.ts';
import { readSysfsDevices } from '../devices/sysfs.ts';

const lookMsMax = 10_000;
const answerBytesMax = 1024;

type Answer =
  | { readonly kind: 'block'; readonly majorMinor: string }
  | { readonly kind: 'file' | 'other' }
  | { readonly kind: 'refused'; readonly code: string };

/** What the path led to when it was followed. `path` is to be used instead of it. */
export interface NamedDisk {
  readonly path: string;
  readonly named: string;
  readonly majorMinor: string;
}

/** Throws `path-not-yours` with the reason. */
export async function followAs(peer: Peer, path: string): Promise<NamedDisk> {
  const answer = await lookAs(peer, path);
  switch (answer.kind) {
    case 'refused':
      throw notYours(path, `user ${peer.userId} cannot follow this path: ${answer.code}`);
    case 'file':
      throw notYours(path, 'it is a file, and only root can have the service move files');
    case 'other':
      throw notYours(path, 'it is no block device');
    case 'block': {
      const device = readSysfsDevices().find(({ majorMinor }) => majorMinor === answer.majorMinor);
      if (device === undefined) throw notYours(path, 'it is a node without a device');
      return { path: device.path, named: path, majorMinor: answer.majorMinor };
    }
  }
}

/** Throws when a disk of a plan is not what the path led to: it leads elsewhere by now. */
export function assertIsNamed({ majorMinor, named }: NamedDisk, { kind, identity }: PlannedDisk): void {
  if (kind === 'block' && identity?.majorMinor === majorMinor) return;
  throw notYours(named, 'it led elsewhere a moment ago');
}

function notYours(path: string, why: string): DiskferryError {
  return new DiskferryError('path-not-yours', `${path}: ${why}`, { context: { path } });
}

async function lookAs({ userId, groupId }: Peer, path: string): Promise<Answer> {
  const words = ['look', String(userId), String(groupId), path];
  // He can stop it: a signal that can be put off would not end it.
  const limits = { timeout: lookMsMax, killSignal: 'SIGKILL', maxBuffer: answerBytesMax } as const;
  const text = await new Promise<string>((resolve) => {
    execFile(builtFile('native/diskferry-harden'), words, { ...limits, env: {}, cwd: '/' }, (error, stdout) =>
      resolve(error === null ? stdout : ''),
    );
  });
  const answer = answerIn(text);
  if (answer !== undefined) return answer;
  throw notYours(path, `nobody could look at it as user ${userId}`);
}

function answerIn(line: string): Answer | undefined {
  const [, kind, majorMinor, errno] = /^(?:(file|other)|block (\d+:\d+)|refused (\d+))\n$/.exec(line) ?? [];
  if (kind === 'file' || kind === 'other') return { kind };
  if (majorMinor !== undefined) return { kind: 'block', majorMinor };
  return errno === undefined ? undefined : { kind: 'refused', code: getSystemErrorName(-Number(errno)) };
}
