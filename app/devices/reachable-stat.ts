/**
 * What a path leads to, for those who look at every disk, mount and process of a machine: one of them that is
 * gone, hidden from us, or on a file system that answers with errors must not keep us from seeing the others.
 */
import { statSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';

/** As much of stat(2) as they need; tests answer for machines that they have not got. */
export interface DeviceStat {
  isBlockDevice(): boolean;
  readonly dev: bigint;
  readonly ino: bigint;
  readonly rdev: bigint;
}

export type StatOf = (path: string) => DeviceStat | undefined;

/**
 * Undefined when nothing can be learned of it, whatever the reason: a FUSE file system whose server has died
 * says ENOTCONN or ECONNABORTED, a network one ESTALE, EHOSTDOWN or ETIMEDOUT, others say what they like.
 */
export function reachableStat(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).errno !== undefined) return undefined;
    throw error;
  }
}
