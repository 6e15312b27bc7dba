/**
 * An answer in time for whoever asked the service to look at disks. Programs that are still at it then are
 * ended. What cannot be ended, because it waits for a disk that does not answer, goes on by itself, and goes on
 * to count for its user (per-user-limit.ts).
 */
import { DiskferryError } from '../base/error.ts';
import { withTimeLimit } from '../base/time-limit.ts';
import { withProgramLimit } from '../devices/program.ts';

export interface TimeLimit {
  /** What is looked at, as people read it. */
  readonly what: string;
  readonly msMax: number;
}

/** Throws `look-too-long`. */
export function inTime<T>({ what, msMax }: TimeLimit, act: () => Promise<T>): Promise<T> {
  const message = `${what}: looking at it has taken longer than ${Math.round(msMax / 1000)} seconds`;
  const work = withProgramLimit(msMax, act);
  return withTimeLimit(work, msMax, () => new DiskferryError('look-too-long', message));
}
