/**
 * The disks of a guest's benchmarks: the kernel's scsi_debug, in memory, which may answer each request after
 * a set time. They have queues as real disks have, so that io_uring serves them without a thread of its own;
 * null_blk with memory has not.
 *
 * With the delay of a fast disk a consumer that asks for one thing after the other waits for disks, as it
 * does elsewhere, and not for the emulated processor. Below a full queue the timers of the delay would take
 * most of that processor, and there is none.
 */
import { readdirSync, realpathSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { mebibyte } from '../../../app/base/units.ts';
import { runCommand } from '../../../app/devices/command.ts';
import { makeFileSystem, mount, unmount } from '../../system/support/file-system.ts';
import type { BenchDisk } from '../bench-disks.ts';
import { fill } from '../bench-disks.ts';
import type { Bench } from '../benchmark.ts';
import { DiskPair } from './disk-pair.ts';

/** Where scsi_debug's adapters are, below a root device of its own. */
const adaptersFolder = '/sys/devices/pseudo_0/';
/** The pair, and the one that keeps the job's state. */
const diskCount = 3;
const appearMsMax = 10_000;
const pollMs = 50;

export interface DiskOptions {
  readonly sizeBytes: number;
  /** Of every request, whatever its size. */
  readonly delayUs: number;
}

/** Gone when the benchmark ends. */
export async function makeDiskPair(bench: Bench, { sizeBytes, delayUs }: DiskOptions): Promise<DiskPair> {
  const size = [`dev_size_mb=${sizeBytes / mebibyte}`, `add_host=${diskCount}`, 'per_host_store=1'];
  const queues = ['max_queue=128', 'submit_queues=2', 'delay=0', `ndelay=${delayUs * 1000}`];
  await runCommand('modprobe', ['sd_mod'], 'loading sd_mod');
  await runCommand('modprobe', ['scsi_debug', ...size, ...queues], 'loading scsi_debug');
  bench.held.add('the disks', () =>
    runCommand('modprobe', ['--remove', 'scsi_debug'], 'removing the disks').then(() => {}),
  );
  const [source = '', destination = '', third = ''] = await appeared();
  for (const path of [source, destination]) await fill(path, sizeBytes, 'random');
  const disk = (path: string): BenchDisk => ({ path, backingPath: path, sizeBytes });
  const stateDirectory = join(bench.directory, 'state-disk');
  await mkdir(stateDirectory);
  await makeFileSystem('ext4', third);
  await mount(third, stateDirectory);
  bench.held.add(stateDirectory, () => unmount(stateDirectory));
  return new DiskPair({ source: disk(source), destination: disk(destination) }, stateDirectory);
}

/** The kernel looks for disks in its own time. */
async function appeared(): Promise<readonly string[]> {
  for (let waitedMs = 0; waitedMs < appearMsMax; waitedMs += pollMs) {
    const paths = diskPaths();
    if (paths.length === diskCount) return paths;
    await sleep(pollMs);
  }
  throw new Error('scsi_debug made no disks');
}

function diskPaths(): string[] {
  const isOurs = (name: string): boolean => realpathSync(`/sys/block/${name}`).startsWith(adaptersFolder);
  return readdirSync('/sys/block')
    .filter(isOurs)
    .map((name) => `/dev/${name}`);
}
