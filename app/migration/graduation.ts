/**
 * Graduation: with device-mapper, what has crossed completely is mapped straight to the destination in the
 * tables of who uses it, so that I/O to it runs at the kernel's speed. Runs beside copying and beside the
 * wait for the cut-over.
 *
 * - Tables change at few moments: whenever the extent that has crossed has grown by an eighth of the volume,
 *   and once when everything has crossed (then also what cannot be split goes direct). Each is a short pause
 *   of one device after the other.
 * - No flush belongs to it: what a consumer's flush has covered is durable on the destination already, and
 *   its next one reaches the destination through device-mapper itself. What was copied the engine has flushed
 *   before it answers.
 * - The engine counts the extent as written before any table changes: an undo carries all of it back.
 * - A change that fails never harms the job: users run on as before, a warning is given once, the next moment
 *   comes.
 * - Users lead to a device of ours over the destination, and blocks in which an identity may stand stay on the
 *   virtual device until the commit: on the destination they are masked. Only an encrypted volume, in which
 *   nothing can be recognised, moves to the destination itself when everything has crossed.
 */
import { DiskferryError, messageOf } from '../base/error.ts';
import { mebibyte } from '../base/units.ts';
import type { EventBody, JobReport } from '../contract/events.ts';
import type { Plan } from '../contract/plan.ts';
import type { BypassWatch } from '../substitution/bypass-watch.ts';
import type { Ferry } from './ferry.ts';
import type { Placement } from './placement.ts';

const lookMs = 1000;
/** Of the volume: so many changes of tables at the most, and the last one. */
const stepsMax = 8;
/** What is less is hardly worth a pause. */
const stepBytesMin = 64 * mebibyte;
/** Extents end at such places: a request of usual size and alignment is not cut in two. */
const endAlignmentBytes = mebibyte;

export interface GraduationOptions {
  readonly ferry: Ferry;
  readonly placement: Placement;
  readonly watch: BypassWatch | undefined;
  readonly plan: Plan;
  readonly emit: (event: EventBody) => void;
  readonly warnOnce: (message: string) => void;
  /** Before any table changes: `mayBeDirectBytes` has grown. */
  readonly beforeDirect: () => void;
  /** What may have gone direct already, in the time of a process that was killed. */
  readonly foundDirectBytes: number;
}

export class Graduation {
  readonly #options: GraduationOptions;
  readonly #totalBytes: number;
  readonly #stepBytes: number;
  readonly #isOneWhole: boolean;
  /** What the engine has answered; durable and counted as written for good. */
  #crossedBytes = 0;
  #directBytes = 0;
  /** Also when a change has failed half-way. */
  #hasBegun = false;
  #changes = 0;
  #step: Promise<void> | undefined;
  #longestPauseMs = 0;

  constructor(options: GraduationOptions) {
    this.#options = options;
    this.#crossedBytes = options.foundDirectBytes;
    this.#hasBegun = options.foundDirectBytes > 0;
    const { mappedUsers, source } = options.plan;
    // An opened LUKS container is all that lies on its disk.
    this.#isOneWhole = mappedUsers.some(({ kind }) => kind === 'luks');
    this.#totalBytes = source.sizeBytes;
    if (this.#isOneWhole && this.#crossedBytes === this.#totalBytes) options.watch?.allowDestination(true);
    this.#stepBytes = this.#isOneWhole ? source.sizeBytes : Math.max(stepBytesMin, source.sizeBytes / stepsMax);
  }

  /** Of the volume, from its start. */
  get directBytes(): number {
    return this.#directBytes;
  }

  /** The same where a change may be under way, or has failed half-way. */
  get mayBeDirectBytes(): number {
    return this.#hasBegun ? this.#crossedBytes : 0;
  }

  /** Nothing of it is left on the virtual device. */
  get isComplete(): boolean {
    return this.#isOneWhole && this.#directBytes === this.#totalBytes;
  }

  get report(): JobReport['graduation'] {
    return { changes: this.#changes, longestPauseMs: this.#longestPauseMs };
  }

  /**
   * Looks now and then, as long as the work lasts, what can go direct. No table is changing when this
   * returns.
   */
  async during<T>(work: Promise<T>): Promise<T> {
    this.#look();
    const timer = setInterval(() => this.#look(), lookMs);
    try {
      return await work;
    } finally {
      clearInterval(timer);
      await this.#step;
    }
  }

  /** Before an undo: all of it goes through the virtual device again. May be called again. */
  async takeBack(): Promise<void> {
    if (!this.#hasBegun) return;
    const { ferry, placement, watch } = this.#options;
    await placement.leaveDirect?.(ferry);
    watch?.allowDestination(false);
    this.#directBytes = 0;
    this.#hasBegun = false;
  }

  #look(): void {
    this.#step ??= this.#tryToGoDirect().finally(() => (this.#step = undefined));
  }

  async #tryToGoDirect(): Promise<void> {
    const { placement, warnOnce } = this.#options;
    if (placement.goDirect === undefined || this.#directBytes === this.#totalBytes) return;
    try {
      await this.#goDirect();
    } catch (error) {
      // Who waits for the engine hears of its death.
      if (error instanceof DiskferryError && error.code === 'engine-died') return;
      warnOnce(
        `what has crossed is not served straight by the destination yet; it is tried again: ${messageOf(error)}`,
      );
    }
  }

  async #goDirect(): Promise<void> {
    const { ferry, placement, watch, emit } = this.#options;
    await this.#askEngine();
    const directBytes = this.#crossedBytes;
    if (directBytes === this.#directBytes) return;
    const isAll = directBytes === this.#totalBytes;
    this.#hasBegun = true;
    this.#options.beforeDirect();
    if (isAll && this.#isOneWhole) watch?.allowDestination(true);
    await placement.goDirect?.(ferry, directBytes);
    this.#directBytes = directBytes;
    this.#changes += 1;
    const elapsedMs = Number((placement.takePauseMs() ?? 0).toFixed(3));
    this.#longestPauseMs = Math.max(this.#longestPauseMs, elapsedMs);
    emit({ event: 'graduated', directBytes, elapsedMs });
  }

  /** A change that has failed needs no new answer. */
  async #askEngine(): Promise<void> {
    if (this.#crossedBytes === this.#totalBytes) return;
    const leastBytes = Math.min(this.#totalBytes, this.#crossedBytes + this.#stepBytes);
    const crossedBytes = await this.#options.ferry.engine.graduate(leastBytes);
    if (crossedBytes === 0) return;
    const alignedBytes = Math.floor(crossedBytes / endAlignmentBytes) * endAlignmentBytes;
    this.#crossedBytes = crossedBytes === this.#totalBytes ? crossedBytes : alignedBytes;
  }
}
