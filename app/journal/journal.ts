/**
 * Makes changes of the flags durable, one round at a time: `prepare` closes what is to be recorded, then the
 * rounds flush the disks, then `commit` writes it. A record is one durable write; nothing waits for it but
 * that round.
 *
 * When the log is half full the next checkpoint is staged in the background, and the first round that begins
 * after that makes it valid: maps, flush of the disks, sync of the journal, header. Only when there is no
 * room for its record, or runs were dropped (pending-runs.ts), a round waits for the staging. The checkpoint
 * that takes the place of dropped runs also takes the number of the record that was never written, so that an
 * older checkpoint alone is found incomplete.
 *
 * The first failure of a write stays: nothing is recorded from then on, and no round ends well.
 */
import type { BufferPool } from '../base/buffer-pool.ts';
import { errno } from '../base/errno.ts';
import { assert } from '../base/error.ts';
import { blockBytes, gibibyte } from '../base/units.ts';
import type { DiskIoClient, JournalIo } from '../devices/disk-io.ts';
import { journal } from '../devices/disk-io.ts';
import type { FlagMap } from '../flags/flag-map.ts';
import { writeHeader } from './checkpoint-header.ts';
import { CheckpointStaging, stagingPoolBytes } from './checkpoint-staging.ts';
import type { JobPhase } from './job-phase.ts';
import type { JournalIdentity, JournalLayout, Slot } from './layout.ts';
import { headerOffset, layoutOf, logOffset, otherSlot, unitBytes } from './layout.ts';
import type { PooledRecord } from './pending-runs.ts';
import { PendingRuns, pendingRunsPoolBytes, pooledRecord, usualRunsMax } from './pending-runs.ts';
import type { RunKind } from './record.ts';
import { recordBytes, sealRecord } from './record.ts';
import type { JournalPosition } from './recovery.ts';
import type { JournalClient, PhaseJournal } from './round-journal.ts';

/** A crash makes us copy at most about this much again. */
const unrecordedBlocksMax = gibibyte / blockBytes;
/** At the end of each log, for changes of phase that come before the next checkpoint. */
const phaseRecordsMax = 8;
const reservedLogBytes = phaseRecordsMax * unitBytes;

const steps = { sync: 0, header: 1, record: 2, phase: 3 } as const;
type Step = (typeof steps)[keyof typeof steps];

/** Pool bytes that a Journal reserves. */
export function journalPoolBytes(runsMax = usualRunsMax): number {
  return pendingRunsPoolBytes(runsMax) + stagingPoolBytes + 2 * unitBytes;
}

/** The shortest log that can hold any record. */
export function logBytesLeast(runsMax = usualRunsMax): number {
  return recordBytes(runsMax) + reservedLogBytes;
}

export interface JournalOptions {
  readonly io: JournalIo;
  readonly pool: BufferPool;
  readonly identity: JournalIdentity;
  readonly logBytes: number;
  readonly position: JournalPosition;
  readonly phase: JobPhase;
  readonly flags: FlagMap;
  readonly written: FlagMap;
  readonly runsMax?: number;
  /** The maps have more than the journal does: the first round writes a checkpoint of all of it. */
  readonly isBehind?: boolean | undefined;
}

export class Journal implements PhaseJournal, DiskIoClient {
  readonly #io: JournalIo;
  readonly #pool: BufferPool;
  readonly #identity: JournalIdentity;
  readonly #layout: JournalLayout;
  readonly #usableLogBytes: number;
  readonly #runs: PendingRuns;
  readonly #runsMax: number;
  readonly #staging: CheckpointStaging;
  readonly #headerBuffer: number;
  readonly #phaseRecord: PooledRecord;
  /** By step. */
  readonly #offsets = new Float64Array(Object.keys(steps).length);
  #inForce: Slot;
  #generation: number;
  #nextSequence: number;
  #usedLogBytes: number;
  #phase: JobPhase;
  #client: JournalClient | undefined;
  /** Between `prepare` and its answer. */
  #isPreparing = false;
  /** What was staged before the disks were flushed. */
  #commitsCheckpoint = false;
  /** A record or a header is being written. */
  #isBusy = false;
  #isCommitWaiting = false;
  #enterDone: ((result: number) => void) | undefined;
  #failure = 0;

