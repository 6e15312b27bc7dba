/**
 * Several contestants side by side, each with all its figures: for reading, beside the outcomes, which hold
 * one figure of ours against one of theirs.
 */
import type { Unit } from './outcome.ts';
import type { Sample } from './statistics.ts';

/** What it is, in what unit, and how much; words where there is no number, such as that it did not finish. */
export type Figure = readonly [what: string, unit: Unit, value: Sample | string];

export interface Standing {
  readonly contestant: string;
  /** The same ones in the same order for all contestants. */
  readonly figures: readonly Figure[];
}
