/**
 * The jobs that the service looks after. Each is a process of its own (migration/job-process.ts), which
 * depends on nobody: the service starts it, hears it, and may go away. A new service finds every job that
 * runs by its control socket in the state directory, whoever started it, and hears it from its beginning
 * (adopted-job.ts).
 *
 * What a job has reported is kept here while it runs, as bounded as the job itself keeps it, and for a while
 * afterwards in the history on disk.
 */
import { DiskferryError, messageOf } from '../base/error.ts';
import { dataPlaceTexts } from '../contract/advice.ts';
import type { ControlParameters, ControlRequestName, JobStatus, StatusLine } from '../contract/control.ts';
import type { JobEvent } from '../contract/events.ts';
import { askJob } from '../migration/control-client.ts';
import { EventLog, isLast } from '../migration/event-log.ts';
import type { LastEvent } from '../migration/event-log.ts';
import { readHistory } from '../migration/job-history.ts';
import { jobOf } from '../migration/job-channel.ts';
import { deadLine, deathOf, findDeadJobs, listJobs } from '../migration/recorded-jobs.ts';
import type { RecordedJob } from '../migration/recorded-jobs.ts';
import type { SupervisedOrder } from '../migration/supervisor.ts';
import { Supervisor } from '../migration/supervisor.ts';
import { hearJob } from './adopted-job.ts';
import { Turns } from './turns.ts';

const lookMs = 1000;
const successorMsMax = 15_000;
/** Below what a job's control socket takes, so that people beside us have room there. */
const questionsPerJobMax = 4;

export interface JobsOptions {
  readonly stateDirectory: string;
  readonly onEvent: (event: JobEvent) => void;
  /** Of how many run, at each change. */
  readonly onCount: (running: number) => void;
  readonly say: (text: string) => void;
}

interface RunningJob {
  readonly log: EventLog;
  readonly questions: Turns;
}

export class Jobs {
  readonly #options: JobsOptions;
  readonly #running = new Map<string, RunningJob>();
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
    const { log } = this.#follow(job);
    const first = new Promise<JobEvent>((resolve) => log.onAdd(resolve));
    try {
      const supervisor = Supervisor.start({ order, onEvent: (event) => log.add(event) });
      void supervisor.ended().then(() => this.#forget(job));
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

  /** Throws `earlier-job-died` and `job-missing` for one that does not run. */
  async ask<Name extends ControlRequestName>(
    job: string,
    name: Name,
    parameters: ControlParameters<Name>,
  ): Promise<JobStatus> {
    const { questions } = await this.#require(job);
    return questions.during(() => askJob(this.#options.stateDirectory, job, name, parameters));
  }

  async list(): Promise<StatusLine[]> {
    const timeMs = Date.now();
    const answers = await Promise.all(
      [...this.#running.keys()].map(async (job): Promise<StatusLine[]> => {
        const status = await this.ask(job, 'status', {}).catch(orGone);
        return status === undefined ? [] : [{ event: 'status', timeMs, ...status }];
      }),
    );
    return [...answers.flat(), ...(await this.dead()).map((one) => deadLine(one, timeMs))];
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
    this.#options.onCount(this.#running.size);
    return running;
  }

  #forget(job: string): void {
    this.#running.delete(job);
    this.#options.onCount(this.#running.size);
  }

  async #lookForJobs(): Promise<void> {
    for (const job of await listJobs(this.#options.stateDirectory))
      if (!this.#running.has(job)) await this.#hear(job);
  }

  /** One that does not answer is starting, ending or dead: nothing to hear. */
  async #hear(job: string): Promise<void> {
    const { stateDirectory, say } = this.#options;
    const status = await askJob(stateDirectory, job, 'status', {}).catch(orGone);
    if (status === undefined || this.#running.has(job)) return;
    say(`${job} runs already; it is looked after from now on`);
    const { log } = this.#follow(job);
    void hearJob({ stateDirectory, job, log, say, successorMsMax })
      .catch((error: unknown) => say(`${job} is not looked after any more: ${messageOf(error)}`))
      .finally(() => this.#forget(job));
  }
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

/** A job that is not there any more is no error of the list's. */
function orGone(error: unknown): undefined {
  if (error instanceof DiskferryError && error.code === 'job-missing') return undefined;
  throw error;
}
