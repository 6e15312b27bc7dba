/**
 * Flushes of the consumer, in rounds: one flush of each disk that was written answers all requests that were
 * there when it started; requests that arrive meanwhile share the next one, because their writes may have
 * ended after the running flush began.
 *
 *   write A done · flush 1 starts ─────────────── ends: answers flush 1
 *                     write B done · flush 2 waits ─┘ starts its own round: B was not covered
 *
 * A round that has flags to make durable closes what is to be recorded, flushes the disks, records, and only
 * then answers. So a flag is never durable before its block, and nothing is acknowledged before its flag is
 * durable. A flush waits for a record only where the consumer's own writes have changed flags; rounds of the
 * journal's own, without a request, take along what was only copied. A FUA write whose flag is not recorded
 * yet joins a round when it is done, like a flush.
 *
 * A failed flush of the destination stays an error: the kernel reports a lost write once and forgets it, so a
 * later success would be a lie. So does a failed FUA write, which on a disk without FUA ends with a flush of
 * all that was written before, and a failed record.
 *
 * The source is flushed only while it is mirrored, and fails nobody: the destination has everything, and what
 * the source may have lost is returned once more (mirror.ts). It is flushed in the consumer's rounds all the
 * same, so that whoever has it back has there what was flushed, and so that the last flush before that is
 * short.
 */
import { assert } from '../base/error.ts';
import type { Disk, DiskIo, DiskIoClient } from '../devices/disk-io.ts';
import { destination, source } from '../devices/disk-io.ts';
import type { JournalClient, RoundJournal } from '../journal/round-journal.ts';

/** What is known of the source's unflushed writes. */
export interface MirroredSource {
  readonly hasUnflushed: boolean;
  flushBegins(): void;
  flushEnded(result: number): void;
}

/** What was to be durable and has failed. */
export interface DurabilityLoss {
  readonly place: 'destination' | 'journal';
  /** Negative, as the kernel gave it. */
  readonly errno: number;
}

type FlushEnd = (result: number) => void;
const nobody: readonly FlushEnd[] = [];

export interface FlushRoundsOptions {
  readonly io: DiskIo;
  readonly journal: RoundJournal;
  readonly source: MirroredSource;
  /** The most requests that join. */
  readonly capacity: number;
  readonly answer: (slot: number, result: number) => void;
  /** Nothing can be made durable any more; told once, before anybody is answered so. */
  readonly durabilityLost?: ((loss: DurabilityLoss) => void) | undefined;
}

export class FlushRounds implements DiskIoClient, JournalClient {
  readonly #io: DiskIo;
  readonly #journal: RoundJournal;
  readonly #source: MirroredSource;
  readonly #answer: (slot: number, result: number) => void;
  readonly #durabilityLost: ((loss: DurabilityLoss) => void) | undefined;
  #running: Int32Array;
  #runningCount = 0;
  #waiting: Int32Array;
  #waitingCount = 0;
  /** Undo asks for the source alone: in the running round, and in the next. */
  #runningForSource: FlushEnd | undefined;
  #waitingForSource: FlushEnd | undefined;
  /** Who asks for everything: in the running round, and in the next. */
  #runningForAll = nobody;
  #waitingForAll = nobody;
  #isRunning = false;
  /** Whether the running round has a record to write. */
  #isRecording = false;
  #flushesPending = 0;
  #isDirty = false;
  #isWrittenUnseen = false;
  #failure = 0;
  /** Of the running round. */
  #sourceResult = 0;

  constructor({ io, journal, source, capacity, answer, durabilityLost }: FlushRoundsOptions) {
    this.#io = io;
    this.#journal = journal;
    this.#source = source;
    this.#answer = answer;
    this.#durabilityLost = durabilityLost;
    this.#running = new Int32Array(capacity);
    this.#waiting = new Int32Array(capacity);
  }

  /** A write of the consumer is done, so the next flush has something to make durable. */
  destinationWritten(): void {
    this.#isDirty = true;
  }

  /** Negative once a flush, a durable write or a record has failed; then it stays. */
  get failure(): number {
    return this.#failure;
  }

  /**
   * For a successor: what the dead process wrote may not be durable yet, and what had failed for it has failed, it
   * is not known where.
   */
  goOnAfter(failure: number): void {
    this.#isDirty = true;
    if (failure < 0) this.#fail('destination', failure);
  }

  /** From now on others write there too, past the router: every flush has something to make durable. */
  destinationIsWrittenUnseen(): void {
    this.#isWrittenUnseen = true;
  }

