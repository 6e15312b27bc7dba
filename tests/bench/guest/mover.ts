/**
 * Who moves the volume to the destination while its consumer goes on: Diskferry and the others. All of them
 * do it in the same three steps, so that the same parts of the consumer's record belong to the same step.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from '../benchmark.ts';
import type { MovedVolume } from './moved-volume.ts';

const pollMs = 100;

export interface Move {
  /** Copies until the destination has everything; false when that is not so after `msMax`. */
  copy(msMax: number): Promise<boolean>;
  /** Afterwards the volume lies on the destination, and nobody between. */
  cutOver(): Promise<void>;
  /** Instead of the cut-over when the copy did not finish. */
  giveUp(): Promise<void>;
}

export interface Mover {
  readonly name: string;
  /** Takes its place below the volume. What it needs for that is released with `part`. */
  begin(part: Bench, volume: MovedVolume): Promise<Move>;
}

/** Asks every few moments whether it is so; false when it is not after `msMax`. */
export async function becomesTrue(isSo: () => Promise<boolean>, msMax: number): Promise<boolean> {
  const endMs = performance.now() + msMax;
  while (!(await isSo())) {
    if (performance.now() > endMs) return false;
    await sleep(pollMs);
  }
  return true;
}

/** Whether work ends in time; it goes on otherwise. */
export async function within(msMax: number, work: Promise<unknown>): Promise<boolean> {
  return Promise.race([work.then(() => true), sleep(msMax, false, { ref: false })]);
}
