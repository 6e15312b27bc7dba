/** Child processes that a test starts to hold something, and ends. */
import type { ChildProcess } from 'node:child_process';

/** Kills the child and waits until it is gone. */
export async function endOf(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGKILL');
  await ended;
}
