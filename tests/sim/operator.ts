/**
 * Whoever sits at the controls: pauses copying, lets it go on, changes its speed, at any moment. While a
 * pause is in force and the pieces under way have ended, the copy loop must not touch a disk.
 */
import { speeds } from '../../app/copy/pace.ts';
import type { Random } from './random.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimDiskIo } from './sim-disk-io.ts';
import type { SimEngine } from './sim-engine.ts';
import { Violation } from './violation.ts';

const longestUs = 30_000;

export class Operator {
  readonly #engine: SimEngine;
  readonly #io: SimDiskIo;
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  #isPaused = false;
  #isGone = false;
  /** Operations that the copy loop had started when a pause had come into force. */
  #startedBeforePause: number | undefined;

  constructor(options: { engine: SimEngine; io: SimDiskIo; scheduler: Scheduler; random: Random }) {
    this.#engine = options.engine;
    this.#io = options.io;
    this.#scheduler = options.scheduler;
    this.#random = options.random;
  }

  /** Starts copying after a while. `staysBusy`: goes on pausing and changing speeds. */
  begin(startsAfterUs: number, staysBusy: boolean): void {
    this.#scheduler.after(startsAfterUs, () => {
      if (!this.#isGone) this.#engine.copy.start();
      if (staysBusy) this.#actLater();
    });
  }

  /** Lets copying go on, after a pause or a failure. */
  resume(): void {
    this.#isPaused = false;
    this.#engine.copy.start();
  }

  /** Pauses copying for good. */
  leave(): void {
    this.#isGone = true;
    this.#pause();
  }

  check(): void {
    const { copy } = this.#engine;
    if (this.#isPaused && copy.state === 'running') throw new Violation('a paused copy loop goes on');
    if (!this.#isPaused || !copy.isIdle) return;
    const started = this.#io.startedBy(copy);
    this.#startedBeforePause ??= started;
    if (started !== this.#startedBeforePause) throw new Violation('a paused copy loop started a piece');
  }

  #actLater(): void {
    this.#scheduler.after(this.#random.low(0, longestUs), () => {
      if (this.#isGone) return;
      this.#act();
      this.#actLater();
    });
  }

  #act(): void {
    const { copy } = this.#engine;
    this.#engine.setSpeed(this.#random.pick(speeds));
    if (this.#isPaused) this.resume();
    else if (copy.state === 'running') this.#pause();
  }

  #pause(): void {
    this.#engine.copy.pause();
    this.#isPaused = true;
    this.#startedBeforePause = undefined;
  }
}
