/**
 * Decides for every consumer request which disk serves it, and keeps the flags true.
 *
 * Always holds: a block is flagged only after the destination holds all of it and before the write is
 * acknowledged; overlapping operations run in the order of their arrival (ranges-in-flight.ts); reads never
 * wait; the source is written only by undo (mirror.ts). What to do with a part of a request stands in
 * decision.ts; here are the effects.
 *
 * A request goes: begin → (wait for its range) → (merge reads of its partial blocks) → writes → flags →
 * answer. Called by a frontend on the engine's worker thread; answers through the RequestSink. Allocates
 * nothing per request.
 */
import type { BufferPool } from '../base/buffer-pool.ts';
import { errno } from '../base/errno.ts';
import { assert } from '../base/error.ts';
import { blockBytes } from '../base/units.ts';
import type { Disk, DiskIo, DiskIoClient } from '../devices/disk-io.ts';
import { destination, source } from '../devices/disk-io.ts';
import type { FlagMap } from '../flags/flag-map.ts';
import type { RangeOwner, RangesInFlight } from '../flags/ranges-in-flight.ts';
import type { UnreadableBlocks } from '../flags/unreadable-blocks.ts';
import { runKinds } from '../journal/record.ts';
import type { RoundJournal } from '../journal/round-journal.ts';
import type { ConsumerMeter } from './consumer-meter.ts';
import { actions, decide } from './decision.ts';
import type { DurabilityLoss } from './flush-rounds.ts';
import { FlushRounds } from './flush-rounds.ts';
import { Mirror } from './mirror.ts';
import { RequestBlocks } from './request-blocks.ts';
import type { RequestHandler, RequestKind, RequestSink, RequestTable } from './request.ts';
import { requestDataBytesMax, requestKinds } from './request.ts';

/** Pieces of one fragmented read that are under way at once; the rest follow as these end. */
const readPiecesMax = 16;

/** What a request waits for while it has a range. */
const phase = { merging: 1, writing: 2, discarding: 3, reading: 4 } as const;
const noRange = -1;

export interface RouterOptions {
  /** Size of the virtual device, equal to the source's. */
  readonly sizeBytes: number;
  /** Requests are aligned to it. */
  readonly logicalBlockBytes: number;
  readonly requests: RequestTable;
  readonly pool: BufferPool;
  readonly io: DiskIo;
  readonly flags: FlagMap;
  readonly written: FlagMap;
  /** What the copy loop has carried over and nobody has changed since. */
  readonly copied: FlagMap;
  readonly ranges: RangesInFlight;
  /** What the source has failed to deliver: healed where the consumer writes whole blocks. */
  readonly unreadable: UnreadableBlocks;
  readonly journal: RoundJournal;
  readonly meter: ConsumerMeter;
  /** One element, microseconds, advanced by the ring. */
  readonly clockUs: Float64Array;
  /** Nothing can be made durable any more; told once. */
  readonly durabilityLost?: (loss: DurabilityLoss) => void;
}

export class Router implements RequestHandler, DiskIoClient, RangeOwner {
  /** For undo. */
  readonly mirror: Mirror;
  readonly #sizeBytes: number;
  readonly #logicalBlockBytes: number;
  readonly #requests: RequestTable;
  readonly #pool: BufferPool;
  readonly #io: DiskIo;
  readonly #flags: FlagMap;
  readonly #copied: FlagMap;
  readonly #ranges: RangesInFlight;
  readonly #unreadable: UnreadableBlocks;
  readonly #journal: RoundJournal;
  readonly #meter: ConsumerMeter;
  readonly #clockUs: Float64Array;
  readonly #blocks: RequestBlocks;
  readonly #flushes: FlushRounds;
  #sink: RequestSink | undefined;

  // By slot.
  readonly #phase: Uint8Array;
  readonly #range: Int32Array;
  readonly #pending: Int32Array;
  readonly #result: Int32Array;
  readonly #mergesFirst: Uint8Array;
  readonly #mergesLast: Uint8Array;
  /** Where its next disk operation goes; of a read, up to where its pieces have been started. */
  readonly #position: Float64Array;

