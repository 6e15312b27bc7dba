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
import { DiskferryError, present } from '../base/error.ts';
import type { DataPlace } from '../contract/advice.ts';
import type { JobState, JobStatus } from '../contract/control.ts';
import type { JobReport } from '../contract/events.ts';
import type { Plan, Speed } from '../contract/plan.ts';
import type { LivePhase, LiveState } from '../engine/live-files.ts';
import type { BypassWatch } from '../substitution/bypass-watch.ts';
import { Choice } from './choice.ts';
import type { ChoiceName } from './choice.ts';
import type { Ferry } from './ferry.ts';
import { Graduation } from './graduation.ts';
import { Interruptions } from './interruptions.ts';
import type { Command } from './job-choices.ts';
import { isOnlyBusy, requireHeard } from './job-choices.ts';
import type { JobOptions } from './job-options.ts';
import { placementFor, plannedEvent } from './job-options.ts';
import type { JobRecord } from './job-record.ts';
import { makeReport } from './job-report.ts';
import { JobStart } from './job-start.ts';
import { statusOf } from './job-status.ts';
import { JobVerification } from './job-verification.ts';
import { JobVoice, takenOverText } from './job-voice.ts';
import { leaveVirtualDevice } from './leave-virtual-device.ts';
import { LiveRecord } from './live-record.ts';
import { trimMounted } from './free-space.ts';
import { OpenDecision } from './open-decision.ts';
import type { Placement } from './placement.ts';
import { showTruth } from './show-truth.ts';

const letGoPollMs = 500;

export type JobOutcome = 'finished' | 'undone';

export class Job {
  readonly #options: JobOptions;
  readonly #record: JobRecord;
  /** The record's, with both disks as they are named now. */
  readonly #plan: Plan;
  readonly #placement: Placement;
  readonly #begins: JobStart;
  readonly #voice: JobVoice;
  readonly #startedMs = performance.now();
  readonly #choice = new Choice();
  readonly #decision: OpenDecision;
  readonly #interruptions: Interruptions;
  readonly #verification: JobVerification;
  readonly #live: LiveRecord;
  #state: JobState = 'starting';
  #speed: Speed;
  /** Once the virtual device is there. */
  #dataIs: DataPlace = 'both';
  #ferry: Ferry | undefined;
  #watch: BypassWatch | undefined;
  #graduation: Graduation | undefined;
  #isPaused = false;
  #isCommitting = false;
  /** Before anything else, once the virtual device is there. */
  #goesBack: boolean;

