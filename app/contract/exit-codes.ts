/**
 * What the process's exit code means. Scripts depend on it: a number once given never changes its meaning.
 * Which error leads to which code stands in advice.ts.
 */

export const exitCodes = {
  done: 0,
  /** A broken assumption in Diskferry itself. */
  bug: 1,
  usage: 2,
  /** Refused by preflight: nothing was written to any device. */
  refused: 3,
  /** Failed; the data is safe, and the job can be recovered or undone. */
  failed: 4,
  needsDecision: 5,
  notAuthorised: 6,
  noService: 7,
  undone: 8,
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];
