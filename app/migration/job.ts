/**
 * One migration from the confirmed plan to its end, in the foreground process: takes the source's place, copies, cuts
 * over, or goes back. Reports every step as an event and obeys commands from another terminal.
 *
 * Until `committed` the job can be undone: what consumers wrote goes back to the source, which takes its old place
 * again. After it the destination is the truth. Trouble while copying never ends the job by itself:
 * the virtual device goes on serving, and a person decides.
 *
 *   starting → copying ⇄ paused → synchronized → cutting-over → committed
 *                 └── needs-decision ──┴─ undoing → undone
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { BugError, DiskferryError, messageOf } from '../base/error.ts';
import type { Extent } from '../base/units.ts';
import type { DataPlace } from '../contract/advice.ts';
import type { JobState, JobStatus } from '../contract/control.ts';
import type { Interruption, JobEvent, JobEventOf, JobReport } from '../contract/events.ts';
import type { Plan, Speed } from '../contract/plan.ts';
import { updatePartitions } from '../devices/kernel-partitions.ts';
import type { UsersToStop } from '../substitution/users.ts';
import { Users } from '../substitution/users.ts';
import { VolumeMounts } from '../substitution/volume-mounts.ts';
import { Choice } from './choice.ts';
import type { ChoiceName } from './choice.ts';
import type { Ferry } from './ferry.ts';
import { choicesAfter, phaseOf } from './job-choices.ts';
import { readFreeSpace } from './free-space.ts';
import { Placement } from './placement.ts';
import { ProgressMeter } from './progress-meter.ts';

const progressMs = 1000;
const letGoPollMs = 500;

/** An event without what every event has. */
type EventBody<Event = JobEvent> = Event extends JobEvent ? Omit<Event, 'job' | 'timeMs'> : never;

export interface JobOptions {
  readonly job: string;
  readonly plan: Plan;
  /** The job's own directory; it exists. */
  readonly directory: string;
  /** Where the nbd-socket frontend listens. */
  readonly socketPath: string;
  readonly speed: Speed;
  /** Wait at `synchronized` until told to cut over. */
  readonly hold: boolean;
  readonly users: UsersToStop;
  readonly emit: (event: JobEvent) => void;
}

export type JobOutcome = 'finished' | 'undone';

export class Job {
  readonly #options: JobOptions;
  readonly #placement: Placement;
  readonly #meter: ProgressMeter;
  readonly #startedMs = performance.now();
  readonly #choice = new Choice();
  readonly #interruptions: Interruption[] = [];
  readonly #warnings: string[] = [];
  #state: JobState = 'starting';
  #speed: Speed;
  #dataIs: DataPlace = 'untouched';
  #ferry: Ferry | undefined;
  #lastProgress: JobEventOf<'progress'> | undefined;
  #isPaused = false;
  #isCommitting = false;

