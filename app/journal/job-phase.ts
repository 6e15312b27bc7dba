/**
 * What the job as a whole is about, as the journal keeps it: each change is durable before the first write
 * that only the new phase allows (invariant 5). The numbers stand in the byte format: they are never given
 * another meaning, new ones are added at the end, and a journal with one that this program does not know is
 * refused.
 */
export const jobPhases = {
  /** Blocks go from the source to the destination; the source is never written. */
  copying: 1,
  /** Writes go to the source as well, and written blocks go back to it. */
  undoing: 2,
  /** Every block has crossed; what makes the destination the truth is under way and is carried through. */
  committing: 3,
  /** The destination is the truth, and may be used without us. */
  committed: 4,
  /** The source has everything, and may be used without us. */
  undone: 5,
} as const;
export type JobPhase = (typeof jobPhases)[keyof typeof jobPhases];

export function isJobPhase(value: number): value is JobPhase {
  return Object.values<number>(jobPhases).includes(value);
}
