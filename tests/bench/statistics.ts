/**
 * What several rounds of one measurement say together: the median, which one disturbed round does not move,
 * and the spread, which tells how much to trust it. Ratios are taken round by round, so that a machine that
 * is slow for a while is slow for both sides.
 */
import { assert, present } from '../../app/base/error.ts';

export interface Sample {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export function sampleOf(values: readonly number[]): Sample {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}

export function median(values: readonly number[]): number {
  assert(values.length > 0, 'a median needs a value');
  const sorted = [...values].sort((a, b) => a - b);
  const at = (index: number): number => present(sorted[index], 'a value in the middle');
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? at(middle) : (at(middle - 1) + at(middle)) / 2;
}

/** The ratio of each round of `above` to the same round of `below`. */
export function ratiosOf(above: readonly number[], below: readonly number[]): number[] {
  return above.map((value, round) => value / present(below[round], 'both sides of a round'));
}
