/**
 * A whole job by the real command line, as a person starts it: for what is measured from the outside. Given
 * back by undo if it is not cut over, so that nothing of it is left.
 */
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { askJob } from '../../app/migration/control-client.ts';
import type { ControlRequestName } from '../../app/contract/control.ts';
import { exitCodes } from '../../app/contract/exit-codes.ts';
import type { JobEvent, JobEventName, JobEventOf, JobReport } from '../../app/contract/events.ts';
import { jobEventSchema } from '../../app/contract/events.ts';
import type { Bench } from './benchmark.ts';
import type { Disks } from './peers/copy-tools.ts';

const program = fileURLToPath(new URL('../../build/app/cli/main.js', import.meta.url));

export interface OurJobOptions {
  /** More of the command line. */
  readonly parameters?: readonly string[];
  /** Where a disk of its own must keep it; otherwise in the benchmark's directory, which images may use. */
  readonly stateDirectory?: string;
}

/** Of a disk that nothing uses: what serves it is measured, and no table that leads past it. */
export const bareDevice: OurJobOptions = { parameters: ['--unmount-at-cutover'] };

export class OurJob {
  readonly #child: ChildProcessByStdio<null, Readable, null>;
  readonly #stateDirectory: string;
  readonly #lines: AsyncIterator<string>;
  readonly #ended: Promise<[number | null]>;
  /** Known from the first event on. */
  #job = '';

  /** Ends with the benchmark. */
  static start(bench: Bench, disks: Disks, options: OurJobOptions = {}): OurJob {
    const job = new OurJob(disks, { stateDirectory: join(bench.directory, 'state'), parameters: [], ...options });
    bench.held.add('our job', () => job.undo());
    return job;
  }

  private constructor({ source, destination }: Disks, options: Required<OurJobOptions>) {
    this.#stateDirectory = options.stateDirectory;
    const disks = ['--source', source.path, '--destination', destination.path];
    const always = ['--yes', '--hold', '--json', '--state-dir', this.#stateDirectory];
    const parameters = ['migrate', ...disks, ...always, ...options.parameters];
    // In a group of its own: a Ctrl-C is for the benchmark, which ends its jobs in the right order.
    this.#child = spawn(process.execPath, [program, ...parameters], {
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
    });
    this.#ended = once(this.#child, 'exit') as Promise<[number | null]>;
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** The device that consumers use, once it is there. */
  async attached(): Promise<string> {
    return (await this.#until('attached')).device;
  }

  /** Everything has crossed; the job waits for its cut-over. */
  async synchronized(): Promise<void> {
    await this.#until('synchronized');
  }

  /** To the job's end. */
  async cutOver(): Promise<JobReport> {
    await this.ask('cutover');
    const { report } = await this.#until('finished');
    await this.#end(exitCodes.done);
    return report;
  }

  async ask(name: Exclude<ControlRequestName, 'speed'>): Promise<void> {
    await askJob(this.#stateDirectory, this.#job, name, {});
  }

  /** Idempotent. */
  async undo(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    await this.ask('undo');
    await this.#end(exitCodes.undone);
  }

  async #end(expected: number): Promise<void> {
    const [exitCode] = await this.#ended;
    if (exitCode !== expected) throw new Error(`our job ended with exit code ${exitCode}`);
  }

  /** The next event of that name; those before it are passed over. */
  async #until<Name extends JobEventName>(name: Name): Promise<JobEventOf<Name>> {
    for (;;) {
      const event = await this.#nextEvent();
      this.#job = event.job;
      if (event.event === name) return event as JobEventOf<Name>;
      if (event.event === 'failed') throw new Error(`our job failed: ${event.message}`);
    }
  }

  async #nextEvent(): Promise<JobEvent> {
    const { done, value } = await this.#lines.next();
    if (done === true) throw new Error('our job ended early');
    return jobEventSchema.parse(JSON.parse(value));
  }
}
