/**
 * Carries pending blocks from one disk to the other in the background, several pieces at a time.
 *
 * Always holds: a block is written only if it is still pending and no consumer operation has lain on it since
 * its piece began to read (invariant 4); it is marked done only after its write ended well; while a piece is
 * being written, consumer writes to it wait for that one write. Which blocks are pending can change at any
 * time under a piece:
 *
 *   copy piece:      reads 7..9 ────────────── writes 7 and 9, skips 8 ── marks 7 and 9
 *   consumer write:      writes 8, flags 8, acknowledged ─┘
 *
 * A whole span is read in one piece, across small gaps of blocks that are done already: consumer writes
 * riddle the map with holes, and one read per run would be many times slower. Blocks that are passed over
 * because an operation lies on them are done by it, unless it fails. When nothing else is left the loop
 * insists on them: it claims them before it reads, in turn with the consumer, so that not even one that fails
 * again and again keeps it from them (invariant 11). What cannot be read is passed by as well, and comes last
 * (bad-block-search.ts). `pump` is called once per turn of the worker's loop.
 */
import { assert, messageOf } from '../base/error.ts';
import { blockBytes, kibibyte } from '../base/units.ts';
import type { DiskIo, DiskIoClient } from '../devices/disk-io.ts';
import type { RangeOwner, RangesInFlight } from '../flags/ranges-in-flight.ts';
import { BadBlockSearch } from './bad-block-search.ts';
import type { CopiedBlocks } from './copied-blocks.ts';
import type { CopyFailure } from './copy-failure.ts';
import { isGone } from './copy-failure.ts';
import type { Pace } from './pace.ts';
import { pieceBytesMax, piecesMax } from './pace.ts';
import type { PendingBlocks } from './pending-blocks.ts';
import { endOfRun, PieceMasks } from './piece-masks.ts';

/** A piece reads across gaps up to this long; longer ones (free space, finished areas) are not read again. */
const gapBytesMax = 64 * kibibyte;
const gapBlocksMax = gapBytesMax / blockBytes;
const pieceBlocksMax = pieceBytesMax / blockBytes;
/** How often a failed write of a piece is tried again before the loop stops. */
const retriesMax = 3;

/** Pool bytes that a CopyLoop reserves. */
export const copyPoolBytes = piecesMax * pieceBytesMax;

const phase = { free: 0, waiting: 1, reading: 2, writing: 3, abandoned: 4, probing: 5 } as const;
const noRange = -1;

export type CopyState = 'waiting' | 'running' | 'complete' | 'failed';

export interface CopyLoopOptions {
  readonly pending: PendingBlocks;
  readonly sizeBytes: number;
  readonly io: DiskIo;
  readonly ranges: RangesInFlight;
  /** Pool offset of `copyPoolBytes`. */
  readonly buffers: number;
  readonly pace: Pace;
  readonly clockUs: Float64Array;
  /** Takes note of what has arrived, for verifying it later. */
  readonly copied?: CopiedBlocks | undefined;
}

export class CopyLoop implements DiskIoClient, RangeOwner {
  readonly #pending: PendingBlocks;
  readonly #sizeBytes: number;
  readonly #io: DiskIo;
  readonly #ranges: RangesInFlight;
  readonly #buffers: number;
  readonly #pace: Pace;
  readonly #clockUs: Float64Array;
  readonly #copied: CopiedBlocks | undefined;
  #state: CopyState = 'waiting';
  #failure: CopyFailure | undefined;
  #cursor = 0;
  /** Only blocks that were passed over are left. */
  #isInsisting = false;
  readonly #badBlocks: BadBlockSearch;
  /** Only blocks that could not be read are left. */
  #isSearching = false;
  /** A person has accepted that these become zeroes. */
  #isAccepting = false;
  #inFlight = 0;
  #carriedBytes = 0;

  // By piece.
  readonly #phase = new Uint8Array(piecesMax);
  readonly #first = new Float64Array(piecesMax);
  readonly #end = new Float64Array(piecesMax);
  /** Where the piece's next disk operation goes. */
  readonly #position = new Float64Array(piecesMax);
  readonly #range = new Int32Array(piecesMax).fill(noRange);
  readonly #writesPending = new Int32Array(piecesMax);
  readonly #result = new Int32Array(piecesMax);
  readonly #retries = new Uint8Array(piecesMax);
  readonly #masks: PieceMasks;

  constructor(options: CopyLoopOptions) {
    this.#pending = options.pending;
    this.#sizeBytes = options.sizeBytes;
    this.#io = options.io;
    this.#ranges = options.ranges;
    this.#buffers = options.buffers;
    this.#pace = options.pace;
    this.#clockUs = options.clockUs;
    this.#copied = options.copied;
    const { pending, ranges } = options;
    this.#masks = new PieceMasks({ pieceCount: piecesMax, pieceBlocksMax, pending, ranges });
    this.#badBlocks = new BadBlockSearch({ pending, pieceBlocksMax });
  }

