/**
 * A consumer that has a device open all along and reads from it again and again, past the page cache, until a
 * read fails or brings nothing. A process of its own: should it wait for ever, it does not do so in the test.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Scratch } from '../system/support/scratch.ts';
import { inTime } from '../system/support/wait.ts';

/** A device that has gone has no bytes any more: it fails what was under way, and ends what comes later. */
const script =
  'while [ "$(dd bs=4096 count=1 iflag=direct 2> /dev/null | wc -c)" -eq 4096 ]; do sleep 0.1; done';

export class SteadyReader {
  readonly #ended: Promise<void>;

  static async start(scratch: Scratch, path: string): Promise<SteadyReader> {
    const fd = openSync(path, 'r');
    const child = spawn('sh', ['-c', script], { stdio: [fd, 'ignore', 'ignore'] });
    const ended = once(child, 'exit').then(() => undefined);
    scratch.onRelease('the reader', () => void child.kill('SIGKILL'));
    await once(child, 'spawn');
    closeSync(fd);
    return new SteadyReader(ended);
  }

  private constructor(ended: Promise<void>) {
    this.#ended = ended;
  }

  /** Resolves when a read has failed or brought nothing; rejects when none does in time. */
  failed(): Promise<void> {
    return inTime('a reader of the device has got an error', this.#ended);
  }

  /** False when a read has failed within that time. */
  async waitsFor(milliseconds: number): Promise<boolean> {
    return Promise.race([this.#ended.then(() => false), sleep(milliseconds, true)]);
  }
}