  constructor(options: JobOptions) {
    const { recovered } = options;
    const plan = recovered?.plan ?? options.record.plan;
    this.#options = options;
    this.#record = options.record;
    this.#plan = plan;
    this.#goesBack = recovered?.goesBack ?? false;
    this.#speed = options.record.speed;
    this.#voice = new JobVoice({ job: options.record.job, source: plan.source, emit: options.emit });
    this.#decision = OpenDecision.of(options, this.#choice);
    this.#verification = new JobVerification(plan, this.#voice);
    this.#live = new LiveRecord(options.survival);
    this.#begins = new JobStart(options, plan);
    this.#placement = placementFor(options, {
      plan,
      warn: (message) => this.#voice.warn('allocation-unknown', message),
      warnShown: (message) => this.#voice.warn('disk-not-hidden', message),
      ...this.#begins.parts,
    });
    this.#interruptions = new Interruptions({
      plan,
      placement: this.#placement,
      emit: (event) => this.#voice.emit(event),
    });
  }

  /** Where the valid data is at the moment. */
  get dataIs(): DataPlace {
    return this.#ferry === undefined ? this.#begins.dataIs : this.#dataIs;
  }

  /** It has not come to its end: another one has to go on with it. */
  get mustBeRecovered(): boolean {
    return this.#ferry === undefined ? this.#begins.mustBeRecovered : this.#dataIs === 'both';
  }

  // ---- commands, from a signal or another terminal

  status(): JobStatus {
    return statusOf({
      ...{ job: this.#record.job, plan: this.#plan, speed: this.#speed },
      state: this.#isPaused && this.#state === 'copying' ? 'paused' : this.#state,
      device: this.#ferry === undefined ? null : this.#placement.deviceOf(this.#ferry),
      progress: this.#voice.lastProgress ?? null,
      decision: this.#decision.event ?? null,
      isDirect: this.#graduation?.isComplete ?? false,
    });
  }

  pause(): JobStatus {
    this.#expect('pause');
    if (this.#isPaused) return this.status();
    this.#isPaused = true;
    this.#saveLive();
    this.#ferry?.engine.pauseCopy();
    this.#voice.emit({ event: 'paused' });
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
      this.#voice.emit({ event: 'resumed' });
    }
    if (this.#state === 'synchronized' || this.#state === 'needs-decision') this.#choice.make('retry');
    return this.status();
  }

  /** Tries again what failed. */
  retry(): JobStatus {
    return this.#choose('retry');
  }

  /** Goes on without what cannot be read, when that is what there is to decide. */
  acceptUnreadable(): JobStatus {
    if (this.#state === 'needs-decision') this.#decision.requireOffered('accept-unreadable');
    return this.#choose('accept-unreadable');
  }

  setSpeed(speed: Speed): JobStatus {
    this.#speed = speed;
    this.#saveLive();
    this.#ferry?.engine.setSpeed(speed);
    return this.status();
  }

  verify(): JobStatus {
    return { ...this.#choose('verify'), state: 'verifying' };
  }

  cutOver(): JobStatus {
    return { ...this.#choose('cutover'), state: 'cutting-over' };
  }

  /** Takes effect as soon as the step under way allows it; refused once the commit has begun. */
  undo(): JobStatus {
    return { ...this.#choose('undo'), state: 'undoing' };
  }

  // ---- the job

  /** Runs to the end. Throws what the job failed with. */
  async run(): Promise<JobOutcome> {
    const found = this.#options.survival?.live.found;
    try {
      const ferry = await (found === undefined ? this.#begin() : this.#takeOver(found));
      return await this.#voice.repeating(
        () => this.#emitProgress(),
        () => (found?.phase === 'undoing' ? this.#undo(ferry) : this.#ferryAcross(ferry)),
      );
    } catch (error) {
      if (this.#dataIs === 'both') await this.#voice.releasing(() => this.#ferry?.abandon());
      if (!this.#isCommitted) this.#state = 'failed';
      throw error;
    }
  }

  async #begin(): Promise<Ferry> {
    this.#voice.emit(plannedEvent(this.#options, this.#plan));
    await this.#begins.lookAhead();
    const ferry = await this.#interruptions.during('start', () => this.#start());
    this.#saveLive('serving');
    this.#voice.emit({ event: 'attached', device: this.#placement.deviceOf(ferry) });
    return ferry;
  }

  /** Everybody stays where he is, and everything that was acknowledged is there (engine/live-map.ts). */
  async #takeOver({ isPaused, speed, phase, directBytes }: LiveState): Promise<Ferry> {
    [this.#isPaused, this.#speed] = [isPaused, speed];
    const ferry = await present(this.#placement.adopt?.(), 'a placement that can be taken over');
    this.#ferry = ferry;
    this.#makeGraduation(ferry, directBytes);
    this.#saveLive(phase);
    ferry.engine.setSpeed(speed);
    this.#voice.warn('taken-over', takenOverText(this.#plan.source.path, this.#options.survival?.why ?? ''));
    return ferry;
  }

  #saveLive(phase?: LivePhase): void {
    const directBytes = this.#graduation?.mayBeDirectBytes ?? 0;
    this.#live.save(this.#ferry, { isPaused: this.#isPaused, speed: this.#speed, directBytes }, phase);
  }

  /** When the users cannot settle on the virtual device, all of it is taken back. */
  async #start(): Promise<Ferry> {
    const ferry = await this.#begins.putIn(this.#placement);
    this.#ferry = ferry;
    ferry.engine.setSpeed(this.#speed);
    if (this.#options.recovered === undefined) await this.#settle(ferry);
    else await this.#settleAgain(ferry);
    this.#makeGraduation(ferry, 0);
    if (this.#options.recovered !== undefined) return ferry;
    for (const warning of await trimMounted(this.#plan)) this.#voice.warn('allocation-unknown', warning);
    return ferry;
  }

  async #settle(ferry: Ferry): Promise<void> {
    try {
      await this.#begins.settle(this.#placement, ferry);
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

  async #ferryAcross(ferry: Ferry): Promise<JobOutcome> {
    if (this.#goesBack || !(await this.#copyAll(ferry))) return this.#undo(ferry);
    this.#state = 'synchronized';
    this.#emitProgress();
    const { totalBytes: acceptedBytes } = this.#decision.unreadableOf('source');
    this.#voice.emit({ event: 'synchronized', ...(acceptedBytes > 0 && { acceptedBytes }) });
    if (this.#plan.verifies && !(await this.#verifyAll(ferry))) return this.#undo(ferry);
    if ((this.#record.hold || this.#isPaused) && !(await this.#awaitCutOver(ferry))) return this.#undo(ferry);
    if (!(await this.#cutOver(ferry))) return this.#undo(ferry);
    const report = await this.#report(ferry);
    // What was accepted as unreadable has nothing to be compared with.
    const verified = this.#verification.isComplete && report.unreadable.totalBytes === 0;
    this.#voice.emit({ event: 'finished', verified, report });
    return 'finished';
  }

  /** True when every block has crossed; false when the job is to be undone. */
  async #copyAll(ferry: Ferry): Promise<boolean> {
    for (;;) {
      this.#state = 'copying';
      const synchronized = ferry.engine.synchronized();
      if (this.#decision.takeAcceptance()) ferry.engine.acceptUnreadable();
      else if (!this.#isPaused) ferry.engine.startCopy();
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
      const end = await this.#graduating(this.#choice.during(this.#unlessBypassed(ferry.engine.fails())));
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
      this.#emitProgress();
      const end = await this.#choice.during(this.#unlessBypassed(this.#verification.run(ferry)));
      if (end.kind === 'chosen' && end.choice === 'undo') return false;
      if (end.kind === 'failed' && !(await this.#decide(ferry, end.error))) return false;
      if (end.kind === 'done') break;
    }
    this.#emitProgress();
    return true;
  }

  /** What goes direct may be changed unseen, and could not be compared any more. */
  #graduating<T>(work: Promise<T>): Promise<T> {
    return this.#graduation === undefined || this.#verification.isDue ? work : this.#graduation.during(work);
  }

  /** And from now on somebody looks who else uses the disks. */
  #makeGraduation(ferry: Ferry, foundDirectBytes: number): void {
    this.#watch = ferry.watchDisks();
    this.#graduation = new Graduation({
      ...{ ferry, placement: this.#placement, watch: this.#watch, plan: this.#plan, foundDirectBytes },
      beforeDirect: () => this.#saveLive(),
      emit: (event) => this.#voice.emit(event),
      warnOnce: (message) => this.#voice.warnOnce('graduation-failed', message),
    });
  }

  #unlessBypassed<T>(work: Promise<T>): Promise<T> {
    return this.#watch === undefined ? work : Promise.race([work, this.#watch.bypassed()]);
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
        const goesOn = isOnlyBusy(error, this.#plan.way)
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
    this.#voice.emit({ event: 'committed' });
    await leaveVirtualDevice(this.#placement, ferry, this.#voice);
    await this.#voice.releasing(() => ferry.release());
    await showTruth(this.#plan, 'destination', this.#voice);
    await this.#placement.settleOn(this.#plan.destination.path);
    return true;
  }

  async #undo(ferry: Ferry): Promise<JobOutcome> {
    this.#state = 'undoing';
    this.#emitProgress();
    const elapsedMs = await this.#goBack(ferry);
    this.#emitProgress();
    this.#interruptions.note('undo', elapsedMs);
    this.#state = 'undone';
    this.#voice.emit({ event: 'undone', report: await this.#report(ferry) });
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
        const returned = this.#decision.takeAcceptance() ? ferry.returnReadable() : ferry.returnWritten();
        await this.#unlessBypassed(returned);
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
        await (isOnlyBusy(error, this.#plan.way) ? this.#waitUntilLetGo(ferry, error) : this.#decide(ferry, error));
      }
    }
    await this.#voice.releasing(() => ferry.release());
    await showTruth(this.#plan, 'source', this.#voice);
    await this.#placement.settleOn(this.#plan.source.path);
    return performance.now() - awaySinceMs;
  }

  /**
   * Something failed before the commit, and the engine lives: a person decides, whatever it was, because
   * ending the job would lose what is on the destination only. True: try again. False: undo.
   */
  async #decide(ferry: Ferry, error: unknown): Promise<boolean> {
    if (error instanceof DiskferryError && error.code === 'engine-died') throw error;
    const failedIn = this.#state;
    // Whoever asks while it waits hears what the decision is about, and not of a second before.
    this.#emitProgress();
    this.#state = 'needs-decision';
    const goesOn = (await this.#decision.ask(ferry, error, failedIn)) !== 'undo';
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

  /** Says once what is waited for, and waits a moment. False: undo. */
  async #waitUntilLetGo(ferry: Ferry, error: DiskferryError): Promise<boolean> {
    const isUndoing = this.#state === 'undoing';
    if (!isUndoing) this.#state = 'synchronized';
    const what = isUndoing ? 'goes back to the source' : 'cuts over';
    const message = `${error.message}; the job ${what} as soon as it is let go`;
    this.#voice.warnOnce('volume-busy', message);
    const end = await this.#choice.during(sleep(letGoPollMs));
    if (end.kind === 'chosen' && end.choice === 'verify') return this.#verifyAll(ferry);
    return !(end.kind === 'chosen' && end.choice === 'undo');
  }

  #choose(command: Command & ChoiceName): JobStatus {
    this.#expect(command);
    this.#choice.make(command);
    return this.status();
  }

  #expect(command: Command): void {
    const circumstances = { isPaused: this.#isPaused, isCommitting: this.#isCommitting };
    requireHeard(command, { ...circumstances, job: this.#record.job, state: this.#state });
  }

  #emitProgress(): void {
    const directBytes = this.#graduation?.directBytes ?? 0;
    if (this.#ferry !== undefined) this.#voice.progress(this.#decision.toldAs(this.#state), this.#ferry.engine, directBytes);
  }

  #report(ferry: Ferry): Promise<JobReport> {
    return makeReport({
      ...{ ferry, plan: this.#plan, isCommitted: this.#isCommitted, graduation: this.#graduation },
      ...{ decision: this.#decision, warnings: this.#voice.warnings },
      interruptions: this.#interruptions.all,
      elapsedMs: performance.now() - this.#startedMs,
      staysOn: this.#placement.staysOn,
    });
  }
}
