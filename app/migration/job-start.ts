/**
 * The start of a job, up to where its users are on the virtual device: what is looked at before anybody is
 * interrupted, what is kept of the source when nobody uses it any more, and what has been done to the disks when it
 * fails. In the words of the placement that it goes through (placement.ts).
 */
import type { DataPlace } from '../contract/advice.ts';
import type { Plan } from '../contract/plan.ts';
import type { OpenDisk } from '../devices/open-disk.ts';
import { jobPhases } from '../journal/job-phase.ts';
import type { Ferry, FerryOptions } from './ferry.ts';
import type { Foresight } from './foresight.ts';
import { foresee } from './foresight.ts';
import type { GoingOn } from './guard.ts';
import type { JobJournal } from './job-journal.ts';
import type { JobOptions } from './job-options.ts';
import { mayHaveBeenUsed } from './job-record.ts';
import { KeptSample } from './kept-sample.ts';
import type { Placement } from './placement.ts';
import { StartTrace } from './start-trace.ts';

export class JobStart {
  readonly #plan: Plan;
  /** Nobody has begun it before. */
  readonly #isNew: boolean;
  readonly #wasUsed: boolean;
  readonly #journal: JobJournal;
  readonly #mayDestinationShow: boolean;
  readonly #sample: KeptSample;
  readonly #trace: StartTrace;
  #foreseen: Foresight | undefined;

  /** `plan` is the record's, with both disks as they are named now. */
  constructor(options: JobOptions, plan: Plan) {
    this.#plan = plan;
    const { record, journal, recovered, survival } = options;
    const isTakenOver = survival?.live.found !== undefined;
    this.#isNew = recovered === undefined && !isTakenOver;
    this.#wasUsed = isTakenOver || mayHaveBeenUsed(record, journal.hasCrossed);
    this.#journal = journal;
    // When `unmask` has been at it since, it may have been used.
    this.#mayDestinationShow = record.mayDestinationShow === true && record.unmasking !== 'destination';
    this.#sample = new KeptSample(options, plan);
    this.#trace = new StartTrace({ job: record.job, plan });
  }

  /** What the ferry needs to know of it. */
  get parts(): Pick<FerryOptions, 'beforeGoingOn' | 'beforeUse' | 'foreseen' | 'trace'> {
    return {
      trace: this.#trace,
      foreseen: () => this.#foreseen,
      beforeGoingOn: (source) => this.#beforeGoingOn(source),
      beforeUse: (source) => this.#sample.beforeUse(source),
    };
  }

  /** Of a start that has failed. */
  get dataIs(): DataPlace {
    if (this.#isNew) return this.#trace.dataIs;
    return this.#wasUsed ? 'both' : 'source';
  }

  /** Whether the record must stay when the start has failed: the job had begun before, or its source is hidden. */
  get mustBeRecovered(): boolean {
    return !this.#isNew || this.#trace.isSourceHidden;
  }

  /** Nothing is written, and nobody interrupted. Throws `disk-masked` and `identity-not-hidden`. */
  async lookAhead(): Promise<void> {
    if (!this.#isNew) return;
    [this.#foreseen] = await Promise.all([foresee(this.#plan), this.#sample.lookAhead()]);
  }

  async #beforeGoingOn(source: OpenDisk): Promise<GoingOn> {
    const { phase } = this.#journal.setting;
    const isSourceUnchanged = await this.#sample.beforeGoingOn(source);
    return {
      ...{ mayHaveBeenUsed: this.#wasUsed, isSourceUnchanged, isUndoing: phase === jobPhases.undoing },
      // The commit may have begun to show it.
      mayDestinationShow: phase === jobPhases.committing || this.#mayDestinationShow,
    };
  }

  async putIn(placement: Placement): Promise<Ferry> {
    try {
      return await placement.putIn();
    } catch (error) {
      throw this.#isNew ? this.#trace.told(error) : error;
    }
  }

  async settle(placement: Placement, ferry: Ferry): Promise<void> {
    await placement.settle(ferry);
    await this.#sample.whenSettled(ferry);
  }
}
