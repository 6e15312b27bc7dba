/**
 * The programs that copy a whole disk, each as fast as its own options make it: past the page cache, in large
 * pieces, and durable at the end.
 */
import { runCommand } from '../../../app/devices/command.ts';
import type { BenchDisk } from '../bench-disks.ts';

export interface Disks {
  readonly source: BenchDisk;
  readonly destination: BenchDisk;
}

export type CopyTool = (disks: Disks) => Promise<void>;

export const dd: CopyTool = async ({ source, destination }) => {
  const blocks = ['bs=4M', 'iflag=direct', 'oflag=direct', 'conv=fsync', 'status=none'];
  await runCommand('dd', [`if=${source.path}`, `of=${destination.path}`, ...blocks], 'dd');
};

export const qemuImg: CopyTool = async ({ source, destination }) => {
  const options = ['-n', '-W', '-f', 'raw', '-O', 'raw', '-T', 'none', '-t', 'none'];
  await runCommand('qemu-img', ['convert', ...options, source.path, destination.path], 'qemu-img');
};

/** In clusters of 1 MiB (2048 sectors). */
export const ddrescue: CopyTool = async ({ source, destination }) => {
  const options = ['--quiet', '--force', '--idirect', '--odirect', '--cluster-size=2048'];
  await runCommand('ddrescue', [...options, source.path, destination.path], 'ddrescue');
};

/** Only what an ext4 file system uses, straight from device to device. */
export const partclone: CopyTool = async ({ source, destination }) => {
  const log = `--logfile=${destination.backingPath}.log`;
  const options = ['--dev-to-dev', '--source', source.path, '--output', destination.path, log];
  await runCommand('partclone.ext4', options, 'partclone');
};

/** How long a tool takes, in milliseconds. */
export async function timeMs(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}
