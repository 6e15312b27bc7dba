/**
 * The jobs that the service looks after. Each is a process of its own (migration/job-process.ts), which
 * depends on nobody: the service starts it, hears it, and may go away. A new service finds every job that
 * runs by its control socket in the state directory, whoever started it, and hears it from its beginning
 * (adopted-job.ts).
 *
 * What a job has reported is kept here while it runs, as bounded as the job itself keeps it, and for a while
 * afterwards in the history on disk. A job that does not answer is listed as such, and holds up nobody else.
 */
import { DiskferryError, messageOf } from '../base/error.ts';
import { dataPlaceTexts } from '../contract/advice.ts';
import type { ControlParameters, ControlRequestName, JobStatus, StatusLine } from '../contract/control.ts';
import type { JobEvent } from '../contract/events.ts';
import type { Plan, PlannedDisk } from '../contract/plan.ts';
import { askJob } from '../migration/control-client.ts';
import { EventLog, isLast } from '../migration/event-log.ts';
import type { LastEvent } from '../migration/event-log.ts';
import { readHistory } from '../migration/job-history.ts';
import { jobOf } from '../migration/job-channel.ts';
import {
  deathOf,
  findDeadJobs,
  findLivingJobs,
  isServed,
  listJobs,
  recordLine,
} from '../migration/recorded-jobs.ts';
import type { RecordedJob } from '../migration/recorded-jobs.ts';
import type { SupervisedOrder } from '../migration/supervisor.ts';
import { Supervisor } from '../migration/supervisor.ts';
import { hearJob } from './adopted-job.ts';
import { Turns } from './turns.ts';

const lookMs = 1000;
/** A job answers at once, unless it is stopped or the machine is very busy. */
const usualAnswerMsMax = 10_000;
const successorMsMax = 15_000;
/** Below what a job's control socket takes, so that people beside us have room there. */
const questionsPerJobMax = 4;

export interface JobsOptions {
  readonly stateDirectory: string;
  readonly onEvent: (event: JobEvent) => void;
  /** Of how many run, also of those that do not answer, at each change. */
  readonly onCount: (running: number) => void;
  readonly say: (text: string) => void;
  /** For a job to answer; only tests have less patience. */
  readonly answerMsMax?: number;
}

interface RunningJob {
  readonly log: EventLog;
  readonly questions: Turns;
}

