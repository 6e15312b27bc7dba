/**
 * `diskferry migrate` as a child of the demo: the very command that people use, followed by its JSON events.
 * When the demo is told to stop, the migration is told to go back, and its end is waited for: it alone can
 * take down the virtual device without losing what was written. When the command is killed the job goes on
 * without it, and is told the same.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { createInterface } from 'node:readline';
import { builtFile } from '../../base/built-file.ts';
import { BugError, DiskferryError, present } from '../../base/error.ts';
import { statusLineSchema } from '../../contract/control.ts';
import { jobEventSchema } from '../../contract/events.ts';
import type { JobEvent, JobEventName, JobEventOf } from '../../contract/events.ts';
import { exitCodes } from '../../contract/exit-codes.ts';
import type { Speed } from '../../contract/plan.ts';
import { mustRun, programEnvironment, runProgram } from './programs.ts';
import type { Workload } from './workload.ts';

export interface MoveOptions {
  readonly source: string;
  readonly destination: string;
  /** `auto` or the name of one. */
  readonly frontend: string;
  readonly speed: Speed;
  readonly stateDirectory: string;
  readonly workload: Workload;
  readonly onEvent: (event: JobEvent) => void;
  /** It has ended before its time and nobody had told it to, or otherwise than told to. */
  readonly onFailure: (error: Error) => void;
}

const commandPath = (): string => builtFile('app/cli/main.js');

/** To go back takes as long as a few seconds' writes take. What is not back by then is stuck. */
const goBackMsMax = 60_000;
const saidLinesMax = 20;

export class Move {
  readonly #options: MoveOptions;
  readonly #child: ChildProcess;
  readonly #changes = new EventEmitter();
  /** All but the progress, which has no end. */
  readonly #events: JobEvent[] = [];
  /** The last lines that the command said to people. */
  readonly #said: string[] = [];
  #isInterrupted = false;
  #hasEnded = false;

  static start(options: MoveOptions): Move {
    return new Move(options);
  }

  private constructor(options: MoveOptions) {
    const { source, destination, frontend, speed, stateDirectory, workload } = options;
    const parameters = [
      ...['migrate', '--source', source, '--destination', destination, '--yes', '--json', '--hold'],
      ...['--frontend', frontend, '--speed', speed, '--state-dir', stateDirectory],
      // The demo ends on the destination itself, whatever the kernel offers.
      '--unmount-at-cutover',
      ...['--stop-command', workload.stopCommand, '--start-command', workload.startCommand],
    ];
    this.#options = options;
    const child = spawn(process.execPath, [commandPath(), ...parameters], {
      detached: true,
      env: programEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    createInterface({ input: child.stdout }).on('line', (line) => this.#take(line));
    createInterface({ input: child.stderr }).on('line', (line) => {
      this.#said.push(line);
      if (this.#said.length > saidLinesMax) this.#said.shift();
    });
    child.once('error', () => this.#end());
    child.once('close', () => this.#end());
    // The job lives on, and holds its stderr open.
    child.once('exit', (_, signal) => {
      if (signal !== null) this.#end();
    });
  }

  /** Throws what the migration failed with, if it ends without such an event. */
  async event<Name extends JobEventName>(name: Name): Promise<JobEventOf<Name>> {
    for (;;) {
      const event = this.#find(name);
      if (event !== undefined) return event;
      if (this.#hasEnded) throw this.#failure();
      await once(this.#changes, 'change');
    }
  }

  /** The job's name, as soon as there is a plan. */
  get job(): string | undefined {
    return this.#find('planned')?.job;
  }

  async cutOver(): Promise<void> {
    const job = present(this.job, 'the job that is synchronized');
    await mustRun(process.execPath, [
      commandPath(),
      'cutover',
      job,
      '--state-dir',
      this.#options.stateDirectory,
    ]);
  }

  /** Returns when the command has ended; throws unless it has ended well. */
  async end(): Promise<void> {
    while (!this.#hasEnded) await once(this.#changes, 'change');
    if (this.#child.exitCode !== exitCodes.done) throw this.#failure();
  }

  /** Goes back to the source, unless it has committed or ended; then waits for the end of the job. */
  async interrupt(): Promise<void> {
    if (!this.#hasEnded) {
      this.#isInterrupted = true;
      this.#child.kill('SIGINT');
      const tooLate = setTimeout(() => this.#child.kill('SIGKILL'), goBackMsMax);
      while (!this.#hasEnded) await once(this.#changes, 'change');
      clearTimeout(tooLate);
    }
    if (this.#child.signalCode !== null) await this.#endOrphan();
  }

  /** The job whose command was killed: it goes back, or is stuck and is killed as well. */
  async #endOrphan(): Promise<void> {
    const state = ['--state-dir', this.#options.stateDirectory, '--json'];
    const { stdout } = await runProgram(process.execPath, [commandPath(), 'status', ...state]);
    const [line = ''] = stdout.split('\n');
    if (line === '') return;
    const { job, processId } = statusLineSchema.parse(JSON.parse(line));
    if (processId === null) return;
    await runProgram(process.execPath, [commandPath(), 'undo', job, ...state]);
    const tooLate = setTimeout(() => process.kill(processId, 'SIGKILL'), goBackMsMax);
    await runProgram(process.execPath, [commandPath(), 'watch', job, ...state]);
    clearTimeout(tooLate);
  }

  #take(line: string): void {
    try {
      const event = jobEventSchema.parse(JSON.parse(line));
      if (event.event !== 'progress') this.#events.push(event);
      this.#options.onEvent(event);
      this.#changes.emit('change');
    } catch (cause) {
      this.#options.onFailure(
        new BugError(`diskferry migrate has printed what is no event: ${line}`, { cause }),
      );
    }
  }

  #end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    if (!this.#hasEndedWell()) this.#options.onFailure(this.#failure());
    this.#changes.emit('change');
  }

  /** One that was told to go back may have finished before it heard. */
  #hasEndedWell(): boolean {
    const { exitCode } = this.#child;
    const { done, undone, interrupted } = exitCodes;
    if (this.#isInterrupted) return exitCode === done || exitCode === undone || exitCode === interrupted;
    return exitCode === done && this.#find('finished') !== undefined;
  }

  #find<Name extends JobEventName>(name: Name): JobEventOf<Name> | undefined {
    return this.#events.find((event): event is JobEventOf<Name> => event.event === name);
  }

  #failure(): Error {
    const failed = this.#find('failed');
    if (failed === undefined) {
      const how = this.#child.signalCode ?? `exit code ${String(this.#child.exitCode)}`;
      return new BugError(`diskferry migrate ended without finishing: ${how}\n${this.#said.join('\n')}`);
    }
    const { code, message } = failed;
    return code === 'bug'
      ? new BugError(`${message}\n${this.#said.join('\n')}`)
      : new DiskferryError(code, message);
  }
}
