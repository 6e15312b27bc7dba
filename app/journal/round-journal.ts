/**
 * What the flush rounds, the router and the copy loop want of a journal: they tell it which blocks have
 * changed, and each round takes it through `prepare`, the flush of the disks, and `commit`. A job without a
 * journal has one that has nothing to do.
 */
import type { JobPhase } from './job-phase.ts';
import type { RunKind } from './record.ts';

/** Who runs the rounds. A `result` is 0 or a negative errno. */
export interface JournalClient {
  /**
   * What is to be recorded is closed; everything written before this call is to be made durable on the disks
   * now.
   */
  journalPrepared(result: number): void;
  /** What was prepared is durable. */
  journalCommitted(result: number): void;
}

export interface RoundJournal {
  /** The blocks have changed; what made them so has been written, but perhaps not flushed. */
  note(kind: RunKind, first: number, end: number): void;
  /** Whether a write of these blocks may not be recorded yet. */
  isUnrecorded(first: number, end: number): boolean;
  /** Whether a flush of the consumer must wait for a record. */
  readonly mustRecord: boolean;
  /** Whether the journal asks for a round of its own. */
  readonly wantsRound: boolean;
  /** One round after the other. Answers possibly from inside this call. */
  prepare(client: JournalClient): void;
  /** After all disks were flushed well. Answers possibly from inside this call. */
  commit(): void;
}

/** What the job as a whole wants of it besides. */
export interface PhaseJournal extends RoundJournal {
  /**
   * The job enters another phase; `done` gets 0 when that is durable, or a negative errno. Before, nothing
   * may be written that only the new phase allows. One at a time.
   */
  enter(phase: JobPhase, done: (result: number) => void): void;
}

/** For a job that nobody can continue after a crash. */
export class NoJournal implements PhaseJournal {
  readonly mustRecord = false;
  readonly wantsRound = false;
  #client: JournalClient | undefined;

  note(): void {}

  isUnrecorded(): boolean {
    return false;
  }

  prepare(client: JournalClient): void {
    this.#client = client;
    client.journalPrepared(0);
  }

  commit(): void {
    this.#client?.journalCommitted(0);
  }

  enter(_phase: JobPhase, done: (result: number) => void): void {
    done(0);
  }
}
