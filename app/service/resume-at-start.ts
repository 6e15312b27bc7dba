/**
 * Which dead jobs the service goes on with by itself when it starts: those that the machine took down with it, whose
 * record can be read. What died while the machine ran on may die of the same again, so a person looks first ("diskferry
 * recover"). Everything that `recover` refuses is refused here as well, and changes nothing; it is said on the
 * console too, where a boot that waits for the volume says so.
 *
 * During a job nobody recognises its disks, so nothing has mounted them meanwhile. The virtual device comes back, and
 * the volume is mounted where it was: by the system's table where it stands there (substitution/system-mount.ts).
 * What lies on disks live waits for a person: LVM and LUKS find it only when they are told, and a key may be asked for.
 *
 * A disk may come later, as may the file system that files lie on: such a job is tried again when the machine's disks
 * change. One that another process has just then is tried again after a while.
 */
import type { JobEvent } from '../contract/events.ts';
import { readBootId } from '../migration/job-record.ts';
import type { RecordedJob } from '../migration/recorded-jobs.ts';
import type { Jobs } from './jobs.ts';
import { hasCommands } from './jobs.ts';
import { Turns } from './turns.ts';

export type Verdict = 'resume' | 'same-boot' | 'has-commands' | 'live' | 'record-unreadable';

export function decideResume({ record }: Pick<RecordedJob, 'record'>, bootId: string): Verdict {
  if ('defect' in record) return 'record-unreadable';
  if ((record.lastBootId ?? record.bootId) === bootId) return 'same-boot';
  if (hasCommands({ record })) return 'has-commands';
  return record.plan.way === 'live' ? 'live' : 'resume';
}

/** Each begins with the job's name. */
const sayings: Readonly<Record<Exclude<Verdict, 'resume'>, string>> = {
  'same-boot': 'has died since this machine was started; "diskferry recover" goes on with it',
  'has-commands': 'was broken off, and stops and starts its users by commands; "diskferry recover" runs them',
  live: 'was broken off when the machine went down, and moves what LVM or LUKS uses; "diskferry recover" goes on with it',
  'record-unreadable': 'has died, and its record cannot be read; "diskferry recover" says why',
};

/** At a boot disks come one after the other, and some of it waits for us. */
const retryMsMin = 1_000;
/** Later on they may change many times a second, for reasons of their own. */
const retryMsMax = 30_000;
/** Each is a process that looks at all disks. */
const resumedAtOnceMax = 4;

export interface ResumeOptions {
  readonly jobs: Pick<Jobs, 'dead' | 'recover'>;
  readonly say: (text: string) => void;
  /** Heard on the console, too. */
  readonly complain: (text: string) => void;
  /** The system has looked at the disks that are there already, or has had its time. */
  readonly disksKnown: () => Promise<unknown>;
}

export class ResumeAtStart {
  readonly #options: ResumeOptions;
  readonly #turns = new Turns(resumedAtOnceMax);
  #retry: NodeJS.Timeout | undefined;
  #retryMs = retryMsMin;
  /** Those whose disks were not all there, or that another process had. */
  #waiting: string[] = [];
  #trying = Promise.resolve();
  /** Of the machine's disks, until now. */
  #changes = 0;
  /** Of each job, so that no try repeats it. */
  readonly #said = new Map<string, string>();

  constructor(options: ResumeOptions) {
    this.#options = options;
  }

  /** One that waits for a sick disk keeps no other waiting. */
  async begin(): Promise<void> {
    const { jobs, complain, disksKnown } = this.#options;
    const bootId = await readBootId();
    const resumed: string[] = [];
    for (const dead of await jobs.dead()) {
      const verdict = decideResume(dead, bootId);
      if (verdict === 'resume') resumed.push(dead.job);
      else complain(`${dead.job} ${sayings[verdict]}`);
    }
    if (resumed.length === 0) return;
    await disksKnown();
    for (const job of resumed) this.#options.say(`${job} was broken off when the machine went down; going on with it`);
    await this.#resumeAll(resumed);
  }

  /** The machine's disks have changed. */
  devicesChanged(): void {
    this.#changes += 1;
    this.#tryLater();
  }

  #tryLater(): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.#tryAgain();
    }, this.#retryMs).unref();
  }

  /** One try at a time. */
  #tryAgain(): void {
    if (this.#waiting.length === 0) return;
    this.#retryMs = Math.min(2 * this.#retryMs, retryMsMax);
    this.#trying = this.#trying.then(async () => {
      const waiting = this.#waiting;
      this.#waiting = [];
      await this.#resumeAll(waiting);
    });
  }

  async #resumeAll(jobs: readonly string[]): Promise<void> {
    await Promise.all(jobs.map((job) => this.#turns.during(() => this.#resume(job))));
  }

  async #resume(job: string): Promise<void> {
    const changes = this.#changes;
    try {
      this.#note(job, await this.#options.jobs.recover(job, { goesBack: false, hold: false }));
    } catch (error) {
      // Somebody has taken it up or ended it meanwhile.
      this.#complain(job, `${job} is not gone on with: ${String(error)}`);
    }
    // What it lacked may have come while it looked.
    if (changes !== this.#changes && this.#waiting.length > 0) this.#tryLater();
  }

  #note(job: string, first: JobEvent): void {
    if (first.event !== 'failed') return;
    const isHeld = first.code === 'job-held' || first.code === 'disk-silent';
    const when = isHeld ? 'soon' : first.code === 'disk-not-found' ? 'when a disk comes' : undefined;
    if (when !== undefined) this.#waiting.push(job);
    if (isHeld) this.#tryLater();
    const next = when === undefined ? first.advice : `It is tried again ${when}.`;
    this.#complain(job, `${job} cannot go on: ${first.message}. ${next}`);
  }

  #complain(job: string, text: string): void {
    if (this.#said.get(job) !== text) this.#options.complain(text);
    this.#said.set(job, text);
  }
}
