/**
 * A consumer that has a device open all along and reads from it again and again, past the page cache, until a
 * read fails or brings nothing. A process of its own: should it wait for ever, it does not do so in the test.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import type { Scratch } from '../system/support/scratch.ts';

/** A device that has gone has no bytes any more: it fails what was under way, and ends what comes later. */
const script =
  'while [ "$(dd bs=4096 count=1 iflag=direct 2> /dev/null | wc -c)" -eq 4096 ]; do sleep 0.1; done';

export class SteadyReader {
  /** Resolves when a read has failed or brought nothing. */
  readonly failed: Promise<void>;

  static async start(scratch: Scratch, path: string): Promise<SteadyReader> {
    const fd = openSync(path, 'r');
    const child = spawn('sh', ['-c', script], { stdio: [fd, 'ignore', 'ignore'] });
    const ended = once(child, 'exit').then(() => undefined);
    scratch.onRelease('the reader', () => void child.kill('SIGKILL'));
    await once(child, 'spawn');
    closeSync(fd);
    return new SteadyReader(ended);
  }

  private constructor(failed: Promise<void>) {
    this.failed = failed;
  }
}
