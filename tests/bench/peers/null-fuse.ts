/**
 * Builds null-fuse.c, runs it, and puts a loop device on it as our fuse frontend does.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from '../../../app/devices/command.ts';
import { attachLoop } from '../bench-disks.ts';
import type { Bench } from '../benchmark.ts';
import { emptyFile, startDaemon, untilServing } from './daemon.ts';

const sourcePath = fileURLToPath(new URL('null-fuse.c', import.meta.url));

/** The loop device. */
export async function startNullFuse(bench: Bench, sizeBytes: number): Promise<string> {
  const program = join(bench.directory, 'null-fuse');
  const flags = (await runCommand('pkg-config', ['--cflags', '--libs', 'fuse3'], 'looking for libfuse'))
    .trim()
    .split(/\s+/);
  await runCommand('cc', ['-O2', '-o', program, sourcePath, ...flags], 'building null-fuse.c');
  const file = await emptyFile(bench, 'null-fuse.file');
  const daemon = startDaemon(bench, program, [file, String(sizeBytes)]);
  bench.held.add('the mount of null-fuse', () =>
    runCommand('umount', [file], 'unmounting null-fuse').then(() => {}),
  );
  await untilServing(daemon, file, sizeBytes);
  return attachLoop(bench, file, true);
}
