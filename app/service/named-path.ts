/**
 * What a path leads to that a client names. The service is root and the client may not be, so the path is
 * followed with the client's own rights, in a process of that user's: a block device, whose own node is used
 * from then on, or a file that the user may read and write, known by its inode. A plan made from it must then
 * be of exactly that.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { DiskferryError } from '../base/error.ts';
import type { PlannedDisk } from '../contract/plan.ts';
import type { Peer } from '../devices/peer.ts';
import { readSysfsDevices } from '../devices/sysfs.ts';

const lookMsMax = 10_000;

const answerSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('block'), majorMinor: z.string() }),
  z.object({ kind: z.literal('file'), realPath: z.string(), device: z.string(), inode: z.number() }),
  z.object({ kind: z.literal('other') }),
  z.object({ kind: z.literal('refused'), code: z.string() }),
]);

/** What the path led to when it was followed. `path` is to be used instead of it. */
export interface NamedDisk {
  readonly path: string;
  readonly named: string;
  /** As in an identity: of the device, or of the file system and file. */
  readonly majorMinor: string;
  readonly inode: number | null;
}

const script = import.meta.url.endsWith('.ts')
  ? '../../build/app/service/open-as-user.js'
  : './open-as-user.js';
const scriptPath = fileURLToPath(new URL(script, import.meta.url));

/** Throws `path-not-yours` with the reason. */
export async function followAs(peer: Peer, path: string): Promise<NamedDisk> {
  const answer = answerSchema.parse(JSON.parse(await lookAs(peer, path)));
  switch (answer.kind) {
    case 'refused':
      throw notYours(path, `it cannot be opened by user ${peer.userId}: ${answer.code}`);
    case 'other':
      throw notYours(path, 'it is neither a block device nor a regular file');
    case 'file':
      return { path: answer.realPath, named: path, majorMinor: answer.device, inode: answer.inode };
    case 'block': {
      const device = readSysfsDevices().find(({ majorMinor }) => majorMinor === answer.majorMinor);
      if (device === undefined) throw notYours(path, 'it is a node without a device');
      return { path: device.path, named: path, majorMinor: answer.majorMinor, inode: null };
    }
  }
}

/** Throws when a disk of a plan is not what the path led to: it leads elsewhere by now. */
export function assertIsNamed({ majorMinor, inode, named }: NamedDisk, { identity }: PlannedDisk): void {
  if (identity !== null && identity.majorMinor === majorMinor && identity.inode === inode) return;
  throw notYours(named, 'it led elsewhere a moment ago');
}

function notYours(path: string, why: string): DiskferryError {
  return new DiskferryError('path-not-yours', `${path}: ${why}`, { context: { path } });
}

/** Node gives up the service's groups along with its user (setgroups of libuv). */
async function lookAs({ userId, groupId }: Peer, path: string): Promise<string> {
  const options = { uid: userId, gid: groupId, env: {}, cwd: '/', timeout: lookMsMax } as const;
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [scriptPath, path], options, (error, stdout) => {
      if (error === null) resolve(stdout);
      else reject(notYours(path, `nobody could look at it as user ${userId}`));
    });
  });
}
