/**
 * Mounts and loop devices that belong to a directory, and how they are taken away. This is also how a person
 * cleans a machine on which a job was killed; the order matters: a loop device goes once nothing is mounted
 * on it, and the FUSE file under it once the loop device has gone. In a guest, devices of ublk whose process
 * was killed go first, because they keep those who read from them, and our devices of device-mapper go before
 * the disks that they lie on.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { runCommand } from '../../../app/devices/command.ts';
import { ownDevices } from '../../../app/devices/device-mapper.ts';
import { readMounts } from '../../../app/devices/mounts.ts';
import { removeAbandoned } from '../../../app/engine/ublk-disk.ts';
import { forgetPartitions } from './partition-table.ts';

interface LoopTrace {
  readonly device: string;
  readonly file: string;
}

const losetupSchema = z.object({
  loopdevices: z.array(z.object({ name: z.string(), 'back-file': z.string() })),
});

function isInside(path: string, directory: string): boolean {
  return path.startsWith(`${directory}/`);
}

/** Loop devices over files in `directory`. */
async function loopsIn(directory: string): Promise<LoopTrace[]> {
  const json = await runCommand(
    'losetup',
    ['--list', '--json', '--output', 'NAME,BACK-FILE'],
    'listing loop devices',
  );
  if (json.trim() === '') return [];
  return losetupSchema
    .parse(JSON.parse(json))
    .loopdevices.map((loop) => ({ device: loop.name, file: loop['back-file'] }))
    .filter(({ file }) => isInside(file, directory));
}

interface MountTrace {
  readonly source: string;
  readonly target: string;
}

function mountsIn(directory: string, loops: readonly LoopTrace[]): MountTrace[] {
  const devices = new Set(loops.map(({ device }) => device));
  return readMounts().filter(({ source, target }) => isInside(target, directory) || devices.has(source));
}

/** One line for each thing that is left; empty when all is clean. */
export async function tracesIn(stateDirectory: string): Promise<string[]> {
  const loops = await loopsIn(stateDirectory);
  const jobs = join(stateDirectory, 'jobs');
  return [
    ...mountsIn(stateDirectory, loops).map(({ source, target }) => `${source} mounted on ${target}`),
    ...loops.map(({ device, file }) => `${device} over ${file}`),
    ...(existsSync(jobs) ? readdirSync(jobs).map((job) => `directory of job ${job}`) : []),
  ];
}

/** Takes away everything that is mounted in or attached from `directory`, whoever made it; files stay. */
export async function sweep(directory: string): Promise<void> {
  if (process.env['DISKFERRY_GUEST'] !== undefined) await sweepKernel();
  const loops = await loopsIn(directory);
  const mounts = mountsIn(directory, loops);
  const isOnLoop = ({ source }: MountTrace): boolean =>
    loops.some(({ device }) => source === device || source.startsWith(`${device}p`));
  // The last mounted first: it may lie on one before it.
  await unmountAll(mounts.filter(isOnLoop).reverse());
  // Those of a dead job have gone by themselves with their last user.
  for (const { device } of await loopsIn(directory)) {
    await forgetPartitions(device);
    await runCommand('losetup', ['--detach', device], `detaching ${device}`);
  }
  await unmountAll(mounts.filter((mount) => !isOnLoop(mount)).reverse());
}

/** What only guests have. */
async function sweepKernel(): Promise<void> {
  await removeAbandoned();
  const left = existsSync('/dev/mapper/control') ? await ownDevices() : [];
  if (left.length > 0) await runCommand('dmsetup', ['remove', '--force', '--retry', ...left], 'dmsetup');
}

async function unmountAll(mounts: readonly MountTrace[]): Promise<void> {
  for (const { target } of mounts) await runCommand('umount', ['--', target], `unmounting ${target}`);
}
