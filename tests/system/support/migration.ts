/**
 * Starts the real command line as a child process and follows it: every line of its output is checked against
 * the contract and kept, tests wait for the event they need. A child that still runs when the test ends is
 * killed.
 *
 * The child leads a process group of its own, as it does in a terminal, so that a test can send it what
 * Ctrl-C sends.
 */
import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { askJob } from '../../../app/migration/control-client.ts';
import type { ControlRequestName, JobStatus } from '../../../app/contract/control.ts';
import type { JobEvent, JobEventName, JobEventOf } from '../../../app/contract/events.ts';
import { jobEventSchema } from '../../../app/contract/events.ts';
import type { Speed } from '../../../app/contract/plan.ts';
import { planWarningCodes } from '../../../app/contract/plan.ts';
import { runProgram } from '../../../app/devices/program.ts';
import type { ProgramResult } from '../../../app/devices/program.ts';
import type { Scratch } from './scratch.ts';
import { inTime, waitMsMax, waitUntil } from './wait.ts';

export const cliProgram = fileURLToPath(new URL('../../../build/app/cli/main.js', import.meta.url));

/** Outside of the guests what every kernel offers is tested, whatever this one has besides. */
const onAnyKernel =
  process.env['DISKFERRY_GUEST'] === undefined ? ['--unmount-at-cutover', '--frontend', 'fuse'] : [];

/** Runs one command to its end. */
export function runCli(...parameters: readonly string[]): Promise<ProgramResult> {
  return runProgram(process.execPath, [cliProgram, ...parameters]);
}

/** One that has ended and is not waited for yet has no command line any more. */
function isJobProcess(pid: number): boolean {
  return readIfThere(`/proc/${pid}/cmdline`).includes('/migration/job-process.js');
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
    throw error;
  }
}

export interface MigrationEnd {
  /** Null when it was killed. */
  readonly exitCode: number | null;
  readonly stderr: string;
}

export class Migration {
  readonly events: JobEvent[] = [];
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #stateDirectory: string;
  readonly #ended: Promise<MigrationEnd>;
  readonly #waiting = new Set<() => void>();
  #hasEnded = false;
  /** The process that serves the volume; it lives on without the command. */
  #jobProcess: number | undefined;
  #said = '';
  #badLine: Error | undefined;

  /** `--yes --json --state-dir …` are given; `parameters` are added and come last. */
  static start(
    scratch: Scratch,
    disks: { source: string; destination: string },
    ...parameters: string[]
  ): Migration {
    const { source, destination } = disks;
    const always = ['--yes', '--json', '--state-dir', scratch.stateDirectory, ...onAnyKernel];
    const all = ['migrate', '--source', source, '--destination', destination, ...always, ...parameters];
    return Migration.#run(scratch, all);
  }

  /** The only job that has died, gone on with. */
  static recover(scratch: Scratch, ...parameters: string[]): Migration {
    return Migration.#run(scratch, ['recover', '--json', '--state-dir', scratch.stateDirectory, ...parameters]);
  }

