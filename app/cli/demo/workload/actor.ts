/**
 * One of those who use the demo's volume: a writer, a reader or the database. Each runs on a thread of its
 * own with plain synchronous calls, so that the time of an operation is the volume's and nobody else's.
 *
 * What the volume has acknowledged an actor records, outside of the volume (acknowledged.ts), before its next
 * operation. Whatever it finds wrong it throws; that ends the workload.
 */
import type { Phase } from '../acknowledged.ts';

export interface Actor {
  /** Opens its files, and checks that they are as it left them. */
  open(phase: Phase): void;
  step(): void;
  /** Closes every file on the volume. */
  close(): void;
}

/** Runs one operation on the volume and keeps its time. */
export type Timed = <T>(operation: () => T) => T;

export interface ActorSetting {
  /** Where the volume is mounted. */
  readonly volume: string;
  /** Log of what this actor has had acknowledged. */
  readonly recordPath: string;
  /** Log of the files that never change. */
  readonly treeRecordPath: string;
  readonly timed: Timed;
}