  get state(): CopyState {
    return this.#state;
  }

  get failure(): CopyFailure | undefined {
    return this.#failure;
  }

  /** True when no piece is under way: after a pause or a failure, the disks are then still. */
  get isIdle(): boolean {
    return this.#inFlight === 0;
  }

  /** Bytes that this loop has carried over; what the consumer wrote itself is not among them. */
  get carriedBytes(): number {
    return this.#carriedBytes;
  }

  /**
   * Starts, goes on after a pause, or tries again after a failure that may have passed. A broken loop stays
   * stopped.
   */
  start(): void {
    if (this.#state === 'complete' || this.#failure?.operation === 'bug') return;
    if (this.#failure !== undefined) this.#startOver();
    this.#state = 'running';
  }

  /**
   * After only the last reads have failed: what is unreadable now stays so, and is done with. On the way back from
   * a disk that has gone, that is all that is pending. Where zeroes are to be written, nothing else can become
   * pending any more; elsewhere it can, and what cannot be read then has not been accepted.
   */
  acceptUnreadable(): void {
    const { zeroesUnreadable } = this.#pending;
    const isAllLost = this.#failure?.operation === 'any read' && !zeroesUnreadable;
    if (this.#failure?.operation !== 'the last reads' && !isAllLost) return;
    if (isAllLost) this.#badBlocks.giveUpPending();
    if (!zeroesUnreadable) this.#badBlocks.leaveUnreadable();
    this.#startOver();
    this.#isAccepting = zeroesUnreadable;
    this.#state = 'running';
  }

  /** What has failed was not passed over: nobody should wait for it. */
  #startOver(): void {
    this.#failure = undefined;
    this.#cursor = 0;
    this.#isInsisting = false;
    this.#isSearching = false;
    this.#isAccepting = false;
    this.#badBlocks.startOver();
  }

  /** Pieces under way end as usual; no new one starts. */
  pause(): void {
    if (this.#state === 'running') this.#state = 'waiting';
  }

  /** Starts as many pieces as the pace allows. */
  pump(): void {
    if (this.#state !== 'running') return;
    try {
      this.#startPieces();
    } catch (error) {
      this.#stopBroken(error);
    }
  }

  diskOperationDone(piece: number, result: number): void {
    try {
      if (this.#phase[piece] === phase.reading) this.#readDone(piece, result);
      else if (this.#phase[piece] === phase.probing) this.#probeDone(piece, result);
      else this.#writeDone(piece, result);
    } catch (error) {
      this.#stopBroken(error);
      this.#abandon(piece);
    }
    // Not in the try: consumer writes that waited for the piece go ahead in here, and what breaks there is
    // not ours.
    if (this.#phase[piece] === phase.free) this.#release(piece);
  }

  /** It is an insisting piece's turn: what lay on its blocks has ended, and what comes later waits for it. */
  rangeReady(piece: number): void {
    try {
      this.#beginInsisting(piece);
    } catch (error) {
      this.#stopBroken(error);
      this.#abandon(piece);
    }
    if (this.#phase[piece] === phase.free) this.#release(piece);
  }

  #stopBroken(error: unknown): void {
    this.#failure ??= { operation: 'bug', message: messageOf(error) };
    this.#state = 'failed';
  }

  /** Ends a broken piece when none of its writes is under way, so that nobody waits for it for ever. */
  #abandon(piece: number): void {
    this.#phase[piece] = phase.abandoned;
    if (this.#writesPending[piece] === 0) this.#endPiece(piece);
  }

  #startPieces(): void {
    while (this.#inFlight < piecesMax && this.#state === 'running') {
      const blocks = this.#pace.nextPieceBytes(this.#clockUs) / blockBytes;
      if (blocks === 0) return;
      if (this.#badBlocks.mustProbe) {
        if (this.#inFlight === 0) this.#probe();
        return;
      }
      const first = this.#nextTrusted(this.#cursor);
      if (first < this.#pending.blockCount) {
        this.#startNext(first, blocks);
      } else if (this.#inFlight > 0) {
        return;
      } else if (this.#pending.count === 0) {
        this.#state = 'complete';
      } else if (this.#nextTrusted(0) < this.#pending.blockCount) {
        this.#cursor = 0;
        this.#isInsisting = true;
      } else {
        this.#startPassedBy(blocks);
      }
    }
  }

  /** The first pending block from `from` on that nothing is known against. */
  #nextTrusted(from: number): number {
    const { blockCount, unreadable } = this.#pending;
    let block = this.#pending.next(from, blockCount);
    for (let trusted = block; block < blockCount; block = this.#pending.next(trusted, blockCount)) {
      trusted = unreadable.nextTrusted(block, blockCount);
      if (trusted === block) return block;
    }
    return block;
  }

  #startNext(first: number, blocks: number): void {
    const limit = this.#pending.unreadable.nextPassedBy(
      first,
      Math.min(first + blocks, this.#pending.blockCount),
    );
    const end = this.#isInsisting ? this.#pending.runEnd(first, limit) : this.#pieceEnd(first, limit);
    this.#cursor = end;
    this.#startPiece(first, end, { blocks, insists: this.#isInsisting });
  }

  /** One at a time: a disk that fails takes long, and others want to read from it too. */
  #startPassedBy(blocks: number): void {
    if (!this.#isSearching) this.#badBlocks.begin();
    this.#isSearching = true;
    const { unreadable } = this.#pending;
    if (this.#isAccepting && unreadable.count > 0) {
      this.#badBlocks.nextUnreadable();
      this.#startPiece(this.#badBlocks.first, this.#badBlocks.end, { blocks, insists: true });
    } else if (this.#badBlocks.next(blocks)) {
      const { first, end, isInsisting } = this.#badBlocks;
      this.#startPiece(first, end, { blocks, insists: isInsisting });
    } else if (this.#pending.count > 0) {
      this.#failure = { operation: 'the last reads', blockCount: unreadable.count };
      this.#state = 'failed';
    }
  }

  /** `blocks`: how long the piece might have been. */
  #startPiece(
    first: number,
    end: number,
    { blocks, insists }: { readonly blocks: number; readonly insists: boolean },
  ): void {
    const piece = this.#claimPiece(first, end);
    this.#pace.pieceStarted(this.#clockUs, blocks * blockBytes);
    if (insists) {
      this.#insist(piece);
      return;
    }
    this.#masks.beginWatched(piece, first, end);
    this.#read(piece);
    this.#phase[piece] = phase.reading;
    this.#inFlight += 1;
  }

  #claimPiece(first: number, end: number): number {
    const piece = this.#phase.indexOf(phase.free);
    assert(piece >= 0, 'there is a free piece below the maximum in flight');
    this.#first[piece] = first;
    this.#end[piece] = end;
    this.#retries[piece] = 0;
    return piece;
  }

  #insist(piece: number): void {
    const range = this.#ranges.claim(this.#first[piece] as number, this.#end[piece] as number, this, piece);
    this.#range[piece] = range;
    this.#phase[piece] = phase.waiting;
    this.#inFlight += 1;
    if (this.#ranges.isReady(range)) this.rangeReady(piece);
  }

  /** Nothing is left to do when the operation that lay on the blocks has ended well. */
  #beginInsisting(piece: number): void {
    const first = this.#first[piece] as number;
    const end = this.#end[piece] as number;
    if (this.#pending.next(first, end) === end) {
      this.#pending.unreadable.heal(first, end);
      this.#endPiece(piece);
      return;
    }
    this.#masks.begin(piece);
    if (this.#isAccepting) {
      this.#settle(piece);
      return;
    }
    this.#read(piece);
    this.#phase[piece] = phase.reading;
  }

  /** The end of the last pending run from `first` that is reached across short gaps only. */
  #pieceEnd(first: number, limit: number): number {
    let end = this.#pending.runEnd(first, limit);
    while (end < limit) {
      const next = this.#pending.next(end, limit);
      if (next === limit || next - end > gapBlocksMax) break;
      end = this.#pending.runEnd(next, limit);
    }
    return end;
  }

  #read(piece: number): void {
    const first = this.#first[piece] as number;
    const length = this.#bytesBetween(first, this.#end[piece] as number);
    this.#position[piece] = first * blockBytes;
    this.#io.read(this.#pending.from, this.#position, length, this.#bufferOf(piece), this, piece);
  }