  static #run(scratch: Scratch, all: readonly string[]): Migration {
    const child = spawn(process.execPath, [cliProgram, ...all], { detached: true, cwd: scratch.directory });
    const migration = new Migration(child, scratch.stateDirectory);
    scratch.onRelease('the migration', () => migration.kill());
    return migration;
  }

  private constructor(child: ChildProcessWithoutNullStreams, stateDirectory: string) {
    this.#child = child;
    this.#stateDirectory = stateDirectory;
    this.#ended = this.#follow();
  }

  /** What it has said to people so far. */
  get said(): string {
    return this.#said;
  }

  /** The job's name, once it is planned. */
  async job(): Promise<string> {
    return (await this.event('planned')).job;
  }

  /** What consumers use. */
  async device(): Promise<string> {
    return (await this.event('attached')).device;
  }

  /**
   * The first event of that name, past or to come, that `accepts` likes. Rejects when the job ends without
   * it.
   */
  async event<Name extends JobEventName>(
    name: Name,
    accepts: (event: JobEventOf<Name>) => boolean = () => true,
  ): Promise<JobEventOf<Name>> {
    const isWanted = (event: JobEvent): event is JobEventOf<Name> =>
      event.event === name && accepts(event as JobEventOf<Name>);
    const deadlineMs = performance.now() + waitMsMax;
    for (;;) {
      const found = this.events.find(isWanted);
      if (found !== undefined) return found;
      if (this.#hasEnded) throw new Error(`the job ended without "${name}"; ${this.#story()}`);
      if (performance.now() > deadlineMs) throw new Error(`no "${name}" in time; ${this.#story()}`);
      await this.#change(deadlineMs);
    }
  }

  eventsNamed<Name extends JobEventName>(name: Name): JobEventOf<Name>[] {
    return this.events.filter((event): event is JobEventOf<Name> => event.event === name);
  }

  /** What went otherwise than hoped: the warnings that the plan did not give in advance. */
  get surprises(): JobEventOf<'warning'>[] {
    const foreseen: readonly string[] = planWarningCodes;
    return this.eventsNamed('warning').filter(({ code }) => !foreseen.includes(code));
  }

  /** A request on the control socket, as another terminal sends it. */
  async ask(name: Exclude<ControlRequestName, 'speed'>): Promise<JobStatus> {
    return askJob(this.#stateDirectory, await this.job(), name, {});
  }

  /** The virtual device of a job that begins to copy when it is told to go on. */
  async pausedDevice(): Promise<string> {
    await this.ask('pause');
    return this.device();
  }

  async setSpeed(speed: Speed): Promise<JobStatus> {
    return askJob(this.#stateDirectory, await this.job(), 'speed', { speed });
  }

  /** To the whole process group, as a terminal does it. */
  interrupt(): void {
    this.signal('SIGINT', 'group');
  }

  signal(signal: NodeJS.Signals, receiver: 'process' | 'group' = 'process'): void {
    const pid = this.#child.pid ?? NaN;
    process.kill(receiver === 'group' ? -pid : pid, signal);
  }

  /** Its output leads nowhere from now on, as when its reader has ended; no more events are seen. */
  closeOutput(): void {
    this.#child.stdout.destroy();
    this.#child.stderr.destroy();
  }

  /** Rejects when it does not end in time. */
  end(): Promise<MigrationEnd> {
    return inTime(() => `the job has ended; ${this.#story()}`, this.#ended);
  }

  /** The command and the job process. */
  async kill(): Promise<void> {
    this.#findJobProcess();
    await this.killCommand();
    if (this.#jobProcess === undefined || !isJobProcess(this.#jobProcess)) return;
    process.kill(this.#jobProcess, 'SIGKILL');
    await this.jobProcessEnd();
  }

  /** The command alone; the job goes on. */
  async killCommand(): Promise<void> {
    if (!this.#hasEnded) this.#child.kill('SIGKILL');
    await inTime(() => `the killed job is gone; ${this.#story()}`, this.#ended);
  }

  /** To the process that serves the volume. */
  signalJobProcess(signal: NodeJS.Signals): void {
    this.#findJobProcess();
    process.kill(this.#jobProcess ?? NaN, signal);
  }

  async jobProcessEnd(): Promise<void> {
    const pid = this.#jobProcess ?? NaN;
    await waitUntil('the job process has ended', () => !isJobProcess(pid));
  }

  #findJobProcess(): void {
    const pid = this.#child.pid ?? NaN;
    const children = readIfThere(`/proc/${pid}/task/${pid}/children`).trim().split(' ').map(Number);
    this.#jobProcess = children.find(isJobProcess) ?? this.#jobProcess;
  }

  /**
   * The end of its own stdout is waited for; its stderr may be held open by what a start command left
   * running.
   */
  async #follow(): Promise<MigrationEnd> {
    const { stdout, stderr, stdin } = this.#child;
    stdin.end();
    const exited = once(this.#child, 'exit') as Promise<[number | null]>;
    const closed = once(stdout, 'close');
    createInterface({ input: stdout }).on('line', (line) => this.#take(line));
    stderr.setEncoding('utf8').on('data', (said: string) => (this.#said += said));
    const [exitCode] = await exited;
    await closed;
    this.#hasEnded = true;
    this.#wake();
    if (this.#badLine !== undefined) throw this.#badLine;
    return { exitCode, stderr: this.#said };
  }

  #take(line: string): void {
    const { data, error } = jobEventSchema.safeParse(JSON.parse(line));
    if (data?.event === 'planned') this.#findJobProcess();
    if (data !== undefined) this.events.push(data);
    else this.#badLine = new Error(`not an event of the contract: ${line}`, { cause: error });
    this.#wake();
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  /** Until something new has happened, or the time is over. */
  async #change(deadlineMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, Math.max(0, deadlineMs - performance.now()));
      this.#waiting.add(wake);
    });
  }

  #story(): string {
    const told = this.events.filter(({ event }) => event !== 'planned' && event !== 'progress');
    return `it said: ${told.map((event) => JSON.stringify(event)).join(' ')} ${this.#said}`;
  }
}