  constructor(options: RouterOptions) {
    this.#sizeBytes = options.sizeBytes;
    this.#logicalBlockBytes = options.logicalBlockBytes;
    this.#requests = options.requests;
    this.#pool = options.pool;
    this.#io = options.io;
    this.#flags = options.flags;
    this.#copied = options.copied;
    this.#ranges = options.ranges;
    this.#unreadable = options.unreadable;
    this.#journal = options.journal;
    this.#meter = options.meter;
    this.#clockUs = options.clockUs;
    const { requests, io, written, journal, durabilityLost } = options;
    const { capacity } = requests;
    this.#blocks = new RequestBlocks(requests, options.sizeBytes);
    this.mirror = new Mirror({
      requests,
      io,
      written,
      blocks: this.#blocks,
      operationEnded: (slot) => this.#operationEnded(slot),
    });
    const answer = (slot: number, result: number): void => this.#finish(slot, result);
    this.#flushes = new FlushRounds({ io, journal, source: this.mirror, capacity, answer, durabilityLost });
    this.#phase = new Uint8Array(capacity);
    this.#range = new Int32Array(capacity).fill(noRange);
    this.#pending = new Int32Array(capacity);
    this.#result = new Int32Array(capacity);
    this.#mergesFirst = new Uint8Array(capacity);
    this.#mergesLast = new Uint8Array(capacity);
    this.#position = new Float64Array(capacity);
  }

  /** Who gets the answers. Once, before the first request. */
  connect(sink: RequestSink): void {
    assert(this.#sink === undefined, 'a router has one frontend');
    this.#sink = sink;
  }

  /**
   * Takes over the request in `slot`, filled by the frontend. Answered exactly once, possibly from inside
   * this call.
   */
  begin(slot: number): void {
    this.#requests.startedUs[slot] = this.#clockUs[0] as number;
    this.#meter.begun();
    const kind = this.#kindOf(slot);
    this.#result[slot] = 0;
    this.#pending[slot] = 0;
    this.#blocks.take(slot);
    if (kind === requestKinds.flush) this.#flushes.join(slot);
    else if (!this.#isWellFormed(slot, kind)) this.#finish(slot, errno.invalid);
    else if (kind === requestKinds.read) this.#beginRead(slot);
    else this.#beginChange(slot, kind);
  }

  /** See `FlushRounds`. */
  get flushFailure(): number {
    return this.#flushes.failure;
  }

  /**
   * For a successor. `isWrittenUnseen`: since the dead process's time, past the router. Of the source nobody knows
   * whether a flush has failed.
   */
  goOnAfter(failure: number, isWrittenUnseen = false): void {
    this.#flushes.goOnAfter(failure);
    if (isWrittenUnseen) this.expectUnseenWrites();
    this.mirror.sourceLost();
  }

  /** What has been written to the disk may not be durable, whatever is flushed from now on. */
  mayHaveLost(disk: Disk): boolean {
    return disk === source ? this.mirror.mayHaveLost : this.#flushes.mayHaveLost;
  }

  /** Makes everything on the destination durable, for the commit; `done` gets 0 or a negative errno. */
  flushDestination(done: (result: number) => void): void {
    this.#flushes.flushEverything(done);
  }

  /**
   * Somebody else's durable write to the disk has failed, and what its flush should have covered may be lost
   * with it.
   */
  durableWriteFailed(disk: Disk, result: number): void {
    if (disk === source) this.mirror.sourceLost();
    else this.#flushes.durableWriteFailed(result);
  }

  /** Graduation: consumers may write to the destination past the router, and then flush through it. */
  expectUnseenWrites(): void {
    this.#flushes.destinationIsWrittenUnseen();
  }

  /** Tells when all that was mirrored before this call is durable on the source: 0 or a negative errno. */
  flushSource(done: (result: number) => void): void {
    this.#flushes.joinForSource(done);
  }

  /** Once per turn. */
  pump(): void {
    this.#flushes.pump();
  }

  /** A request that waited for its blocks may go on (RangeOwner). */
  rangeReady(slot: number): void {
    if (this.#kindOf(slot) === requestKinds.discard) this.#discard(slot);
    else this.#mergeOrWrite(slot);
  }

  diskOperationDone(slot: number, result: number): void {
    if (result < 0) this.#noteFailure(slot, result);
    this.#operationEnded(slot);
  }

  /** On either disk. */
  #operationEnded(slot: number): void {
    this.#pending[slot] = (this.#pending[slot] as number) - 1;
    const currentPhase = this.#phase[slot];
    if (currentPhase === phase.reading && this.#result[slot] === 0) this.#startReadPieces(slot);
    if (this.#pending[slot] !== 0) return;
    if (currentPhase === phase.merging && this.#result[slot] === 0) this.#write(slot);
    else this.#endRequest(slot);
  }

  #kindOf(slot: number): RequestKind {
    return this.#requests.kind[slot] as RequestKind;
  }

  #offset(slot: number): number {
    return this.#blocks.startBytes(slot);
  }

  #end(slot: number): number {
    return this.#blocks.endBytes(slot);
  }

  #isWellFormed(slot: number, kind: RequestKind): boolean {
    const length = this.#requests.lengthBytes[slot] as number;
    const carriesData = kind === requestKinds.read || kind === requestKinds.write;
    return (
      length > 0 &&
      this.#end(slot) <= this.#sizeBytes &&
      this.#offset(slot) % this.#logicalBlockBytes === 0 &&
      length % this.#logicalBlockBytes === 0 &&
      (!carriesData || length <= requestDataBytesMax)
    );
  }

  // ---- reads

  #beginRead(slot: number): void {
    this.#phase[slot] = phase.reading;
    this.#position[slot] = this.#offset(slot);
    this.#startReadPieces(slot);
  }

