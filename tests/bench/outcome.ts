/**
 * What a benchmark found: our figure, the one that it is held against, their ratio, and the goal for the
 * ratio. A missed goal is a finding like any other and no failure.
 */
import { ratiosOf, sampleOf } from './statistics.ts';
import type { Sample } from './statistics.ts';

export type Unit = 'MB/s' | 'IOPS' | 's' | 'ms' | 'µs' | 'MiB' | '%' | 'frames';

/** For the ratio of ours to theirs. `below` is a limit that must not be reached. */
export type Goal =
  | { readonly kind: 'at-least'; readonly ratio: number }
  | { readonly kind: 'at-most'; readonly ratio: number }
  | { readonly kind: 'below'; readonly ratio: number }
  | { readonly kind: 'above'; readonly ratio: number };

export interface Outcome {
  /** Such as `full speed, depth 32: consumer`. */
  readonly what: string;
  readonly unit: Unit;
  readonly ours: Sample;
  readonly theirName: string;
  readonly theirs: Sample;
  readonly ratio: Sample;
  readonly goal: Goal | null;
}

export interface Comparison {
  readonly what: string;
  readonly unit: Unit;
  readonly ours: readonly number[];
  readonly theirName: string;
  readonly theirs: readonly number[];
  /** Null for a figure that only helps to judge the others. */
  readonly goal: Goal | null;
}

/** Both sides round by round. */
export function compare({ what, unit, ours, theirName, theirs, goal }: Comparison): Outcome {
  const ratio = sampleOf(ratiosOf(ours, theirs));
  return { what, unit, ours: sampleOf(ours), theirName, theirs: sampleOf(theirs), ratio, goal };
}

/** Against a limit that is a plain number. */
export function holdAgainst(limit: number, comparison: Omit<Comparison, 'theirs' | 'theirName'>): Outcome {
  return compare({ ...comparison, theirName: 'limit', theirs: comparison.ours.map(() => limit) });
}

export type Verdict = 'reached' | 'missed' | 'no goal';

export function verdictOn({ ratio, goal }: Outcome): Verdict {
  if (goal === null) return 'no goal';
  return isReached(ratio.median, goal) ? 'reached' : 'missed';
}

function isReached(ratio: number, goal: Goal): boolean {
  switch (goal.kind) {
    case 'at-least':
      return ratio >= goal.ratio;
    case 'at-most':
      return ratio <= goal.ratio;
    case 'above':
      return ratio > goal.ratio;
    case 'below':
      return ratio < goal.ratio;
  }
}