  constructor(options: JournalOptions) {
    const { io, pool, flags, written, position, runsMax = usualRunsMax } = options;
    assert(options.logBytes >= logBytesLeast(runsMax), 'a log has room for every record');
    this.#io = io;
    this.#pool = pool;
    this.#identity = options.identity;
    this.#layout = layoutOf(options.identity.sizeBytes, options.logBytes);
    this.#usableLogBytes = options.logBytes - reservedLogBytes;
    this.#runsMax = runsMax;
    this.#runs = new PendingRuns(pool, runsMax, this.#layout.blockCount);
    const ended = (result: number): void => this.#stagingEnded(result);
    this.#staging = new CheckpointStaging({ io, pool, layout: this.#layout, flags, written, ended });
    this.#headerBuffer = pool.reserve(unitBytes);
    this.#phaseRecord = pooledRecord(pool, 0);
    this.#inForce = position.inForce;
    this.#generation = position.generation;
    this.#nextSequence = position.nextSequence;
    this.#usedLogBytes = position.usedLogBytes;
    this.#phase = options.phase;
    if (options.isBehind === true) this.#runs.countAllAsDropped();
  }

  /** The first failure, as a negative errno, or 0. */
  get failure(): number {
    return this.#failure;
  }

  get mustRecord(): boolean {
    return this.#runs.hasWritten;
  }