  constructor(options: JobOptions) {
    const { plan } = options;
    this.#options = options;
    this.#speed = options.speed;
    this.#meter = new ProgressMeter(plan.source.sizeBytes);
    this.#placement = new Placement({
      sourcePath: plan.source.path,
      users: new Users(options.users),
      mounts: new VolumeMounts(plan.mounts),
      ferry: {
        findFree: (descriptor) => this.#findFree(descriptor),
        job: options.job,
        plan,
        speed: options.speed,
        directory: options.directory,
        socketPath: options.socketPath,
      },
    });
  }

  /** Where the valid data is at the moment. */
  get dataIs(): DataPlace {
    return this.#dataIs;
  }

  // ---- commands, from a signal or another terminal

  status(): JobStatus {
    const { job, plan } = this.#options;
    return {
      job,
      state: this.#isPaused && this.#state === 'copying' ? 'paused' : this.#state,
      source: plan.source.path,
      destination: plan.destination.path,
      device: this.#ferry?.device.name ?? null,
      speed: this.#speed,
      progress: this.#lastProgress ?? null,
    };
  }

  pause(): JobStatus {
    this.#expect('pause', ['copying']);
    if (!this.#isPaused) {
      this.#isPaused = true;
      this.#ferry?.engine.pauseCopy();
      this.#emit({ event: 'paused' });
    }
    return this.status();
  }

  /** Ends a pause, or tries again what failed. */
  resume(): JobStatus {
    this.#expect('resume', this.#isPaused ? ['copying', 'synchronized'] : ['copying', 'needs-decision']);
    if (this.#isPaused) {
      this.#isPaused = false;
      this.#ferry?.engine.startCopy();
      this.#emit({ event: 'resumed' });
      if (this.#state === 'synchronized') this.#choice.make('retry');
    }
    if (this.#state === 'needs-decision') this.#choice.make('retry');
    return this.status();
  }

  setSpeed(speed: Speed): JobStatus {
    this.#speed = speed;
    this.#ferry?.engine.setSpeed(speed);
    return this.status();
  }

  cutOver(): JobStatus {
    this.#expect('cutover', ['synchronized', 'needs-decision']);
    this.#choice.make('cutover');
    return this.status();
  }

  /** Takes effect as soon as the step under way allows it. Refused from the moment at which the commit begins. */
  undo(): JobStatus {
    const states: JobState[] = ['starting', 'copying', 'synchronized', 'needs-decision', 'undoing'];
    this.#expect('undo', this.#isCommitting ? states : [...states, 'cutting-over']);
    this.#choice.make('undo');
    return { ...this.status(), state: 'undoing' };
  }

  // ---- the job

  /** Runs to the end. Throws what the job failed with. */
  async run(): Promise<JobOutcome> {
    this.#emit({ event: 'planned', plan: this.#options.plan });
    try {
      const ferry = await this.#interrupted('start', () => this.#start());
      this.#emit({ event: 'attached', device: ferry.device.name });
      return await this.#withProgress(() => this.#ferryAcross(ferry));
    } catch (error) {
      if (this.#dataIs === 'both') await this.#abandon();
      if (!this.#isCommitted) this.#state = 'failed';
      throw error;
    }
  }

  /** When the users cannot settle on the virtual device, all of it is taken back. */
  async #start(): Promise<Ferry> {
    const ferry = await this.#placement.putIn();
    this.#ferry = ferry;
    this.#dataIs = 'both';
    ferry.engine.setSpeed(this.#speed);
    try {
      await this.#placement.settleOn(ferry.device.name);
    } catch (error) {
      await this.#goBack(ferry);
      throw error;
    }
    return ferry;
  }

  async #withProgress<T>(act: () => Promise<T>): Promise<T> {
    const progress = setInterval(() => this.#emitProgress(), progressMs);
    try {
      return await act();
    } finally {
      clearInterval(progress);
    }
  }

  /** What cannot be released, such as a device in use, must not hide why the job has failed. */
  async #abandon(): Promise<void> {
    try {
      await this.#ferry?.abandon();
    } catch (error) {
      this.#warn('release-failed', messageOf(error));
    }
  }

  async #ferryAcross(ferry: Ferry): Promise<JobOutcome> {
    if (!(await this.#copyAll(ferry))) return this.#undo(ferry);
    this.#state = 'synchronized';
    this.#emitProgress();
    this.#emit({ event: 'synchronized' });
    const mustWait = this.#options.hold || this.#isPaused;
    if (mustWait && !(await this.#awaitCutOver(ferry))) return this.#undo(ferry);
    if (!(await this.#cutOver(ferry))) return this.#undo(ferry);
    this.#emit({ event: 'finished', verified: false, report: this.#report(ferry) });
    return 'finished';
  }

  /** True when every block has crossed; false when the job is to be undone. */
  async #copyAll(ferry: Ferry): Promise<boolean> {
    for (;;) {
      this.#state = 'copying';
      const synchronized = ferry.engine.synchronized();
      if (!this.#isPaused) ferry.engine.startCopy();
      const end = await this.#choice.during(synchronized);
      if (end.kind === 'chosen' && end.choice === 'undo') return false;
      if (end.kind === 'done') return true;
      if (end.kind === 'failed' && !(await this.#decide(ferry, end.error))) return false;
    }
  }

  /** False when the person wants to undo instead. */
  async #awaitCutOver(ferry: Ferry): Promise<boolean> {
    for (;;) {
      const choice = await this.#nextChoice(ferry);
      if (choice === 'undo') return false;
      // The end of a pause is no word to cut over when one is waited for.
      if (choice === 'cutover' || !this.#options.hold) return true;
    }
  }

  /** What the person chooses; throws when the engine dies meanwhile. */
  async #nextChoice(ferry: Ferry): Promise<ChoiceName> {
    const end = await this.#choice.during(ferry.engine.died());
    if (end.kind === 'chosen') return end.choice;
    throw end.kind === 'failed' ? end.error : new BugError('the engine has died without a reason');
  }

  /** True when committed; false when the job is to be undone. */
  async #cutOver(ferry: Ferry): Promise<boolean> {
    for (;;) {
      this.#state = 'cutting-over';
      try {
        return await this.#interrupted('cut-over', () => this.#replace(ferry));
      } catch (error) {
        if (this.#isCommitted) throw error;
        this.#isCommitting = false;
        const goesOn = this.#isOnlyBusy(error) ? await this.#waitUntilLetGo(error) : await this.#decide(ferry, error);
        if (!goesOn) return false;
      }
    }
  }

  get #isCommitted(): boolean {
    return this.#state === 'committed';
  }

  /**
   * The commit is the instant at which the virtual device is gone and the destination is durable. False when undo was
   * chosen before that.
   */
  async #replace(ferry: Ferry): Promise<boolean> {
    await this.#placement.takeOut(ferry);
    if (this.#choice.takeUndo()) return false;
    this.#isCommitting = true;
    this.#emitProgress();
    await ferry.commit();
    this.#state = 'committed';
    this.#dataIs = 'destination';
    this.#emit({ event: 'committed' });
    await this.#release(ferry);
    await this.#showPartitions();
    await this.#placement.settleOn(this.#options.plan.destination.path);
    return true;
  }

  /** The kernel goes by the partitions that the destination had before, until it is told. */
  async #showPartitions(): Promise<void> {
    const { destination } = this.#options.plan;
    if (destination.identity === null || destination.kind === 'file') return;
    try {
      await updatePartitions(destination.path, destination.identity.majorMinor);
    } catch (error) {
      const advice = `the kernel may still show its old partitions: run partprobe ${destination.path}`;
      this.#warn('partitions-not-updated', `${advice} (${messageOf(error)})`);
    }
  }

  /** Nothing that is left behind changes where the data is. */
  async #release(ferry: Ferry): Promise<void> {
    try {
      await ferry.release();
    } catch (error) {
      this.#warn('release-failed', messageOf(error));
    }
  }

  async #undo(ferry: Ferry): Promise<JobOutcome> {
    await this.#goBack(ferry);
    this.#state = 'undone';
    this.#emit({ event: 'undone' });
    return 'undone';
  }

  /** The source has everything again, and its old place. */
  async #goBack(ferry: Ferry): Promise<void> {
    for (;;) {
      this.#state = 'undoing';
      try {
        await this.#placement.takeOut(ferry);
        await ferry.returnWritten();
        this.#dataIs = 'source';
        break;
      } catch (error) {
        if (this.#isOnlyBusy(error)) await this.#waitUntilLetGo(error);
        else await this.#decide(ferry, error);
      }
    }
    await this.#release(ferry);
    await this.#placement.settleOn(this.#options.plan.source.path);
  }

  /**
   * Something failed before the commit, and the engine lives: a person decides, whatever it was, because ending the job
   * would lose what is on the destination only. True: try again. False: undo.
   */
  async #decide(ferry: Ferry, error: unknown): Promise<boolean> {
    if (error instanceof DiskferryError && error.code === 'engine-died') throw error;
    const choices = choicesAfter(error, this.#state);
    this.#state = 'needs-decision';
    this.#emit({ event: 'decision', message: messageOf(error), choices });
    return (await this.#nextChoice(ferry)) !== 'undo';
  }

  /** Nobody can be stopped who came by himself: the one who attached the device lets it go. */
  #isOnlyBusy(error: unknown): error is DiskferryError {
    const isBusy = error instanceof DiskferryError && error.code === 'volume-busy';
    return isBusy && this.#options.plan.way === 'attach';
  }

  /** Says once what is waited for, and waits a moment. False: undo. */
  async #waitUntilLetGo(error: DiskferryError): Promise<boolean> {
    const isUndoing = this.#state === 'undoing';
    if (!isUndoing) this.#state = 'synchronized';
    const what = isUndoing ? 'goes back to the source' : 'cuts over';
    const message = `${error.message}; the job ${what} as soon as it is let go`;
    if (!this.#warnings.includes(message)) this.#warn('volume-busy', message);
    const end = await this.#choice.during(sleep(letGoPollMs));
    return !(end.kind === 'chosen' && end.choice === 'undo');
  }

  async #findFree(descriptor: string): Promise<readonly Extent[]> {
    if (this.#options.plan.copy.scope === 'all') return [];
    const { extents, warning } = await readFreeSpace(this.#options.plan, descriptor);
    if (warning !== undefined) this.#warn('allocation-unknown', warning);
    return extents;
  }

  /** Measures how long the users had to stop; says nothing of it when there are none. */
  async #interrupted<T>(at: Interruption['at'], act: () => Promise<T>): Promise<T> {
    const startMs = performance.now();
    try {
      return await act();
    } finally {
      if (this.#options.plan.way === 'remount') {
        const interruption = { at, elapsedMs: Math.round(performance.now() - startMs) };
        this.#interruptions.push(interruption);
        this.#emit({ event: 'interrupted', ...interruption });
      }
    }
  }

  #expect(command: string, states: readonly JobState[]): void {
    if (states.includes(this.#state)) return;
    const { job } = this.#options;
    throw new DiskferryError('job-state', `${job}: cannot ${command}: the job is ${this.#state}`);
  }

  #warn(code: JobEventOf<'warning'>['code'], message: string): void {
    this.#warnings.push(message);
    this.#emit({ event: 'warning', code, message });
  }

  #emitProgress(): void {
    const engine = this.#ferry?.engine;
    if (engine === undefined) return;
    const fields = this.#meter.measure(phaseOf(this.#state), performance.now(), engine.progress, engine.consumer);
    const { job } = this.#options;
    this.#lastProgress = { event: 'progress', job, timeMs: Date.now(), ...fields };
    this.#options.emit(this.#lastProgress);
  }

  #emit(body: EventBody): void {
    this.#options.emit({ ...body, job: this.#options.job, timeMs: Date.now() });
  }

  #report(ferry: Ferry): JobReport {
    const { copiedBytes, skippedBytes } = ferry.engine.progress;
    return {
      elapsedMs: Math.round(performance.now() - this.#startedMs),
      copiedBytes,
      redirectedBytes: ferry.engine.consumer.writeBytes,
      skippedBytes,
      totalBytes: this.#options.plan.source.sizeBytes,
      interruptions: this.#interruptions,
      longestStallMs: Math.round(ferry.engine.consumer.longestUs / 1000),
      warnings: this.#warnings,
    };
  }
}
