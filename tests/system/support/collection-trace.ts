/**
 * Runs a program of Node's under V8's --trace-gc and says what its worker threads collected between two
 * marks. The marks stand in the trace itself: collections of the main thread, made on demand
 * (collection-marks.mjs). So the main thread is known as well, and every other thread is a worker of the
 * program.
 *
 * The young generation is made as small as can be: a mebibyte is full after 65,536 of the smallest objects.
 */
import { fork } from 'node:child_process';
import type { ChildProcess, Serializable } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { present } from '../../../app/base/error.ts';
import type { Scratch } from './scratch.ts';

const marks = fileURLToPath(new URL('collection-marks.mjs', import.meta.url));
const flags = ['--trace-gc', '--expose-gc', '--max-semi-space-size=1', '--import', marks];

export interface CollectionTrace {
  readonly exitCode: number | null;
  /**
   * Lines of the trace about worker threads, in as many parts as the marks make: before the first, between,
   * after the last.
   */
  readonly ofWorkers: readonly (readonly string[])[];
}

export class TracedProgram {
  readonly #child: ChildProcess;
  readonly #ended: Promise<CollectionTrace>;
  #hasEnded = false;

  /** Its output must be nothing but the trace. Killed when the test ends before it. */
  static start(scratch: Scratch, program: string, parameters: readonly string[]): TracedProgram {
    const traced = new TracedProgram(program, parameters);
    scratch.onRelease('a traced program', () => traced.#kill());
    return traced;
  }

  private constructor(program: string, parameters: readonly string[]) {
    const stdio = ['ignore', 'pipe', 'inherit', 'ipc'] as const;
    this.#child = fork(program, parameters, { execArgv: flags, stdio: [...stdio] });
    this.#ended = this.#follow();
  }

  /** The next message from the program that is so. */
  async message<Message>(isSo: (message: unknown) => message is Message): Promise<Message> {
    return new Promise((resolve) => {
      const take = (message: unknown): void => {
        if (!isSo(message)) return;
        this.#child.off('message', take);
        resolve(message);
      };
      this.#child.on('message', take);
    });
  }

  /** To the program, which may have messages of its own. */
  send(message: Serializable): void {
    this.#child.send(message);
  }

  /** Puts a mark into the trace; returns the resident memory right after it, in bytes. */
  async mark(): Promise<number> {
    const answered = this.message((message) => typeof message === 'number');
    this.send('mark');
    const died = this.#ended.then(({ exitCode }) => {
      throw new Error(`the traced program has ended, exit code ${exitCode}`);
    });
    return Promise.race([answered, died]);
  }

  /** V8 holds back parts of the trace until the end. */
  end(): Promise<CollectionTrace> {
    return this.#ended;
  }

  async #follow(): Promise<CollectionTrace> {
    const exited = once(this.#child, 'exit') as Promise<[number | null]>;
    const trace = await text(present(this.#child.stdout, 'its output is a pipe'));
    const [exitCode] = await exited;
    this.#hasEnded = true;
    return { exitCode, ofWorkers: collectionsOfWorkers(trace) };
  }

  async #kill(): Promise<void> {
    if (!this.#hasEnded) this.#child.kill('SIGKILL');
    await this.#ended;
  }
}

/**
 * A line begins with the process and the address of the thread's isolate: `[12:0x7f30] 45 ms: Scavenge …`.
 */
const collection = /^\[(\d+:[^\]]+)\]\s+\d+ ms: (.*)$/;

function collectionsOfWorkers(trace: string): string[][] {
  const collections = trace.split('\n').flatMap((line) => {
    const [, isolate, what] = collection.exec(line) ?? [];
    return isolate === undefined || what === undefined
      ? []
      : [{ isolate, what, isMark: what.includes(' testing') }];
  });
  const main = collections.find(({ isMark }) => isMark)?.isolate;
  const parts: string[][] = [[]];
  for (const { isolate, what, isMark } of collections) {
    if (isMark) parts.push([]);
    else if (isolate !== main) parts.at(-1)?.push(what);
  }
  return parts;
}