  #readDone(piece: number, result: number): void {
    if (result < 0) {
      this.#readFailed(piece, result);
      return;
    }
    this.#badBlocks.readSucceeded(this.#first[piece] as number, this.#end[piece] as number);
    this.#settle(piece);
  }

  #readFailed(piece: number, result: number): void {
    const first = this.#first[piece] as number;
    const end = this.#end[piece] as number;
    this.#badBlocks.readFailed(first, end);
    if (!this.#isSearching) this.#cursor = Math.max(this.#cursor, this.#badBlocks.passBy(end));
    if (isGone(result)) this.#stopWithout(result);
    // Nothing of it has been carried.
    this.#end[piece] = first;
    this.#endPiece(piece);
  }

  /** Reads elsewhere show whether it is the disk that has gone, or only many of its blocks. */
  #probe(): void {
    const { probeBlock } = this.#badBlocks;
    const piece = this.#claimPiece(probeBlock, probeBlock + 1);
    this.#pace.pieceStarted(this.#clockUs, blockBytes);
    this.#read(piece);
    this.#phase[piece] = phase.probing;
    this.#inFlight += 1;
  }

  #probeDone(piece: number, result: number): void {
    if (result === 0) this.#badBlocks.probeSucceeded();
    else if (this.#badBlocks.probeFailed() || isGone(result)) this.#stopWithout(result);
    this.#endPiece(piece);
  }

  #stopWithout(errno: number): void {
    this.#failure ??= { operation: 'any read', errno };
    this.#state = 'failed';
  }

  /** Writes what is still pending, and nobody else's, of the piece. */
  #settle(piece: number): void {
    const first = this.#first[piece] as number;
    this.#masks.settle(piece, first, this.#end[piece] as number);
    const mask = this.#masks.of(piece);
    const from = mask.indexOf(1);
    if (from < 0) {
      this.#endPiece(piece);
      return;
    }
    if (this.#range[piece] === noRange) {
      this.#range[piece] = this.#ranges.claimAtOnce(
        first + from,
        first + mask.lastIndexOf(1) + 1,
        this,
        piece,
      );
    }
    this.#write(piece);
  }

  /** Writes every run of masked blocks. */
  #write(piece: number): void {
    const first = this.#first[piece] as number;
    const mask = this.#masks.of(piece);
    this.#phase[piece] = phase.writing;
    this.#result[piece] = 0;
    this.#writesPending[piece] = 0;
    for (let run = mask.indexOf(1); run >= 0;) {
      const runEnd = endOfRun(mask, run);
      const length = this.#bytesBetween(first + run, first + runEnd);
      const buffer = this.#bufferOf(piece) + run * blockBytes;
      this.#position[piece] = (first + run) * blockBytes;
      const { to, fua } = this.#pending;
      if (this.#isAccepting) this.#io.writeZeroes(to, this.#position, length, fua, this, piece);
      else this.#io.write(to, this.#position, length, buffer, fua, this, piece);
      this.#writesPending[piece] = this.#writesPending[piece] + 1;
      run = mask.indexOf(1, runEnd);
    }
  }

  #writeDone(piece: number, result: number): void {
    if (result < 0) this.#noteFailedWrite(piece, result);
    this.#writesPending[piece] = (this.#writesPending[piece] as number) - 1;
    if (this.#writesPending[piece] !== 0) return;
    if (this.#phase[piece] === phase.abandoned) {
      this.#endPiece(piece);
      return;
    }
    const failed = this.#result[piece] as number;
    if (failed < 0) {
      this.#retryOrFail(piece, failed);
      return;
    }
    this.#markDone(piece);
    this.#endPiece(piece);
  }

  #noteFailedWrite(piece: number, result: number): void {
    this.#result[piece] = result;
    this.#pending.writeFailed();
  }

  #markDone(piece: number): void {
    const first = this.#first[piece] as number;
    const mask = this.#masks.of(piece);
    for (let run = mask.indexOf(1); run >= 0;) {
      const runEnd = endOfRun(mask, run);
      // What was accepted as unreadable is nowhere to be compared with.
      if (!this.#isAccepting) this.#copied?.carried(first + run, first + runEnd, this.#bufferOf(piece) + run * blockBytes);
      this.#pending.markDone(first + run, first + runEnd);
      this.#carriedBytes += this.#bytesBetween(first + run, first + runEnd);
      run = mask.indexOf(1, runEnd);
    }
  }

  #retryOrFail(piece: number, errno: number): void {
    const retries = (this.#retries[piece] as number) + 1;
    this.#retries[piece] = retries;
    if (retries <= retriesMax) {
      this.#write(piece);
      return;
    }
    const first = this.#first[piece] as number;
    const lengthBytes = this.#bytesBetween(first, this.#end[piece] as number);
    this.#failure ??= { operation: 'write', offsetBytes: first * blockBytes, lengthBytes, errno };
    this.#state = 'failed';
    this.#endPiece(piece);
  }

  #endPiece(piece: number): void {
    this.#masks.forget(piece);
    this.#phase[piece] = phase.free;
    this.#inFlight -= 1;
    const length = this.#bytesBetween(this.#first[piece] as number, this.#end[piece] as number);
    this.#pace.pieceDone(this.#clockUs, length);
  }

  /** Consumer writes that waited for the piece go ahead. */
  #release(piece: number): void {
    const range = this.#range[piece] as number;
    this.#range[piece] = noRange;
    if (range !== noRange) this.#ranges.release(range);
  }

  /** The disk's last block may be short. */
  #bytesBetween(firstBlock: number, endBlock: number): number {
    return Math.min(endBlock * blockBytes, this.#sizeBytes) - firstBlock * blockBytes;
  }

  #bufferOf(piece: number): number {
    return this.#buffers + piece * pieceBytesMax;
  }
}
