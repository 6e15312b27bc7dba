/**
 * Every choice of a simulation comes from one generator with one seed, so that a seed is the whole
 * simulation. Nothing here or elsewhere in the simulation reads a clock or any other randomness.
 */
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { skipN } from 'pure-rand/utils/skipN';

/** Neighbouring seeds begin with similar numbers; after these they do not. */
const warmUpDraws = 32;

export class Random {
  readonly #generator: RandomGenerator;

  constructor(seed: number) {
    this.#generator = xoroshiro128plus(seed);
    skipN(this.#generator, warmUpDraws);
  }

  /** A number from 0 to before 1. */
  share(): number {
    return (this.#generator.next() >>> 0) / 0x1_0000_0000;
  }

  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number {
    return least + Math.floor(this.share() * (most - least + 1));
  }

  /** As `between`, but small numbers are much likelier. */
  low(least: number, most: number): number {
    return least + Math.floor(this.share() ** 3 * (most - least + 1));
  }

  chance(probability: number): boolean {
    return this.share() < probability;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.between(0, choices.length - 1)] as T;
  }
}
