/**
 * The changes of the flags that are not recorded yet, as the runs of the record that will make them durable:
 * what is noted goes straight to its place in a record's buffer. There are two buffers; `take` closes one,
 * and from then on runs go to the other. So what is noted while the disks are flushed can never get into the
 * record of that flush:
 *
 *   take ── disks are flushed ──────────── the record of what was taken is written
 *             write B done, noted ─┘ B may not be durable: it goes with the next record
 *
 * Runs that continue the one before are joined to it. When a buffer is full, further runs are dropped and
 * `hasOverflowed` says so: then only a checkpoint, which looks at the maps themselves, can make them durable.
 * Allocates nothing.
 */
import type { BufferPool } from '../base/buffer-pool.ts';
import type { RecordBuffer, RunKind } from './record.ts';
import { recordBytes, runBlocksMax, runKinds, writeRun } from './record.ts';

/** The most runs of a record (invariant 10): 1.5 MiB. Joined, they are mostly far fewer. */
export const usualRunsMax = 131_072;

/** Blocks of which it is known together whether something about them is unrecorded: 16 MiB of disk. */
const regionBlocks = 4096;

/** Pool bytes that PendingRuns reserves. */
export function pendingRunsPoolBytes(runsMax: number): number {
  return 2 * recordBytes(runsMax);
}

/** A record's buffer that lies in the pool from `offset` on. */
export interface PooledRecord extends RecordBuffer {
  readonly offset: number;
}

export function pooledRecord(pool: BufferPool, runsMax: number): PooledRecord {
  const lengthBytes = recordBytes(runsMax);
  const offset = pool.reserve(lengthBytes);
  const bytes = pool.bytes.subarray(offset, offset + lengthBytes);
  return { offset, bytes, view: new DataView(bytes.buffer, bytes.byteOffset, lengthBytes) };
}

export class PendingRuns {
  readonly #words: Int32Array;
  readonly #runsMax: number;
  readonly #buffers: readonly [PooledRecord, PooledRecord];
  #collecting: 0 | 1 = 0;
  #runCount = 0;
  #writtenCount = 0;
  #blockCount = 0;
  #hasOverflowed = false;
  #lastKind: RunKind | 0 = 0;
  #lastFirst = 0;
  #lastEnd = 0;
  #takenCount = 0;
  #takenHasOverflowed = false;
  /** Counts the takings. */
  #turn = 1;
  #recordedTurn = 0;
  /** By region: in which turn blocks of it were last written. */
  readonly #writtenTurn: Float64Array;

  constructor(pool: BufferPool, runsMax: number, blockCount: number) {
    this.#words = pool.signedWords;
    this.#runsMax = runsMax;
    this.#buffers = [pooledRecord(pool, runsMax), pooledRecord(pool, runsMax)];
    this.#writtenTurn = new Float64Array(Math.ceil(blockCount / regionBlocks));
  }

  /** Runs that the next record will have. */
  get runCount(): number {
    return this.#runCount;
  }

  /** Blocks in them. */
  get blockCount(): number {
    return this.#blockCount;
  }

  get hasOverflowed(): boolean {
    return this.#hasOverflowed;
  }

  /**
   * Whether there is something that a flush of the consumer must make durable. What was only copied can wait.
   */
  get hasWritten(): boolean {
    return this.#writtenCount > 0;
  }

  get taken(): PooledRecord {
    return this.#buffers[this.#collecting === 0 ? 1 : 0];
  }

  get takenCount(): number {
    return this.#takenCount;
  }

  get takenHasOverflowed(): boolean {
    return this.#takenHasOverflowed;
  }

  note(kind: RunKind, first: number, end: number): void {
    this.#blockCount += end - first;
    if (kind === runKinds.written) {
      this.#writtenCount += 1;
      this.#markRegions(first, end);
    }
    const continues = kind === this.#lastKind && first === this.#lastEnd;
    if (continues && end - this.#lastFirst <= runBlocksMax)
      this.#put(this.#runCount - 1, kind, this.#lastFirst, end);
    else this.#append(kind, first, end);
  }

  /** Anything may have been written that was not noted: only a checkpoint makes it durable. */
  countAllAsDropped(): void {
    this.#hasOverflowed = true;
    this.#writtenCount += 1;
    this.#writtenTurn.fill(this.#turn);
  }

  /** Whether a write of these blocks may not be recorded yet; sometimes also of blocks near one. */
  isUnrecorded(first: number, end: number): boolean {
    const last = Math.floor((end - 1) / regionBlocks);
    for (let region = Math.floor(first / regionBlocks); region <= last; region += 1) {
      if ((this.#writtenTurn[region] as number) > this.#recordedTurn) return true;
    }
    return false;
  }

  /** Closes the record that was collected; the one taken before must be recorded. */
  take(): void {
    this.#takenCount = this.#runCount;
    this.#takenHasOverflowed = this.#hasOverflowed;
    this.#collecting = this.#collecting === 0 ? 1 : 0;
    this.#runCount = 0;
    this.#writtenCount = 0;
    this.#blockCount = 0;
    this.#hasOverflowed = false;
    this.#lastKind = 0;
    this.#turn += 1;
  }

  /** What was taken is durable. */
  recorded(): void {
    this.#recordedTurn = this.#turn - 1;
  }

  #append(kind: RunKind, first: number, end: number): void {
    for (let from = first; from < end; from += runBlocksMax) {
      if (this.#runCount === this.#runsMax) {
        this.#hasOverflowed = true;
        this.#lastKind = 0;
        return;
      }
      this.#runCount += 1;
      this.#put(this.#runCount - 1, kind, from, Math.min(end, from + runBlocksMax));
    }
  }

  #put(index: number, kind: RunKind, first: number, end: number): void {
    this.#lastKind = kind;
    this.#lastFirst = first;
    this.#lastEnd = end;
    writeRun(this.#words, this.#buffers[this.#collecting].offset / 4, index, kind, first, end - first);
  }

  #markRegions(first: number, end: number): void {
    const from = Math.floor(first / regionBlocks);
    this.#writtenTurn.fill(this.#turn, from, Math.floor((end - 1) / regionBlocks) + 1);
  }
}
