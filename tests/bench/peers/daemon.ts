/**
 * Programs that serve something for as long as a benchmark runs: started, waited for, and ended with it.
 */
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from '../benchmark.ts';

export type Daemon = ChildProcessByStdio<Writable, Readable, null>;

const startMsMax = 10_000;
const pollMs = 20;

/** What it says on stderr is shown: it has nothing to say unless something is wrong. */
export function startDaemon(bench: Bench, program: string, parameters: readonly string[]): Daemon {
  // In a group of its own: a Ctrl-C is for the benchmark, which ends its daemons in the right order.
  const daemon = spawn(program, parameters, { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
  bench.held.add(program, async () => {
    if (hasEnded(daemon)) return;
    const ended = once(daemon, 'exit');
    daemon.kill('SIGTERM');
    await ended;
  });
  return daemon;
}

/**
 * For a daemon that mounts itself over `file`, which then has the size of the disk; or listens on it as a
 * socket.
 */
export async function untilServing(daemon: Daemon, file: string, sizeBytes?: number): Promise<void> {
  for (let waitedMs = 0; waitedMs < startMsMax; waitedMs += pollMs) {
    if (hasEnded(daemon)) throw new Error(`${daemon.spawnfile} ended before it served ${file}`);
    if (await isServed(file, sizeBytes)) return;
    await sleep(pollMs);
  }
  throw new Error(`${daemon.spawnfile} does not serve ${file}`);
}

export async function emptyFile(bench: Bench, name: string): Promise<string> {
  const path = join(bench.directory, name);
  await writeFile(path, '');
  return path;
}

export function hasEnded(daemon: Daemon): boolean {
  return daemon.exitCode !== null || daemon.signalCode !== null;
}

async function isServed(file: string, sizeBytes: number | undefined): Promise<boolean> {
  try {
    const { size } = await stat(file);
    return sizeBytes === undefined || size === sizeBytes;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
