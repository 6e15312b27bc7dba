/**
 * One migration from the confirmed plan to its end, in the job process: takes the source's place,
 * copies, cuts over, or goes back. Reports every step as an event and obeys commands from another terminal.
 *
 * Until `committed` the job can be undone: what consumers wrote goes back to the source, which takes its old
 * place again. After it the destination is the truth. Trouble while copying never ends the job by itself: the
 * virtual device goes on serving, and a person decides.
 *
 *   starting → copying ⇄ paused → synchronized (⇄ verifying) → cutting-over → committed
 *                 └── needs-decision ──┴─ undoing → undone
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { BugError, DiskferryError, messageOf, present } from '../base/error.ts';
import type { DataPlace } from '../contract/advice.ts';
import type { JobState, JobStatus } from '../contract/control.ts';
import type { EventBody, JobEventOf, JobReport } from '../contract/events.ts';
import type { Plan, Speed } from '../contract/plan.ts';
import type { LivePhase, LiveState } from '../engine/live-files.ts';
import type { BypassWatch } from '../substitution/bypass-watch.ts';
import { Choice } from './choice.ts';
import type { ChoiceName } from './choice.ts';
import { cutOverSteps } from './cut-over-steps.ts';
import { showPartitions } from './destination-partitions.ts';
import type { Ferry } from './ferry.ts';
import { Graduation } from './graduation.ts';
import { Interruptions } from './interruptions.ts';
import type { Command } from './job-choices.ts';
import { choicesAfter, phaseOf, statesFor } from './job-choices.ts';
import type { JobOptions } from './job-options.ts';
import { placementFor } from './job-options.ts';
import type { JobRecord } from './job-record.ts';
import { makeReport } from './job-report.ts';
import { KeptSample } from './kept-sample.ts';
import { trimMounted } from './free-space.ts';
import type { Placement } from './placement.ts';
import { differsText, repairedText } from './verify-text.ts';
import { ProgressMeter } from './progress-meter.ts';

const progressMs = 1000;
const letGoPollMs = 500;
const retryMs = 2000;
const failedText =
  "a disk failed what the volume's users asked for; what they wrote then may be on neither disk";

function takenOverText({ source }: Plan, why: string): string {
  const what = 'another one has taken over, and nothing that was acknowledged is lost';
  return `${source.path}: the process that served it died (${why}); ${what}`;
}

export type JobOutcome = 'finished' | 'undone';

export class Job {
  readonly #options: JobOptions;
  readonly #record: JobRecord;
  /** The record's, with both disks as they are named now. */
  readonly #plan: Plan;
  readonly #placement: Placement;
  readonly #sample: KeptSample;
  readonly #meter: ProgressMeter;
  readonly #startedMs = performance.now();
  readonly #choice = new Choice();
  readonly #interruptions: Interruptions;
  readonly #warnings: string[] = [];
  #state: JobState = 'starting';
  #speed: Speed;
  #dataIs: DataPlace = 'untouched';
  #ferry: Ferry | undefined;
  #watch: BypassWatch | undefined;
  #graduation: Graduation | undefined;
  #lastProgress: JobEventOf<'progress'> | undefined;
  /** The last verification has found nothing that is wrong. */
  #isVerified = false;
  #hasComparedAll = false;
  #isPaused = false;
  #livePhase: LivePhase | undefined;
  #isCommitting = false;
  /** Before anything else, once the virtual device is there. */
  #goesBack: boolean;

  constructor(options: JobOptions) {
    const { recovered } = options;
    const plan = recovered?.plan ?? options.record.plan;
    this.#options = options;
    this.#record = options.record;
    this.#plan = plan;
    if (recovered !== undefined) this.#dataIs = 'both';
    this.#goesBack = recovered?.goesBack ?? false;
    this.#speed = options.record.speed;
    this.#meter = new ProgressMeter(plan.source.sizeBytes);
    this.#sample = new KeptSample(options, plan);
    this.#placement = placementFor(options, {
      plan,
      warn: (message) => this.#warn('allocation-unknown', message),
      beforeUse: (source) => this.#sample.beforeUse(source),
    });
    this.#interruptions = new Interruptions({
      plan,
      placement: this.#placement,
      emit: (event) => this.#emit(event),
    });
  }

  /** Where the valid data is at the moment. */
  get dataIs(): DataPlace {
    return this.#dataIs;
  }

  // ---- commands, from a signal or another terminal

  status(): JobStatus {
    const { job } = this.#record;
    const plan = this.#plan;
    return {
      ...{ job, processId: process.pid },
      state: this.#isPaused && this.#state === 'copying' ? 'paused' : this.#state,
      source: plan.source.path,
      destination: plan.destination.path,
      device: this.#ferry === undefined ? null : this.#placement.deviceOf(this.#ferry),
      speed: this.#speed,
      progress: this.#lastProgress ?? null,
      cutOver: cutOverSteps({
        ...plan,
        destinationPath: plan.destination.path,
        job,
        isDirect: this.#graduation?.isComplete ?? false,
      }),
    };
  }

  pause(): JobStatus {
    this.#expect('pause');
    if (!this.#isPaused) {
      this.#isPaused = true;
      this.#saveLive();
      this.#ferry?.engine.pauseCopy();
      this.#emit({ event: 'paused' });
    }
    return this.status();
  }

  /** Ends a pause, or tries again what failed. */
  resume(): JobStatus {
    this.#expect('resume');
    if (this.#isPaused) {
      this.#isPaused = false;
      this.#saveLive();
      // A start copies when it has succeeded, and what waits for a decision may be an undo, beside which nothing is.
      if (this.#state === 'copying') this.#ferry?.engine.startCopy();
      this.#emit({ event: 'resumed' });
    }
    if (this.#state === 'synchronized' || this.#state === 'needs-decision') this.#choice.make('retry');
    return this.status();
  }

  setSpeed(speed: Speed): JobStatus {
    this.#speed = speed;
    this.#saveLive();
    this.#ferry?.engine.setSpeed(speed);
    return this.status();
  }

  verify(): JobStatus {
    this.#expect('verify');
    this.#choice.make('verify');
    return { ...this.status(), state: 'verifying' };
  }

  cutOver(): JobStatus {
    this.#expect('cutover');
    this.#choice.make('cutover');
    return { ...this.status(), state: 'cutting-over' };
  }

  /** Takes effect as soon as the step under way allows it; refused once the commit has begun. */
  undo(): JobStatus {
    this.#expect('undo');
    this.#choice.make('undo');
    return { ...this.status(), state: 'undoing' };
  }

  // ---- the job

  /** Runs to the end. Throws what the job failed with. */
  async run(): Promise<JobOutcome> {
    const found = this.#options.survival?.live.found;
    try {
      const ferry = await (found === undefined ? this.#begin() : this.#takeOver(found));
      return await this.#withProgress(() =>
        found?.phase === 'undoing' ? this.#undo(ferry) : this.#ferryAcross(ferry),
      );
    } catch (error) {
      if (this.#dataIs === 'both') await this.#abandon();
      if (!this.#isCommitted) this.#state = 'failed';
      throw error;
    }
  }

  async #begin(): Promise<Ferry> {
    this.#emit({ event: 'planned', plan: this.#plan });
    const ferry = await this.#interruptions.during('start', () => this.#start());
    this.#saveLive('serving');
    this.#emit({ event: 'attached', device: this.#placement.deviceOf(ferry) });
    return ferry;
  }

  /** Everybody stays where he is, and everything that was acknowledged is there (engine/live-map.ts). */
  async #takeOver({ isPaused, speed, phase }: LiveState): Promise<Ferry> {
    this.#dataIs = 'both';
    [this.#isPaused, this.#speed] = [isPaused, speed];
    const ferry = await present(this.#placement.adopt?.(), 'a placement that can be taken over');
    this.#ferry = ferry;
    this.#saveLive(phase);
    ferry.engine.setSpeed(speed);
    this.#graduation = this.#makeGraduation(ferry, undefined);
    this.#warn('taken-over', takenOverText(this.#plan, this.#options.survival?.why ?? ''));
    return ferry;
  }

  /** What a successor would have to go on with. */
  #saveLive(phase?: LivePhase): void {
    // While users settle for the first time there is nothing to go on with yet.
    if (this.#livePhase !== undefined || phase === 'serving' || this.#options.survival?.live.found !== undefined)
      this.#livePhase = phase ?? this.#livePhase;
    if (this.#ferry === undefined || this.#livePhase === undefined) return;
    const { name: device } = this.#ferry.device;
    this.#options.survival?.live.save({ phase: this.#livePhase, device, isPaused: this.#isPaused, speed: this.#speed });
  }

  /** When the users cannot settle on the virtual device, all of it is taken back. */
  async #start(): Promise<Ferry> {
    const ferry = await this.#placement.putIn();
    this.#ferry = ferry;
    this.#dataIs = 'both';
    ferry.engine.setSpeed(this.#speed);
    if (this.#options.recovered === undefined) await this.#settle(ferry);
    else await this.#settleAgain(ferry);
    this.#watch = ferry.watchDisks();
    this.#graduation = this.#makeGraduation(ferry, this.#watch);
    if (this.#options.recovered !== undefined) return ferry;
    for (const warning of await trimMounted(this.#plan)) this.#warn('allocation-unknown', warning);
    return ferry;
  }

  async #settle(ferry: Ferry): Promise<void> {
    try {
      await this.#placement.settle(ferry);
      await this.#sample.whenSettled(ferry);
    } catch (error) {
      try {
        await this.#goBack(ferry);
      } finally {
        // The source has everything, whether or not its users came back to it.
        if (this.dataIs === 'source') ferry.removeNewImage();
      }
      throw error;
    }
  }

  /** Whoever cannot use the volume yet is no reason to go back: it is there, and a person decides. */
  async #settleAgain(ferry: Ferry): Promise<void> {
    while (!this.#goesBack) {
      try {
        await this.#placement.settle(ferry);
        return;
      } catch (error) {
        this.#goesBack = !(await this.#decide(ferry, error));
        this.#state = 'starting';
      }
    }
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
    if (this.#goesBack || !(await this.#copyAll(ferry))) return this.#undo(ferry);
    this.#state = 'synchronized';
    this.#emitProgress();
    this.#emit({ event: 'synchronized' });
    if (this.#plan.verifies && !(await this.#verifyAll(ferry))) return this.#undo(ferry);
    const mustWait = this.#record.hold || this.#isPaused;
    if (mustWait && !(await this.#awaitCutOver(ferry))) return this.#undo(ferry);
    if (!(await this.#cutOver(ferry))) return this.#undo(ferry);
    this.#emit({ event: 'finished', verified: this.#isVerified && this.#hasComparedAll, report: this.#report(ferry) });
    return 'finished';
  }

  /** True when every block has crossed; false when the job is to be undone. */
  async #copyAll(ferry: Ferry): Promise<boolean> {
    for (;;) {
      this.#state = 'copying';
      const synchronized = ferry.engine.synchronized();
      if (!this.#isPaused) ferry.engine.startCopy();
      const end = await this.#graduating(this.#choice.during(this.#unlessBypassed(synchronized)));
      if (end.kind === 'chosen' && end.choice === 'undo') return false;
      if (end.kind === 'done') return true;
      if (end.kind === 'failed' && !(await this.#decide(ferry, end.error))) return false;
    }
  }

  /** False when the person wants to undo instead. */
  async #awaitCutOver(ferry: Ferry): Promise<boolean> {
    for (;;) {
      this.#state = 'synchronized';
      const end = await this.#graduating(this.#choice.during(this.#unlessBypassed(ferry.engine.died())));
      if (end.kind !== 'chosen') {
        if (end.kind === 'failed' && (await this.#decide(ferry, end.error))) continue;
        return false;
      }
      if (end.choice === 'undo') return false;
      if (end.choice === 'verify') {
        if (!(await this.#verifyAll(ferry))) return false;
        continue;
      }
      // The end of a pause is no word to cut over when one is waited for.
      if (end.choice === 'cutover' || !this.#record.hold) return true;
    }
  }

  /** True when what was copied is right on the destination; false when the job is to be undone. */
  async #verifyAll(ferry: Ferry): Promise<boolean> {
    for (;;) {
      this.#state = 'verifying';
      this.#isVerified = false;
      this.#emitProgress();
      const end = await this.#choice.during(this.#unlessBypassed(this.#verifyOnce(ferry)));
      if (end.kind === 'chosen' && end.choice === 'undo') return false;
      if (end.kind === 'failed' && !(await this.#decide(ferry, end.error))) return false;
      if (end.kind === 'done') break;
    }
    this.#isVerified = true;
    this.#emitProgress();
    return true;
  }

  async #verifyOnce(ferry: Ferry): Promise<void> {
    const { path } = this.#plan.destination;
    const result = await ferry.engine.verify();
    if (result.repairedBytes > 0) this.#warn('destination-repaired', repairedText(path, result));
    if (result.failedBytes > 0) throw new DiskferryError('verification-failed', differsText(path, result));
    const { checkedBytes, repairedBytes, writtenBytes, unknownBytes } = result;
    this.#hasComparedAll = unknownBytes === 0;
    this.#emit({ event: 'verified', checkedBytes, repairedBytes, writtenBytes, unknownBytes });
  }

  /** What goes direct may be changed unseen, and could not be compared any more. */
  #graduating<T>(work: Promise<T>): Promise<T> {
    const mustVerify = this.#plan.verifies && !this.#isVerified;
    return this.#graduation === undefined || mustVerify ? work : this.#graduation.during(work);
  }

  #makeGraduation(ferry: Ferry, watch: BypassWatch | undefined): Graduation {
    return new Graduation({
      ...{ ferry, placement: this.#placement, watch, plan: this.#plan },
      emit: (event) => this.#emit(event),
      warnOnce: (message) => this.#warnOnce('graduation-failed', message),
    });
  }

  #unlessBypassed<T>(work: Promise<T>): Promise<T> {
    return this.#watch === undefined ? work : Promise.race([work, this.#watch.bypassed()]);
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
        return await this.#interruptions.during('cut-over', () => this.#replace(ferry));
      } catch (error) {
        if (this.#isCommitted) throw error;
        this.#isCommitting = false;
        if (ferry.device.isAttached) this.#saveLive('serving');
        this.#watch?.start();
        const goesOn = this.#isOnlyBusy(error)
          ? await this.#waitUntilLetGo(ferry, error)
          : await this.#decide(ferry, error);
        if (!goesOn) return false;
      }
    }
  }

  get #isCommitted(): boolean {
    return this.#state === 'committed';
  }

  /**
   * The commit is the instant at which the destination is durable and everything that is still to come
   * reaches it alone. False when undo was chosen before that.
   */
  async #replace(ferry: Ferry): Promise<boolean> {
    this.#saveLive('changing');
    await this.#placement.beforeCommit(ferry);
    await this.#watch?.stop();
    if (this.#choice.takeUndo()) return false;
    this.#isCommitting = true;
    this.#emitProgress();
    await ferry.commit();
    this.#state = 'committed';
    this.#dataIs = 'destination';
    this.#emit({ event: 'committed' });
    await this.#leaveVirtualDevice(ferry);
    await this.#release(ferry);
    const oldPartitions = await showPartitions(this.#plan.destination);
    if (oldPartitions !== undefined) this.#warn('partitions-not-updated', oldPartitions);
    await this.#placement.settleOn(this.#plan.destination.path);
    return true;
  }

  /** The destination is the truth already, so this is tried until it succeeds; consumers go on meanwhile. */
  async #leaveVirtualDevice(ferry: Ferry): Promise<void> {
    for (;;) {
      try {
        await this.#placement.afterCommit(ferry);
        return;
      } catch (error) {
        const why = `the volume still goes through the virtual device; it is tried again: ${messageOf(error)}`;
        this.#warnOnce('cut-over-pending', why);
        await sleep(retryMs);
      }
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
    this.#state = 'undoing';
    this.#emitProgress();
    const elapsedMs = await this.#goBack(ferry);
    this.#emitProgress();
    this.#interruptions.note('undo', elapsedMs);
    this.#state = 'undone';
    this.#emit({ event: 'undone', report: this.#report(ferry) });
    return 'undone';
  }

  /**
   * The source has everything again, and its old place. All of it goes back while the users go on; only then
   * are they interrupted. Returns how long the volume was away for it.
   */
  async #goBack(ferry: Ferry): Promise<number> {
    let awaySinceMs = performance.now();
    for (;;) {
      this.#state = 'undoing';
      try {
        this.#saveLive('undoing');
        await this.#watch?.putBack();
        await this.#graduation?.takeBack();
        await this.#unlessBypassed(ferry.returnWritten());
        await this.#watch?.stop();
        // From now on whoever lies on the source may have come back to it in a try that failed later.
        this.#watch = undefined;
        // After a try that failed its users run on the virtual device again, unless that has gone already.
        if (ferry.device.isAttached) awaySinceMs = performance.now();
        this.#saveLive('changing');
        await this.#placement.goBack(ferry);
        this.#dataIs = 'source';
        break;
      } catch (error) {
        if (ferry.device.isAttached) this.#saveLive('undoing');
        await (this.#isOnlyBusy(error) ? this.#waitUntilLetGo(ferry, error) : this.#decide(ferry, error));
      }
    }
    await this.#release(ferry);
    await this.#placement.settleOn(this.#plan.source.path);
    return performance.now() - awaySinceMs;
  }

  /**
   * Something failed before the commit, and the engine lives: a person decides, whatever it was, because
   * ending the job would lose what is on the destination only. True: try again. False: undo.
   */
  async #decide(ferry: Ferry, error: unknown): Promise<boolean> {
    if (error instanceof DiskferryError && error.code === 'engine-died') throw error;
    const choices = choicesAfter(error, this.#state);
    this.#state = 'needs-decision';
    this.#emit({ event: 'decision', message: messageOf(error), choices });
    const goesOn = (await this.#nextChoice(ferry)) !== 'undo';
    if (goesOn && error instanceof DiskferryError && error.code === 'table-changed')
      return this.#putBack(ferry);
    return goesOn;
  }

  /** Who was put past the virtual device goes on over it; when he cannot, a person decides again. */
  async #putBack(ferry: Ferry): Promise<boolean> {
    try {
      await this.#watch?.putBack();
      return true;
    } catch (error) {
      return this.#decide(ferry, error);
    }
  }

  /** Nobody can be stopped who came by himself: the one who attached the device lets it go. */
  #isOnlyBusy(error: unknown): error is DiskferryError {
    const isBusy = error instanceof DiskferryError && error.code === 'volume-busy';
    return isBusy && this.#plan.way === 'attach';
  }

  /** Says once what is waited for, and waits a moment. False: undo. */
  async #waitUntilLetGo(ferry: Ferry, error: DiskferryError): Promise<boolean> {
    const isUndoing = this.#state === 'undoing';
    if (!isUndoing) this.#state = 'synchronized';
    const what = isUndoing ? 'goes back to the source' : 'cuts over';
    const message = `${error.message}; the job ${what} as soon as it is let go`;
    this.#warnOnce('volume-busy', message);
    const end = await this.#choice.during(sleep(letGoPollMs));
    if (end.kind === 'chosen' && end.choice === 'verify') return this.#verifyAll(ferry);
    return !(end.kind === 'chosen' && end.choice === 'undo');
  }

  #expect(command: Command): void {
    const circumstances = { isPaused: this.#isPaused, isCommitting: this.#isCommitting };
    if (statesFor(command, circumstances).includes(this.#state)) return;
    const { job } = this.#record;
    throw new DiskferryError('job-state', `${job}: cannot ${command}: the job is ${this.#state}`);
  }

  #warn(code: JobEventOf<'warning'>['code'], message: string): void {
    this.#warnings.push(message);
    this.#emit({ event: 'warning', code, message });
  }

  #warnOnce(code: JobEventOf<'warning'>['code'], message: string): void {
    if (!this.#warnings.includes(message)) this.#warn(code, message);
  }

  #emitProgress(): void {
    const engine = this.#ferry?.engine;
    if (engine === undefined) return;
    const { progress, consumer } = engine;
    const measured = this.#meter.measure(phaseOf(this.#state), performance.now(), progress, consumer);
    const fields = { ...measured, directBytes: this.#graduation?.directBytes ?? 0 };
    // Consumers were told of each, but what they do about it few people see.
    if (consumer.failedRequests > 0)
      this.#warnOnce('consumer-failed', `${this.#plan.source.path}: ${failedText}`);
    this.#lastProgress = { event: 'progress', job: this.#record.job, timeMs: Date.now(), ...fields };
    this.#options.emit(this.#lastProgress);
  }

  #emit(body: EventBody): void {
    this.#options.emit({ ...body, job: this.#record.job, timeMs: Date.now() });
  }

  #report(ferry: Ferry): JobReport {
    return makeReport({
      ...{ ferry, startedMs: this.#startedMs, totalBytes: this.#plan.source.sizeBytes },
      ...{ interruptions: this.#interruptions.all, warnings: this.#warnings },
      graduation: this.#graduation?.report ?? { changes: 0, longestPauseMs: 0 },
      staysOn: this.#isCommitted ? this.#placement.staysOn : null,
    });
  }
}