  get wantsRound(): boolean {
    if (this.#failure !== 0) return false;
    const isMuch = this.#runs.runCount > this.#runsMax / 2 || this.#runs.blockCount >= unrecordedBlocksMax;
    return isMuch || this.#runs.hasOverflowed || this.#staging.isStaged;
  }

  note(kind: RunKind, first: number, end: number): void {
    this.#runs.note(kind, first, end);
  }

  isUnrecorded(first: number, end: number): boolean {
    return this.#runs.isUnrecorded(first, end);
  }

  prepare(client: JournalClient): void {
    assert(!this.#isPreparing && !this.#isCommitWaiting, 'a round begins when the one before has ended');
    this.#client = client;
    this.#isPreparing = true;
    this.#runs.take();
    if (this.#failure !== 0) {
      this.#endPrepare(this.#failure);
      return;
    }
    const mustWait = this.#runs.takenHasOverflowed || !this.#hasRoomFor(recordBytes(this.#runs.takenCount));
    if (this.#runs.takenHasOverflowed || (mustWait && this.#staging.isIdle)) this.#stage();
    if (!mustWait || this.#staging.isStaged) this.#endPrepare(0);
  }

  commit(): void {
    if (this.#isBusy) {
      this.#isCommitWaiting = true;
      return;
    }
    this.#isBusy = true;
    if (this.#failure !== 0) this.#endCommit(this.#failure);
    else if (this.#commitsCheckpoint) this.#io.flush(journal, this, steps.sync);
    else this.#writeRecord();
  }

  /** Needs no flush of the disks, so it is possible also when one has failed. */
  enter(phase: JobPhase, done: (result: number) => void): void {
    assert(this.#enterDone === undefined, 'a job enters one phase at a time');
    this.#phase = phase;
    this.#enterDone = done;
    if (!this.#isBusy) this.#writePhase();
  }

  diskOperationDone(step: number, result: number): void {
    if (result < 0 && this.#failure === 0) this.#failure = result;
    if (step === steps.phase) this.#phaseDone(result);
    else if (result < 0) this.#endCommit(result);
    else if (step === steps.sync) this.#writeHeader();
    else if (step === steps.header) this.#headerDone();
    else this.#recordDone();
  }

  // ---- checkpoints

  #stage(): void {
    this.#staging.start(otherSlot(this.#inForce), this.#nextSequence);
  }

  #stagingEnded(result: number): void {
    if (result < 0 && this.#failure === 0) this.#failure = result;
    if (this.#isPreparing) this.#endPrepare(result);
  }

  #endPrepare(result: number): void {
    this.#isPreparing = false;
    this.#commitsCheckpoint = this.#staging.isStaged;
    this.#client?.journalPrepared(result);
  }

  #writeHeader(): void {
    const buffer = this.#headerBuffer;
    // Dropped runs are in these maps; every record so far is, too, because this round had to wait for the
    // staging.
    const isForDropped = this.#runs.takenHasOverflowed;
    if (isForDropped) this.#nextSequence += 1;
    writeHeader(this.#pool.bytes.subarray(buffer, buffer + unitBytes), {
      identity: this.#identity,
      phase: this.#phase,
      generation: this.#generation + 1,
      nextSequence: isForDropped ? this.#nextSequence : this.#staging.nextSequence,
      logBytes: this.#layout.logBytes,
      mapsSum: this.#staging.mapsSum,
    });
    this.#offsets[steps.header] = headerOffset(otherSlot(this.#inForce));
    this.#write(steps.header, unitBytes, buffer);
  }

  #headerDone(): void {
    this.#staging.finish();
    this.#commitsCheckpoint = false;
    this.#inForce = otherSlot(this.#inForce);
    this.#generation += 1;
    this.#usedLogBytes = 0;
    if (this.#runs.takenHasOverflowed) this.#committed();
    else this.#writeRecord();
  }

  // ---- records

  #hasRoomFor(lengthBytes: number): boolean {
    return this.#usedLogBytes + lengthBytes <= this.#usableLogBytes;
  }

  #writeRecord(): void {
    const { takenCount, taken } = this.#runs;
    if (takenCount === 0) this.#committed();
    else this.#append(steps.record, taken, takenCount);
  }

  #recordDone(): void {
    this.#appended(recordBytes(this.#runs.takenCount));
    this.#committed();
  }

  #append(step: Step, record: PooledRecord, runCount: number): void {
    const lengthBytes = sealRecord(record, this.#identity.job, this.#nextSequence, this.#phase, runCount);
    this.#offsets[step] = logOffset(this.#layout, this.#inForce) + this.#usedLogBytes;
    this.#write(step, lengthBytes, record.offset);
  }

  #appended(lengthBytes: number): void {
    this.#nextSequence += 1;
    this.#usedLogBytes += lengthBytes;
  }

  #write(step: Step, lengthBytes: number, buffer: number): void {
    this.#io.write(journal, this.#offsets, lengthBytes, buffer, true, this, step);
  }

  #committed(): void {
    this.#runs.recorded();
    if (this.#usedLogBytes > this.#usableLogBytes / 2 && this.#staging.isIdle) this.#stage();
    this.#endCommit(0);
  }

  #endCommit(result: number): void {
    this.#isBusy = false;
    if (this.#enterDone !== undefined) this.#writePhase();
    this.#client?.journalCommitted(result);
  }

  // ---- phases

  #writePhase(): void {
    const hasRoom = this.#usedLogBytes + unitBytes <= this.#layout.logBytes;
    this.#isBusy = true;
    if (this.#failure === 0 && !hasRoom) this.#failure = errno.noSpace;
    if (this.#failure === 0) this.#append(steps.phase, this.#phaseRecord, 0);
    else this.#phaseDone(this.#failure);
  }

  #phaseDone(result: number): void {
    if (result === 0) this.#appended(unitBytes);
    const done = this.#enterDone;
    this.#enterDone = undefined;
    this.#isBusy = false;
    const mustCommit = this.#isCommitWaiting;
    this.#isCommitWaiting = false;
    if (mustCommit) this.commit();
    done?.(result);
  }
}
