/**
 * Which dead jobs the service goes on with by itself when it starts: those between image files that the machine
 * took down with it, whose record can be read. What died while the machine ran on may die of the same again,
 * so a person looks first ("diskferry recover"). Everything that `recover` refuses is refused here as well,
 * and changes nothing.
 *
 * Between block devices a person looks, too: what udev and systemd make of disks that lose and regain their
 * identity has not been tried enough.
 *
 * A file system that files lie on may come later: such a job is tried again when the machine's disks change. One that
 * another process has just then is tried again after a while.
 */
import type { JobEvent } from '../contract/events.ts';
import { readBootId } from '../migration/job-record.ts';
import type { RecordedJob } from '../migration/recorded-jobs.ts';
import type { Jobs } from './jobs.ts';
import { hasCommands } from './jobs.ts';

export type Verdict = 'resume' | 'same-boot' | 'has-commands' | 'block-devices' | 'record-unreadable';

export function decideResume({ record }: Pick<RecordedJob, 'record'>, bootId: string): Verdict {
  if ('defect' in record) return 'record-unreadable';
  if (record.bootId === bootId) return 'same-boot';
  if (hasCommands({ record })) return 'has-commands';
  const { source, destination } = record.plan;
  return source.kind === 'file' && destination.kind === 'file' ? 'resume' : 'block-devices';
}

/** Each begins with the job's name. */
const sayings: Readonly<Record<Exclude<Verdict, 'resume'>, string>> = {
  'same-boot': 'has died since this machine was started; "diskferry recover" goes on with it',
  'has-commands': 'was broken off, and stops and starts its users by commands; "diskferry recover" runs them',
  'block-devices': 'was broken off when the machine went down, and moves a disk; "diskferry recover" goes on with it',
  'record-unreadable': 'has died, and its record cannot be read; "diskferry recover" says why',
};

/** Disks and mounts may change many times a second. */
const retryMs = 30_000;

export class ResumeAtStart {
  readonly #jobs: Jobs;
  readonly #say: (text: string) => void;
  #retry: NodeJS.Timeout | undefined;
  /** Those whose disks were not all there, or that another process had. */
  #waiting: string[] = [];
  #trying = Promise.resolve();

  constructor(jobs: Jobs, say: (text: string) => void) {
    this.#jobs = jobs;
    this.#say = say;
  }

  async begin(): Promise<void> {
    const bootId = await readBootId();
    for (const dead of await this.#jobs.dead()) {
      const verdict = decideResume(dead, bootId);
      if (verdict === 'resume') await this.#resume(dead.job);
      else this.#say(`${dead.job} ${sayings[verdict]}`);
    }
  }

  /** The machine's disks have changed. */
  devicesChanged(): void {
    this.#tryLater();
  }

  #tryLater(): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.#tryAgain();
    }, retryMs).unref();
  }

  /** One try at a time. */
  #tryAgain(): void {
    this.#trying = this.#trying.then(async () => {
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const job of waiting) await this.#resume(job);
    });
  }

  async #resume(job: string): Promise<void> {
    this.#say(`${job} was broken off when the machine went down; going on with it`);
    try {
      this.#note(job, await this.#jobs.recover(job, { goesBack: false, hold: false }));
    } catch (error) {
      // Somebody has taken it up or ended it meanwhile.
      this.#say(`${job} is not gone on with: ${String(error)}`);
    }
  }

  #note(job: string, first: JobEvent): void {
    if (first.event !== 'failed') return;
    const isHeld = first.code === 'job-held' || first.code === 'disk-silent';
    const when = isHeld ? 'soon' : first.code === 'disk-not-found' ? 'when a disk comes' : undefined;
    if (when !== undefined) this.#waiting.push(job);
    if (isHeld) this.#tryLater();
    const next = when === undefined ? first.advice : `It is tried again ${when}.`;
    this.#say(`${job} cannot go on: ${first.message}. ${next}`);
  }
}
