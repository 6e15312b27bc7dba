/**
 * What the start of a job has done to the disks by the time it fails, so that what people are told is true: the
 * destination may have been erased by then, and a source that was hidden may be hidden still. Then the job's
 * record must stay, because it alone knows that this disk is the volume.
 */
import { DiskferryError, messageOf } from '../base/error.ts';
import type { DataPlace } from '../contract/advice.ts';
import type { Plan } from '../contract/plan.ts';

export class StartTrace {
  readonly #job: string;
  readonly #plan: Plan;
  #isErased = false;
  #whyHidden: unknown;

  constructor({ job, plan }: { readonly job: string; readonly plan: Plan }) {
    this.#job = job;
    this.#plan = plan;
  }

  get dataIs(): DataPlace {
    return this.#isErased || this.isSourceHidden ? 'source' : 'untouched';
  }

  /** Nobody recognises it any more, and making it known again has failed. */
  get isSourceHidden(): boolean {
    return this.#whyHidden !== undefined;
  }

  /** From now on what identifies the destination may be gone. */
  erasing(): void {
    this.#isErased = !this.#plan.destination.toBeCreated;
  }

  sourceStaysHidden(why: unknown): void {
    this.#whyHidden = why;
  }

  sourceShows(): void {
    this.#whyHidden = undefined;
  }

  /** What to throw for what the start has failed with. */
  told(error: unknown): unknown {
    if (this.isSourceHidden) return this.#staysHidden(error);
    if (!this.#isErased || !(error instanceof DiskferryError)) return error;
    const { code, message, context } = error;
    const erased = `what identified ${this.#plan.destination.path} was erased by then, as confirmed`;
    return new DiskferryError(code, `${message}; ${erased}`, { context, cause: error });
  }

  #staysHidden(error: unknown): DiskferryError {
    const device = this.#plan.source.path;
    const what = `${device} was hidden by then and could not be made recognisable again`;
    const message = `the move has not begun: ${messageOf(error)}; ${what}: ${messageOf(this.#whyHidden)}`;
    const context = { device, job: this.#job };
    return new DiskferryError('source-stays-hidden', message, { context, cause: error });
  }
}
