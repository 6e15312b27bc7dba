/**
 * What a path leads to that a client names. The service is root and the client may not be: everything about a
 * file that such a client names, its name, its folder, the file system that it lies on, stays in that client's
 * hands while root works with it. So he names block devices and nothing else. His path is followed with his own
 * rights, in a process of that user's; from then on only the device's number counts, by which the kernel knows
 * one device, and its own node. Whether he may have that device moved is polkit's word (authority.ts), and not
 * the node's mode, by which nobody but root could.
 *
 * The user can have his process say what he likes. What he gains by it is another device's number, which he
 * could have named as well.
 */
import { execFile } from 'node:child_process';
import * as z from 'zod';
import { builtFile } from '../base/built-file.ts';
import { DiskferryError } from '../base/error.ts';
import type { PlannedDisk } from '../contract/plan.ts';
import type { Peer } from '../devices/peer.ts';
import { readSysfsDevices } from '../devices/sysfs.ts';

const lookMsMax = 10_000;
const answerBytesMax = 1024;

const answerSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('block'), majorMinor: z.string() }),
  z.object({ kind: z.literal('file') }),
  z.object({ kind: z.literal('other') }),
  z.object({ kind: z.literal('refused'), code: z.string().max(20) }),
]);
type Answer = z.infer<typeof answerSchema>;

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

/** Node gives up the service's groups along with its user (setgroups of libuv). */
async function lookAs({ userId, groupId }: Peer, path: string): Promise<Answer> {
  const identity = { uid: userId, gid: groupId, env: {}, cwd: '/' };
  // It is the user's own process: a signal that can be caught or put off would not end it.
  const limits = { timeout: lookMsMax, killSignal: 'SIGKILL', maxBuffer: answerBytesMax } as const;
  const text = await new Promise<string>((resolve) => {
    execFile(process.execPath, [builtFile('app/service/look-as-user.js'), path], { ...identity, ...limits }, (error, stdout) =>
      resolve(error === null ? stdout : ''),
    );
  });
  const answer = answerSchema.safeParse(parsed(text));
  if (answer.success) return answer.data;
  throw notYours(path, `nobody could look at it as user ${userId}`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
