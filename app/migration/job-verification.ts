/**
 * What a job knows of its verifications: one goes through the engine and is told; whether the last one found
 * everything right, and whether it could compare everything, decides what `finished` says.
 */
import { DiskferryError } from '../base/error.ts';
import type { Plan } from '../contract/plan.ts';
import type { Ferry } from './ferry.ts';
import type { JobVoice } from './job-voice.ts';
import { differsText, repairedText } from './verify-text.ts';

export class JobVerification {
  readonly #plan: Plan;
  readonly #voice: JobVoice;
  #isRight = false;
  #hasComparedAll = false;

  constructor(plan: Plan, voice: JobVoice) {
    this.#plan = plan;
    this.#voice = voice;
  }

  /** The last one has found nothing that is wrong. */
  get isRight(): boolean {
    return this.#isRight;
  }

  get isComplete(): boolean {
    return this.#isRight && this.#hasComparedAll;
  }

  /** The plan wants one, and none has found everything right yet. */
  get isDue(): boolean {
    return this.#plan.verifies && !this.#isRight;
  }

  /** Throws `verification-failed` when something is wrong and could not be repaired. */
  async run(ferry: Ferry): Promise<void> {
    this.#isRight = false;
    const { path } = this.#plan.destination;
    const result = await ferry.engine.verify();
    if (result.repairedBytes > 0) this.#voice.warn('destination-repaired', repairedText(path, result));
    if (result.failedBytes > 0) throw new DiskferryError('verification-failed', differsText(path, result));
    const { checkedBytes, repairedBytes, writtenBytes, unknownBytes } = result;
    this.#hasComparedAll = unknownBytes === 0;
    this.#voice.emit({ event: 'verified', checkedBytes, repairedBytes, writtenBytes, unknownBytes });
    this.#isRight = true;
  }
}
