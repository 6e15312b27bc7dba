/**
 * What the process's exit code means. Scripts depend on it: a number once given never changes its meaning.
 * Which error leads to which code stands in advice.ts.
 */

export const exitCodes = {
  done: 0,
  /** A broken assumption in Diskferry itself. */
  bug: 1,
  usage: 2,
  /** Refused, by preflight or of a job that died: this command has written to no device. */
  refused: 3,
  /** Failed on the way: the message and the `failed` event say where the data is and what to do. */
  failed: 4,
  needsDecision: 5,
  notAuthorised: 6,
  noService: 7,
  undone: 8,
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];
