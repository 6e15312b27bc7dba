/**
 * Where a job's users had to stop, and for how long: measured around each step that can make them, told as it
 * happens, and kept for the report. Says nothing where there are no users.
 */
import type { EventBody, Interruption } from '../contract/events.ts';
import type { Plan } from '../contract/plan.ts';
import type { Placement } from './placement.ts';

export interface InterruptionsOptions {
  readonly plan: Plan;
  readonly placement: Placement;
  readonly emit: (event: EventBody) => void;
}

export class Interruptions {
  readonly #options: InterruptionsOptions;
  readonly #all: Interruption[] = [];

  constructor(options: InterruptionsOptions) {
    this.#options = options;
  }

  get all(): Interruption[] {
    return this.#all;
  }

  /** Measures how long the users had to stop, or their I/O stood still. */
  async during<T>(at: Interruption['at'], act: () => Promise<T>): Promise<T> {
    const startMs = performance.now();
    try {
      return await act();
    } finally {
      this.note(at, performance.now() - startMs);
    }
  }

  /** `awayMs`: how long the volume was away, for users that had to stop. */
  note(at: Interruption['at'], awayMs: number): void {
    const { plan, placement } = this.#options;
    // No table changes at the cut-over where everything has been direct before.
    const pauseMs = placement.takePauseMs() ?? (at === 'cut-over' && plan.usesDeviceMapper ? 0 : undefined);
    if (pauseMs !== undefined) this.#tell({ at, how: 'suspended', elapsedMs: pauseMs });
    else if (plan.way === 'remount') this.#tell({ at, how: 'unmounted', elapsedMs: awayMs });
  }

  #tell({ at, how, elapsedMs }: Interruption): void {
    // Pauses of tables are far below a millisecond where nothing is slow.
    const interruption = {
      at,
      how,
      elapsedMs: how === 'unmounted' ? Math.round(elapsedMs) : Number(elapsedMs.toFixed(3)),
    };
    this.#all.push(interruption);
    this.#options.emit({ event: 'interrupted', ...interruption });
  }
}
