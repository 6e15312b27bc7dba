/**
 * The real command line at a terminal of its own, made by script(1), for what only a person at a terminal can
 * do. What is on the screen is kept; one that still runs when the test ends is killed.
 */
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { cliProgram } from './migration.ts';
import type { Scratch } from './scratch.ts';
import { waitUntil } from './wait.ts';

export class Terminal {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #ended: Promise<[exitCode: number | null]>;
  #screen = '';

  static start(scratch: Scratch, ...parameters: readonly string[]): Terminal {
    const command = [process.execPath, cliProgram, ...parameters].map((word) => `'${word}'`).join(' ');
    const child = spawn('script', ['--quiet', '--flush', '--return', '--command', command, '/dev/null'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const terminal = new Terminal(child);
    scratch.onRelease('the terminal', async () => {
      child.kill('SIGKILL');
      await terminal.#ended;
    });
    return terminal;
  }

  private constructor(child: ChildProcessByStdio<Writable, Readable, null>) {
    this.#child = child;
    this.#ended = once(child, 'exit') as Promise<[number | null]>;
    child.stdout.setEncoding('utf8').on('data', (shown: string) => (this.#screen += shown));
  }

  get screen(): string {
    return this.#screen;
  }

  async shows(text: string): Promise<void> {
    await waitUntil(`the terminal shows ${text}`, () => this.#screen.includes(text));
  }

  type(keys: string): void {
    this.#child.stdin.write(keys);
  }

  async end(): Promise<number | null> {
    const [exitCode] = await this.#ended;
    return exitCode;
  }
}
