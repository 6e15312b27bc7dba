/** The usual scene: an ext4 with something on it, mounted, and an equal disk to move it to. */
import { mebibyte } from '../../../app/base/units.ts';
import type { MountState } from './file-system.ts';
import { findMount, makeFileSystem, mount } from './file-system.ts';
import type { LoopDisk } from './loop-disk.ts';
import { makeImage, makeLoopDisk } from './loop-disk.ts';
import { Migration } from './migration.ts';
import type { Scratch } from './scratch.ts';

const diskBytes = 128 * mebibyte;
const ballastBytes = 48 * mebibyte;

export interface MountedVolume {
  readonly source: LoopDisk;
  readonly destination: LoopDisk;
  readonly target: string;
  readonly mountedBefore: MountState | undefined;
  /** Starts to move it. */
  readonly migrate: (...parameters: string[]) => Migration;
}

export async function makeMountedVolume(scratch: Scratch): Promise<MountedVolume> {
  const source = await makeLoopDisk(scratch, 'source', { sizeBytes: diskBytes });
  const destination = await makeLoopDisk(scratch, 'destination', { sizeBytes: diskBytes });
  await makeFileSystem('ext4', source.path);
  const target = await scratch.makeDirectory('volume');
  await mount(source.path, target, 'noatime');
  makeImage(`${target}/ballast`, ballastBytes, 'random');
  const disks = { source: source.path, destination: destination.path };
  const migrate = (...parameters: string[]): Migration => Migration.start(scratch, disks, ...parameters);
  return { source, destination, target, mountedBefore: await findMount(target), migrate };
}