  /**
   * Starts pieces, one per run of equal flags. The flags are looked at when a piece starts: never older than
   * the request.
   */
  #startReadPieces(slot: number): void {
    const end = this.#end(slot);
    const endBlock = Math.ceil(end / blockBytes);
    while ((this.#position[slot] as number) < end && (this.#pending[slot] as number) < readPiecesMax) {
      const position = this.#position[slot] as number;
      const block = Math.floor(position / blockBytes);
      const runEnd = Math.min(end, this.#flags.runEnd(block, endBlock) * blockBytes);
      const action = decide(requestKinds.read, true, this.#flags.isSet(block));
      const disk = action === actions.readDestination ? destination : source;
      const buffer = this.#requests.dataOffset(slot) + position - this.#offset(slot);
      this.#pending[slot] = (this.#pending[slot] as number) + 1;
      this.#io.read(disk, this.#position, runEnd - position, buffer, this, slot);
      this.#position[slot] = runEnd;
    }
  }

  // ---- writes, write zeroes, discards

  #beginChange(slot: number, kind: RequestKind): void {
    let first = this.#blocks.first[slot] as number;
    let end = this.#blocks.end[slot] as number;
    if (kind === requestKinds.discard) {
      if (this.#isLeftAlone(slot, first)) first += 1;
      if (end > first && this.#isLeftAlone(slot, end - 1)) end -= 1;
      if (first >= end) {
        this.#finish(slot, 0);
        return;
      }
    }
    this.#blocks.first[slot] = first;
    this.#blocks.end[slot] = end;
    const range = this.#ranges.claim(first, end, this, slot);
    this.#range[slot] = range;
    if (this.#ranges.isReady(range)) this.rangeReady(slot);
  }

  #isLeftAlone(slot: number, block: number): boolean {
    return (
      decide(requestKinds.discard, this.#blocks.isWhole(slot, block), this.#flags.isSet(block)) ===
      actions.leaveAlone
    );
  }

  #mustMerge(slot: number, block: number): boolean {
    return (
      decide(requestKinds.write, this.#blocks.isWhole(slot, block), this.#flags.isSet(block)) ===
      actions.mergeThenFlag
    );
  }

  /** The range is ours: flags of its blocks cannot change under us until it is released. */
  #mergeOrWrite(slot: number): void {
    const first = this.#blocks.first[slot] as number;
    const last = (this.#blocks.end[slot] as number) - 1;
    const mergesFirst = this.#mustMerge(slot, first);
    const mergesLast = last > first && this.#mustMerge(slot, last);
    this.#mergesFirst[slot] = mergesFirst ? 1 : 0;
    this.#mergesLast[slot] = mergesLast ? 1 : 0;
    if (!mergesFirst && !mergesLast) {
      this.#write(slot);
      return;
    }
    this.#phase[slot] = phase.merging;
    this.#pending[slot] = (mergesFirst ? 1 : 0) + (mergesLast ? 1 : 0);
    if (mergesFirst) this.#readScratch(slot, first, 0);
    if (mergesLast) this.#readScratch(slot, last, 1);
  }

  #readScratch(slot: number, block: number, which: 0 | 1): void {
    const offset = block * blockBytes;
    const scratch = this.#requests.scratchOffset(slot, which);
    this.#position[slot] = offset;
    this.#io.read(source, this.#position, this.#blocks.blockEndBytes(block) - offset, scratch, this, slot);
  }

  /** Merged blocks go out whole from their scratch block, all between them from the request's own data. */
  #write(slot: number): void {
    const first = this.#blocks.first[slot] as number;
    const last = (this.#blocks.end[slot] as number) - 1;
    const mergesFirst = this.#mergesFirst[slot] === 1;
    const mergesLast = this.#mergesLast[slot] === 1;
    const from = mergesFirst ? this.#blocks.blockEndBytes(first) : this.#offset(slot);
    const to = mergesLast ? last * blockBytes : this.#end(slot);
    const hasBody = from < to;
    this.#phase[slot] = phase.writing;
    this.#pending[slot] =
      (mergesFirst ? 1 : 0) + (mergesLast ? 1 : 0) + (hasBody ? 1 : 0) + this.mirror.writeBegins(slot);
    if (mergesFirst) this.#writeMerged(slot, first, 0);
    if (mergesLast) this.#writeMerged(slot, last, 1);
    this.#position[slot] = from;
    if (hasBody) this.#writeBody(slot, to - from);
  }

  #writeMerged(slot: number, block: number, which: 0 | 1): void {
    const blockStart = block * blockBytes;
    const from = Math.max(this.#offset(slot), blockStart);
    const to = Math.min(this.#end(slot), this.#blocks.blockEndBytes(block));
    const scratch = this.#requests.scratchOffset(slot, which);
    const into = scratch + from - blockStart;
    if (this.#kindOf(slot) === requestKinds.writeZeroes) {
      this.#pool.bytes.fill(0, into, into + to - from);
    } else {
      const data = this.#requests.dataOffset(slot) + from - this.#offset(slot);
      this.#pool.bytes.copyWithin(into, data, data + to - from);
    }
    this.#position[slot] = blockStart;
    this.#writeDestination(slot, this.#blocks.blockEndBytes(block) - blockStart, scratch);
  }

  #writeBody(slot: number, lengthBytes: number): void {
    if (this.#kindOf(slot) === requestKinds.writeZeroes) {
      this.#io.writeZeroes(destination, this.#position, lengthBytes, this.#isFua(slot), this, slot);
    } else {
      const position = this.#position[slot] as number;
      this.#writeDestination(
        slot,
        lengthBytes,
        this.#requests.dataOffset(slot) + position - this.#offset(slot),
      );
    }
  }

  #writeDestination(slot: number, lengthBytes: number, buffer: number): void {
    const disk: Disk = destination;
    this.#io.write(disk, this.#position, lengthBytes, buffer, this.#isFua(slot), this, slot);
  }

  #isFua(slot: number): boolean {
    return this.#requests.fua[slot] === 1;
  }