export class Jobs {
  readonly #options: JobsOptions;
  readonly #running = new Map<string, RunningJob>();
  /** Those that did not answer when they were asked last, and what was said of it. Only we ask them again. */
  readonly #silent = new Map<string, DiskferryError>();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: JobsOptions) {
    this.#options = options;
  }

  /** Finds what runs already; then whatever comes to run in the state directory. */
  async open(): Promise<void> {
    await this.#lookForJobs();
    const again = (): void => {
      if (this.#isClosed) return;
      this.#timer = setTimeout(() => {
        this.#lookForJobs()
          .catch((error: unknown) => this.#options.say(`jobs cannot be looked for: ${messageOf(error)}`))
          .finally(again);
      }, lookMs);
    };
    again();
  }

  /** The jobs go on. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** Gives back what it says first: `failed` when it could not begin. */
  async start(order: SupervisedOrder): Promise<JobEvent> {
    const job = jobOf(order);
    if ('request' in order) this.#options.say(beginningOf(order.request.plan, job));
    const { log } = this.#follow(job);
    const first = new Promise<JobEvent>((resolve) => log.onAdd(resolve));
    try {
      const supervisor = Supervisor.start({ order, onEvent: (event) => log.add(event) });
      void this.#untilEnd(job, supervisor.ended());
    } catch (error) {
      // No more processes, say.
      this.#forget(job);
      throw error;
    }
    return first;
  }

  /**
   * Goes on with a job that has died. Throws `job-missing`, and `job-state` for one that runs or that has
   * commands.
   */
  async recover(job: string, how: { readonly goesBack: boolean; readonly hold: boolean }): Promise<JobEvent> {
    const dead = await this.#find(job);
    if (dead === undefined) throw new DiskferryError('job-state', `${job}: cannot recover: the job runs`);
    if (hasCommands(dead)) {
      const why = 'it stops and starts its users by commands, which the service does not run';
      const message = `${job}: cannot recover: ${why}`;
      throw new DiskferryError('job-state', message);
    }
    const hold = how.hold || ('hold' in dead.record && dead.record.hold);
    // Somebody else may have asked for the same meanwhile.
    if (this.#running.has(job)) throw new DiskferryError('job-state', `${job}: cannot recover: the job runs`);
    return this.start({ recovers: job, directory: dead.directory, goesBack: how.goesBack, hold });
  }

  /** Throws `earlier-job-died` and `job-missing` for one that does not run, and `job-silent`. */
  async ask<Name extends ControlRequestName>(
    job: string,
    name: Name,
    parameters: ControlParameters<Name>,
  ): Promise<JobStatus> {
    const { questions } = await this.#require(job);
    return questions.during(async () => {
      const silence = this.#silent.get(job);
      if (silence !== undefined) throw silence;
      try {
        return await this.#askNow(job, name, parameters);
      } catch (error) {
        if (isSilence(error)) this.#noteSilence(job, error);
        throw error;
      }
    });
  }

  #askNow<Name extends ControlRequestName>(
    job: string,
    name: Name,
    parameters: ControlParameters<Name>,
  ): Promise<JobStatus> {
    const { stateDirectory, answerMsMax = usualAnswerMsMax } = this.#options;
    return askJob(stateDirectory, job, name, parameters, answerMsMax);
  }

  async list(): Promise<StatusLine[]> {
    const timeMs = Date.now();
    const answers = await Promise.all(
      [...this.#running.keys()].map(async (job): Promise<StatusLine[]> => {
        try {
          return [{ event: 'status', timeMs, ...(await this.ask(job, 'status', {})) }];
        } catch (error) {
          if (isGone(error) || isSilence(error)) return [];
          throw error;
        }
      }),
    );
    const silent = (await this.#silentJobs()).map((one) => recordLine(one, 'not-answering', timeMs));
    const dead = (await this.dead()).map((one) => recordLine(one, 'died', timeMs));
    return [...answers.flat(), ...silent, ...dead];
  }

  async #silentJobs(): Promise<RecordedJob[]> {
    if (this.#silent.size === 0) return [];
    const living = await findLivingJobs(this.#options.stateDirectory);
    return living.filter(({ job }) => this.#silent.has(job));
  }

  /** Those that have died and are not gone on with. */
  async dead(): Promise<RecordedJob[]> {
    const dead = await findDeadJobs(this.#options.stateDirectory);
    return dead.filter(({ job }) => !this.#running.has(job));
  }

  /** All that has happened in the running jobs, or in one, which must run. */
  async eventsOf(job: string | null): Promise<JobEvent[]> {
    if (job !== null) return (await this.#require(job)).log.events();
    return [...this.#running.values()].flatMap(({ log }) => log.events());
  }

  /** Also of a job that has ended. Throws `job-missing`. */
  async historyOf(job: string): Promise<JobEvent[]> {
    return this.#running.get(job)?.log.events() ?? readHistory(this.#options.stateDirectory, job);
  }

  async #require(job: string): Promise<RunningJob> {
    const dead = await this.#find(job);
    if (dead !== undefined) throw deathOf(dead);
    const running = this.#running.get(job);
    if (running === undefined) throw missing(job);
    return running;
  }

  /** Undefined for one that runs, perhaps since a moment ago. */
  async #find(job: string): Promise<RecordedJob | undefined> {
    if (this.#running.has(job)) return undefined;
    const silence = this.#silent.get(job);
    if (silence !== undefined) throw silence;
    await this.#hear(job);
    if (this.#running.has(job)) return undefined;
    const dead = (await this.dead()).find((one) => one.job === job);
    if (dead === undefined) throw missing(job);
    return dead;
  }

  #follow(job: string): RunningJob {
    const log = new EventLog(null);
    log.onAdd((event) => {
      if (isLast(event)) this.#options.say(`${job} has ended: ${endOf(event)}`);
      this.#options.onEvent(event);
    });
    const running = { log, questions: new Turns(questionsPerJobMax) };
    this.#running.set(job, running);
    this.#tellCount();
    return running;
  }

  #forget(job: string): void {
    this.#running.delete(job);
    this.#tellCount();
  }

  /** One that does not answer, or not what we understand, moves a disk all the same. */
  #tellCount(): void {
    this.#options.onCount(new Set([...this.#running.keys(), ...this.#silent.keys()]).size);
  }

  async #lookForJobs(): Promise<void> {
    const jobs = await listJobs(this.#options.stateDirectory);
    for (const job of this.#silent.keys()) if (!jobs.includes(job)) this.#forgetSilence(job);
    const unheard = jobs.filter((job) => !this.#running.has(job) || this.#silent.has(job));
    await Promise.all(unheard.map((job) => this.#lookAt(job)));
  }

  /** Whatever is the matter with one job, the others are looked after. */
  async #lookAt(job: string): Promise<void> {
    try {
      await this.#hear(job);
      if (this.#forgetSilence(job)) this.#options.say(`${job} answers again, or has ended`);
    } catch (error) {
      const context = { job };
      const message = `${job}: the job cannot be heard: ${messageOf(error)}`;
      this.#noteSilence(job, isSilence(error) ? error : new DiskferryError('job-silent', message, { context }));
    }
  }

  #noteSilence(job: string, silence: DiskferryError): void {
    if (!this.#silent.has(job)) this.#options.say(silence.message);
    this.#silent.set(job, silence);
    this.#tellCount();
  }

  #forgetSilence(job: string): boolean {
    const wasSilent = this.#silent.delete(job);
    if (wasSilent) this.#tellCount();
    return wasSilent;
  }

  /** One where nobody listens is starting, ending or dead: nothing to hear. Throws when it cannot be heard. */
  async #hear(job: string): Promise<void> {
    const { stateDirectory, say } = this.#options;
    const status = await this.#askNow(job, 'status', {}).catch(orGone);
    if (status === undefined || this.#running.has(job)) return;
    say(`${job} runs already; it is looked after from now on`);
    const { log } = this.#follow(job);
    void this.#untilEnd(job, hearJob({ stateDirectory, job, log, say, isServed, successorMsMax }));
  }

  async #untilEnd(job: string, end: Promise<unknown>): Promise<void> {
    try {
      await end;
    } catch (error) {
      this.#options.say(`${job} is not looked after any more: ${messageOf(error)}`);
    } finally {
      this.#forget(job);
    }
  }
}

/** For whoever asks afterwards what was erased. */
function beginningOf({ source, destination }: Plan, job: string): string {
  return `${job} begins: ${diskText(source)} moves to ${diskText(destination)}, which is erased`;
}

function diskText({ path, serial, sizeBytes }: PlannedDisk): string {
  const number = serial === null ? '' : `serial ${serial}, `;
  return `${path} (${number}${sizeBytes} bytes)`;
}

function endOf(event: LastEvent): string {
  return event.event === 'failed' ? `${event.message}. ${dataPlaceTexts[event.dataIs]}` : event.event;
}

/** They were meant for the terminal that they were given in, and not for a unit that is locked in. */
export function hasCommands({ record }: Pick<RecordedJob, 'record'>): boolean {
  if ('defect' in record) return false;
  const { stopCommand, startCommand } = record.users;
  return stopCommand !== undefined || startCommand !== undefined;
}

function missing(job: string): DiskferryError {
  return new DiskferryError('job-missing', `${job}: no such job is running`);
}

/** A job that is not there any more is no error of whoever looks. */
function orGone(error: unknown): undefined {
  if (isGone(error)) return undefined;
  throw error;
}

function isSilence(error: unknown): error is DiskferryError {
  return error instanceof DiskferryError && error.code === 'job-silent';
}

/** It has ended, or died, between two questions. */
function isGone(error: unknown): boolean {
  return error instanceof DiskferryError && ['job-missing', 'earlier-job-died'].includes(error.code);
}
