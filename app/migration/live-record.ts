/**
 * What a successor would have to go on with, should this process be killed: kept on tmpfs (engine/live-files.ts)
 * where the job can be taken over, nowhere else. While users settle for the first time there is nothing to go on
 * with yet, so nothing is kept before the job serves.
 */
import type { Speed } from '../contract/plan.ts';
import type { LivePhase } from '../engine/live-files.ts';
import type { Ferry, Survival } from './ferry.ts';

export interface LiveCircumstances {
  readonly isPaused: boolean;
  readonly speed: Speed;
  readonly directBytes: number;
}

export class LiveRecord {
  readonly #survival: Survival | undefined;
  #phase: LivePhase | undefined;

  constructor(survival: Survival | undefined) {
    this.#survival = survival;
  }

  /** Without a phase the last one goes on. */
  save(ferry: Ferry | undefined, circumstances: LiveCircumstances, phase?: LivePhase): void {
    const hasBegun = this.#phase !== undefined || this.#survival?.live.found !== undefined;
    if (hasBegun || phase === 'serving') this.#phase = phase ?? this.#phase;
    if (ferry === undefined || this.#phase === undefined) return;
    this.#survival?.live.save({ phase: this.#phase, device: ferry.device.name, ...circumstances });
  }
}
