/**
 * nbdkit with its file plugin: a disk behind an NBD socket, and nothing else. It has no way past the page
 * cache, which answers for the disk after the first round: a peer with an advantage.
 */
import { join } from 'node:path';
import type { BenchDisk } from '../bench-disks.ts';
import type { Bench } from '../benchmark.ts';
import { startDaemon, untilServing } from './daemon.ts';

/** The URI. */
export async function startNbdkit(bench: Bench, disk: BenchDisk): Promise<string> {
  const path = join(bench.directory, 'nbdkit.socket');
  const daemon = startDaemon(bench, 'nbdkit', [
    '--foreground',
    '--exit-with-parent',
    '--unix',
    path,
    'file',
    disk.path,
  ]);
  await untilServing(daemon, path);
  return `nbd+unix:///?socket=${path}`;
}