  #discard(slot: number): void {
    const from = (this.#blocks.first[slot] as number) * blockBytes;
    const to = this.#blocks.blockEndBytes((this.#blocks.end[slot] as number) - 1);
    this.#phase[slot] = phase.discarding;
    this.#pending[slot] = 1;
    this.#position[slot] = from;
    this.#io.discard(destination, this.#position, to - from, this, slot);
  }

  // ---- ends

  /**
   * The first failure of a request is its result; what a failed FUA write may have lost no flush may promise.
   */
  #noteFailure(slot: number, result: number): void {
    if (this.#result[slot] === 0) this.#result[slot] = result;
    if (this.#isFua(slot) && this.#phase[slot] === phase.writing) this.#flushes.durableWriteFailed(result);
  }

  /** All parts are done. Flags first, then the blocks are free for who waits, then the answer. */
  #endRequest(slot: number): void {
    const result = this.#result[slot] as number;
    if (this.#phase[slot] === phase.reading) {
      this.#finish(slot, result);
      return;
    }
    if (result === 0) this.#flagBlocks(slot);
    else if (this.#phase[slot] === phase.writing) this.mirror.writeEnded(slot, false);
    // Also when it has failed: what it has left is not known.
    this.#copied.clearRange(this.#blocks.first[slot] as number, this.#blocks.end[slot] as number);
    const range = this.#range[slot] as number;
    this.#range[slot] = noRange;
    this.#ranges.release(range);
    if (result === 0 && this.#mustRecord(slot)) this.#flushes.join(slot);
    else this.#finish(slot, result);
  }

  #flagBlocks(slot: number): void {
    const first = this.#blocks.first[slot] as number;
    const end = this.#blocks.end[slot] as number;
    const isWritten = this.#phase[slot] === phase.writing;
    let changed = this.#flags.setRange(first, end);
    this.#unreadable.heal(first, end);
    // What was discarded has no content to flush, and none that undo would have to bring back.
    if (isWritten) changed += this.mirror.writeEnded(slot, true);
    if (isWritten) this.#flushes.destinationWritten();
    // Mirrored writes change no written bits; but which of their blocks copying had flagged, unrecorded,
    // nobody knows.
    const mustNote = changed > 0 || (isWritten && this.mirror.isOn);
    if (mustNote) this.#journal.note(isWritten ? runKinds.written : runKinds.flagged, first, end);
  }

  /**
   * A write that is to be durable when it is answered, and a flag that is not yet: perhaps an earlier write
   * has set it.
   */
  #mustRecord(slot: number): boolean {
    if (!this.#isFua(slot) || this.#phase[slot] !== phase.writing) return false;
    return this.#journal.isUnrecorded(this.#blocks.first[slot] as number, this.#blocks.end[slot] as number);
  }

  #finish(slot: number, result: number): void {
    // Whole microseconds: a fraction would be allocated when it is passed on.
    const latencyUs = Math.round((this.#clockUs[0] as number) - (this.#requests.startedUs[slot] as number));
    const length = this.#requests.lengthBytes[slot] as number;
    this.#meter.done(this.#kindOf(slot), length, latencyUs, result < 0);
    assert(this.#sink !== undefined, 'a frontend is connected before its first request');
    this.#sink.requestDone(slot, result);
  }
}
