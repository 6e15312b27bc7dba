/** A lock whose process is dead, as the kernel keeps it while a request of that process is still with a disk. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { FileHandle } from 'node:fs/promises';

/** Until `handle` is closed. */
export async function lockByDead({ fd }: FileHandle): Promise<void> {
  const child = spawn('flock', ['--exclusive', '--nonblock', '3'], { stdio: ['ignore', 'ignore', 'ignore', fd] });
  const [exitCode] = (await once(child, 'close')) as [number];
  if (exitCode !== 0) throw new Error('flock could not lock the file');
}
