/**
 * What the demo makes of its own: a private directory with two sparse image files, loop devices over them,
 * and an ext4 volume with files on the first. All of it is found again by lying in the directory, so that
 * nothing stays behind wherever the demo stops, and whatever a migration that died has left there.
 */
import { constants as fsConstants, existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, realpath, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { DiskferryError } from '../../base/error.ts';
import { blockBytes } from '../../base/units.ts';
import { formatBytes } from '../format.ts';
import { mustRun, runProgram } from './programs.ts';

/** Enough for a destination that gets every block, and a source as full as the demo makes it. */
const roomPerSourceByte = 1.5;
const destinationPerSource = 1.25;

const releaseWaitMsMax = 5000;
const releasePollMs = 100;

export class Stage {
  readonly directory: string;
  /** Where the volume is mounted. */
  readonly volume: string;
  /** For the workload's records. */
  readonly records: string;
  /** For the migration. */
  readonly state: string;

  static async make(sourceBytes: number): Promise<Stage> {
    const stage = new Stage(await mkdtemp(join(await findRoom(sourceBytes), 'diskferry-demo-')));
    for (const directory of [stage.volume, stage.records, stage.state]) await mkdir(directory);
    return stage;
  }

  private constructor(directory: string) {
    this.directory = directory;
    this.volume = join(directory, 'volume');
    this.records = join(directory, 'records');
    this.state = join(directory, 'state');
  }

  /** Makes a disk of an image file; returns its loop device. */
  async makeDisk(name: string, sizeBytes: number): Promise<string> {
    const image = join(this.directory, `${name}.img`);
    const handle = await open(image, 'wx', 0o600);
    await handle.truncate(sizeBytes).finally(() => handle.close());
    const directIo = (await takesDirectIo(image)) ? 'on' : 'off';
    return mustRun('losetup', ['--find', '--show', `--direct-io=${directIo}`, image]);
  }

  async mount(device: string): Promise<void> {
    await mustRun('mount', [device, this.volume]);
  }

  async unmount(): Promise<void> {
    await mustRun('umount', [this.volume]);
  }

  /** Takes down everything that lies in the directory, and the directory. Throws if anything is left. */
  async clear(): Promise<void> {
    // Mounts sit on loop devices, and loop devices on files of mounts: each round takes off what is on top.
    for (let waitedMs = 0; ; waitedMs += releasePollMs) {
      const mounts = await mountsIn(this.directory);
      for (const target of mounts) await runProgram('umount', [target]);
      const loops = await loopDevicesIn(this.directory);
      for (const device of loops) await runProgram('losetup', ['--detach', device]);
      const left = [...mounts, ...loops];
      if (left.length === 0) break;
      if (waitedMs >= releaseWaitMsMax) {
        throw new DiskferryError('command-failed', `cannot be taken down: ${left.join(', ')}`);
      }
      await sleep(releasePollMs);
    }
    await rm(this.directory, { recursive: true });
  }
}

export function destinationBytesFor(sourceBytes: number): number {
  return Math.ceil((sourceBytes * destinationPerSource) / blockBytes) * blockBytes;
}

/** A directory with room for the demo. Temporary files that outlive a boot have the larger place. */
async function findRoom(sourceBytes: number): Promise<string> {
  const neededBytes = sourceBytes * roomPerSourceByte;
  const candidates = [process.env['TMPDIR'] ?? '/var/tmp', '/var/tmp', tmpdir()].filter((path) =>
    existsSync(path),
  );
  const found: string[] = [];
  for (const directory of new Set(candidates)) {
    const { bavail, bsize } = await statfs(directory);
    if (bavail * bsize >= neededBytes) return realpath(directory);
    found.push(`${directory} has ${formatBytes(bavail * bsize)}`);
  }
  throw new DiskferryError(
    'no-room',
    `the demo's disks need ${formatBytes(neededBytes)}: ${found.join(', ')}`,
  );
}

/** Without direct I/O the loop device works as well, but the file is cached twice. */
async function takesDirectIo(path: string): Promise<boolean> {
  try {
    const handle = await open(path, fsConstants.O_RDWR | fsConstants.O_DIRECT);
    await handle.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
    return false;
  }
}

const findmntSchema = z.object({ filesystems: z.array(z.object({ target: z.string() })) });
const losetupSchema = z.object({
  loopdevices: z.array(z.object({ name: z.string(), 'back-file': z.string().nullable() })),
});

/** Last mounted first. */
async function mountsIn(directory: string): Promise<string[]> {
  const { filesystems } = findmntSchema.parse(
    JSON.parse(await mustRun('findmnt', ['--list', '--json', '--output', 'TARGET'])),
  );
  return filesystems
    .map(({ target }) => target)
    .filter((target) => target.startsWith(`${directory}/`))
    .reverse();
}

/** Last made first. */
async function loopDevicesIn(directory: string): Promise<string[]> {
  const answer = await mustRun('losetup', ['--list', '--json', '--output', 'NAME,BACK-FILE']);
  if (answer === '') return [];
  const { loopdevices } = losetupSchema.parse(JSON.parse(answer));
  return loopdevices
    .filter((loop) => loop['back-file']?.startsWith(`${directory}/`))
    .map(({ name }) => name)
    .reverse();
}