  /** A flush has failed; or may have, where others flush past the router and are told of it alone. */
  get mayHaveLost(): boolean {
    return this.#failure < 0 || this.#isWrittenUnseen;
  }

  /**
   * A write that was to be durable has failed, and what its flush should have covered may be lost with it.
   */
  durableWriteFailed(result: number): void {
    this.#fail('destination', result);
  }

  join(slot: number): void {
    this.#waiting[this.#waitingCount] = slot;
    this.#waitingCount += 1;
    if (!this.#isRunning) this.#startRound();
  }

  /**
   * Tells when all that was mirrored before this call is durable on the source, or why it is not. One at a
   * time.
   */
  joinForSource(done: FlushEnd): void {
    assert(this.#waitingForSource === undefined, 'undo waits for one flush at a time');
    this.#waitingForSource = done;
    if (!this.#isRunning) this.#startRound();
  }

  /** Once per turn: starts a round of the journal's own when it asks for one. */
  pump(): void {
    if (!this.#isRunning && this.#failure === 0 && this.#journal.wantsRound) this.#startRound();
  }

  /**
   * Makes everything on the destination durable and all flags with it, also what only the copy loop wrote:
   * for the commit and for what goes direct, and so not on the hot path. After any failed flush it fails
   * without trying: what was lost then would be missing from the destination.
   */
  flushEverything(done: FlushEnd): void {
    this.#waitingForAll = [...this.#waitingForAll, done];
    if (!this.#isRunning) this.#startRound();
  }

  diskOperationDone(disk: number, result: number): void {
    if (disk === source) {
      this.#sourceResult = result;
      this.#source.flushEnded(result);
    } else if (result < 0) {
      this.#fail('destination', result);
    }
    this.#flushesPending -= 1;
    if (this.#flushesPending === 0) this.#disksFlushed();
  }

  journalPrepared(result: number): void {
    if (result < 0) this.#fail('journal', result);
    this.#flushDisks();
  }

  journalCommitted(result: number): void {
    if (result < 0) this.#fail('journal', result);
    this.#endRound();
  }

  #fail(place: DurabilityLoss['place'], errno: number): void {
    const isFirst = this.#failure === 0;
    this.#failure = errno;
    if (isFirst) this.#durabilityLost?.({ place, errno });
  }

  #startRound(): void {
    this.#isRunning = true;
    const taken = this.#waiting;
    this.#waiting = this.#running;
    this.#running = taken;
    this.#runningCount = this.#waitingCount;
    this.#waitingCount = 0;
    this.#runningForSource = this.#waitingForSource;
    this.#waitingForSource = undefined;
    this.#runningForAll = this.#waitingForAll;
    this.#waitingForAll = nobody;
    this.#sourceResult = 0;
    const isForAll = this.#runningForAll.length > 0;
    const isForConsumer = this.#runningCount > 0 && this.#journal.mustRecord;
    this.#isRecording = this.#failure === 0 && (isForAll || isForConsumer || this.#journal.wantsRound);
    if (this.#isRecording) this.#journal.prepare(this);
    else this.#flushDisks();
  }

  /**
   * A record stands for the destination as it is, so that is flushed even if the consumer has not written
   * there.
   */
  #flushDisks(): void {
    const isWritten = this.#isDirty || this.#isWrittenUnseen;
    const mustFlush = this.#isRecording || (this.#runningCount > 0 && isWritten);
    if (this.#source.hasUnflushed) {
      this.#source.flushBegins();
      this.#flush(source);
    }
    if (mustFlush && this.#failure === 0) {
      this.#isDirty = false;
      this.#flush(destination);
    }
    if (this.#flushesPending === 0) this.#disksFlushed();
  }

  #flush(disk: Disk): void {
    this.#flushesPending += 1;
    this.#io.flush(disk, this, disk);
  }

  #disksFlushed(): void {
    if (this.#isRecording && this.#failure === 0) this.#journal.commit();
    else this.#endRound();
  }

  /** Flushes that arrive while the answers go out belong to the next round. */
  #endRound(): void {
    for (let index = 0; index < this.#runningCount; index += 1) {
      this.#answer(this.#running[index] as number, this.#failure);
    }
    this.#runningCount = 0;
    const tellUndo = this.#runningForSource;
    this.#runningForSource = undefined;
    tellUndo?.(this.#sourceResult);
    if (this.#runningForAll !== nobody) for (const done of this.#runningForAll) done(this.#failure);
    this.#isRunning = false;
    const isAwaited =
      this.#waitingCount > 0 || this.#waitingForSource !== undefined || this.#waitingForAll.length > 0;
    if (isAwaited) this.#startRound();
  }
}
