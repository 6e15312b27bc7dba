/**
 * Compares one span of the destination with what was copied into it, and repairs what is wrong.
 *
 *   destination read back ── its hash is the one taken while copying ─────────────▶ right
 *          └── other, or some blocks have been changed since ── source read ── equal ─▶ right
 *                                                                   └── not ── block by block, claimed:
 *                 both read again ── equal ─▶ right (the first reading was wrong)
 *                        └── not ── written from the source ── read back ── equal ─▶ repaired, else failed
 *
 * Consumers may write anything meanwhile, so a difference means nothing until the block is claimed, and found
 * to be as it was copied; what has been changed since is left out. Always holds: a block is written only while
 * it is claimed and still as copied, so that what a consumer wrote is never overwritten (invariant 4), and
 * where there is a hash, only if the source still has it. A read that fails is like a wrong one. Used by
 * VerifyLoop; one span at a time.
 */
import { messageOf } from '../base/error.ts';
import { blockBytes } from '../base/units.ts';
import type { Disk, DiskIo, DiskIoClient } from '../devices/disk-io.ts';
import { destination, source } from '../devices/disk-io.ts';
import type { RangeOwner, RangesInFlight } from '../flags/ranges-in-flight.ts';
import type { BlockContents } from './block-contents.ts';
import type { CopiedBlocks } from './copied-blocks.ts';
import { spanBlocks } from './copied-blocks.ts';
import { pieceBytesMax } from './pace.ts';
import type { VerifyTally } from './verify-tally.ts';

const phases = {
  free: 0,
  readingDestination: 1,
  readingSource: 2,
  claiming: 3,
  confirmingSource: 4,
  confirmingDestination: 5,
  repairing: 6,
  proving: 7,
  blockDone: 8,
} as const;
type Phase = (typeof phases)[keyof typeof phases];
/** What is known of a block of the span. */
const marks = { leftOut: 0, comparable: 1, suspect: 2 } as const;
const noRange = -1;

/** Pool bytes of one check: what either disk holds of the span. */
export const spanCheckBytes = 2 * pieceBytesMax;

export interface SpanCheckOptions {
  readonly copied: CopiedBlocks;
  readonly contents: BlockContents;
  readonly io: DiskIo;
  readonly ranges: RangesInFlight;
  /** Pool offset of `spanCheckBytes`. */
  readonly buffers: number;
  readonly tally: VerifyTally;
  /** A piece of either disk has been read. */
  readonly pieceDone: (lengthBytes: number) => void;
  /** A broken assumption. */
  readonly broken: (message: string) => void;
}

export class SpanCheck implements DiskIoClient, RangeOwner {
  readonly #options: SpanCheckOptions;
  readonly #destinationBuffer: number;
  readonly #sourceBuffer: number;
  readonly #mask = new Uint8Array(spanBlocks);
  readonly #position = new Float64Array(1);
  readonly #sum = new Int32Array(2);
  #phase: Phase = phases.free;
  #isReading = false;
  #isStopped = false;
  #first = 0;
  /** Of what is read. */
  #from = 0;
  #end = 0;
  #next = 0;
  #pieceEnd = 0;
  /** Of either disk. */
  #hasReadFailed = false;
  /** The destination's hash is not the one taken while copying. */
  #isHashWrong = false;
  #mayRepair = false;
  #block = 0;
  #sourceResult = 0;
  #range = noRange;

  constructor(options: SpanCheckOptions) {
    this.#options = options;
    this.#destinationBuffer = options.buffers;
    this.#sourceBuffer = options.buffers + pieceBytesMax;
  }

  get isFree(): boolean {
    return this.#phase === phases.free;
  }

  /** Whether it waits to be given a piece to read. */
  get wantsPiece(): boolean {
    const reads = this.#phase === phases.readingDestination || this.#phase === phases.readingSource;
    return reads && !this.#isReading;
  }

  /** Takes on the blocks from `first` to before `end`, all of one span, `first` its first; one at least is copied. */
  begin(first: number, end: number): void {
    const { copied } = this.#options;
    this.#first = first;
    this.#isStopped = false;
    this.#isHashWrong = false;
    this.#mask.fill(marks.leftOut);
    this.#from = copied.map.nextSet(first, end);
    for (let block = this.#from; block < end; block = copied.map.nextSet(this.#end, end)) {
      this.#end = copied.map.nextClear(block, end);
      this.#mask.fill(marks.comparable, block - first, this.#end - first);
    }
    this.#hasReadFailed = false;
    this.#beginReading(phases.readingDestination);
  }

  /** Reads the next piece, of so many bytes at the most. */
  startPiece(lengthBytes: number): void {
    const disk = this.#phase === phases.readingDestination ? destination : source;
    this.#pieceEnd = Math.min(this.#end, this.#next + lengthBytes / blockBytes);
    this.#isReading = true;
    const buffer = this.#bufferOf(disk) + (this.#next - this.#first) * blockBytes;
    this.#read(disk, this.#next, this.#pieceEnd, buffer);
  }

  /** Ends as soon as what is under way has ended. */
  stop(): void {
    this.#isStopped = true;
    if (this.wantsPiece) this.#phase = phases.free;
  }

  diskOperationDone(_tag: number, result: number): void {
    try {
      if (this.#isReading) this.#pieceRead(result);
      else this.#blockOperationDone(result);
    } catch (error) {
      this.#stopBroken(error);
    }
    this.#goOn();
  }

  rangeReady(): void {
    try {
      this.#confirm();
    } catch (error) {
      this.#stopBroken(error);
    }
    this.#goOn();
  }

  #beginReading(phase: Phase): void {
    this.#phase = phase;
    this.#next = this.#from;
  }

  #pieceRead(result: number): void {
    this.#isReading = false;
    this.#options.pieceDone(this.#options.copied.bytesBetween(this.#next, this.#pieceEnd));
    if (result < 0) this.#hasReadFailed = true;
    this.#next = this.#pieceEnd;
    if (this.#isStopped) this.#phase = phases.free;
    else if (this.#next === this.#end && this.#phase === phases.readingDestination) this.#destinationRead();
    else if (this.#next === this.#end) this.#sourceRead();
  }

  #destinationRead(): void {
    if (this.#hasHash()) {
      if (!this.#hasReadFailed && this.#isHashOf(this.#destinationBuffer)) {
        this.#options.tally.checkedBlocks += this.#countMarked();
        this.#phase = phases.free;
        return;
      }
      this.#isHashWrong = true;
    }
    this.#beginReading(phases.readingSource);
  }

  #sourceRead(): void {
    const { tally } = this.#options;
    this.#leaveOutChanged();
    this.#mayRepair = !this.#hasHash() || this.#isHashOf(this.#sourceBuffer);
    const comparable = this.#countMarked();
    let suspects = 0;
    for (let index = 0; index < spanBlocks; index += 1) {
      if (this.#mask[index] !== marks.comparable || (!this.#hasReadFailed && this.#isEqualAt(index))) continue;
      this.#mask[index] = marks.suspect;
      suspects += 1;
    }
    if (suspects === 0 && this.#isHashWrong && !this.#mayRepair) this.#failAll();
    else tally.checkedBlocks += comparable - suspects;
    this.#block = this.#first - 1;
    this.#phase = phases.blockDone;
  }

  /** Both disks hold the same, which is not what was copied. */
  #failAll(): void {
    for (let index = 0; index < spanBlocks; index += 1)
      if (this.#mask[index] === marks.comparable) this.#options.tally.noteFailed(this.#first + index);
  }

  // ---- block by block

  /** Lets the last block go and claims the next one that is suspect. */
  #goOn(): void {
    if (this.#phase !== phases.blockDone) return;
    this.#release();
    const index = this.#mask.indexOf(marks.suspect, this.#block + 1 - this.#first);
    if (index < 0 || this.#isStopped) {
      this.#phase = phases.free;
      return;
    }
    this.#block = this.#first + index;
    this.#phase = phases.claiming;
    const { ranges } = this.#options;
    this.#range = ranges.claim(this.#block, this.#block + 1, this, 0);
    if (ranges.isReady(this.#range)) this.rangeReady();
  }

  #confirm(): void {
    if (!this.#options.copied.map.isSet(this.#block)) {
      this.#phase = phases.blockDone;
      return;
    }
    this.#phase = phases.confirmingSource;
    this.#readBlock(source);
  }

  #blockOperationDone(result: number): void {
    switch (this.#phase) {
      case phases.confirmingSource:
        this.#sourceResult = result;
        this.#phase = phases.confirmingDestination;
        this.#readBlock(destination);
        break;
      case phases.confirmingDestination:
        this.#confirmed(result);
        break;
      case phases.repairing:
        if (result < 0) this.#blockFailed();
        else this.#prove();
        break;
      default:
        this.#proved(result);
    }
  }

  #confirmed(result: number): void {
    if (this.#sourceResult === 0 && result === 0 && this.#isBlockEqual()) {
      this.#options.tally.checkedBlocks += 1;
      this.#phase = phases.blockDone;
    } else if (this.#sourceResult < 0 || !this.#mayRepair) {
      this.#blockFailed();
    } else {
      this.#phase = phases.repairing;
      this.#position[0] = this.#block * blockBytes;
      this.#options.io.write(
        destination,
        this.#position,
        this.#blockLength,
        this.#sourceBuffer,
        // With FUA its failure might be a failed flush, which may have lost what others have written.
        false,
        this,
        0,
      );
    }
  }

  #prove(): void {
    this.#phase = phases.proving;
    this.#readBlock(destination);
  }

  #proved(result: number): void {
    if (result < 0 || !this.#isBlockEqual()) {
      this.#blockFailed();
      return;
    }
    this.#options.tally.noteRepaired(this.#block);
    this.#phase = phases.blockDone;
  }

  #blockFailed(): void {
    this.#options.tally.noteFailed(this.#block);
    this.#phase = phases.blockDone;
  }

  // ---- small parts

  /** Whether all that the span's hash is of can be compared. */
  #hasHash(): boolean {
    return this.#options.copied.hasHashOf(this.#first / spanBlocks, this.#countMarked());
  }

  #isHashOf(buffer: number): boolean {
    const { contents, copied } = this.#options;
    this.#sum.fill(0);
    for (let run = this.#mask.indexOf(marks.comparable); run >= 0;) {
      const runEnd = this.#runEnd(run);
      const first = this.#first + run;
      const length = copied.bytesBetween(first, this.#first + runEnd);
      contents.addHashes(buffer + run * blockBytes, length, first, this.#sum, 0);
      run = this.#mask.indexOf(marks.comparable, runEnd);
    }
    return copied.isHash(this.#first / spanBlocks, this.#sum);
  }

  #runEnd(start: number): number {
    let end = start;
    while (end < spanBlocks && this.#mask[end] === marks.comparable) end += 1;
    return end;
  }

  #countMarked(): number {
    let count = 0;
    for (const mark of this.#mask) if (mark === marks.comparable) count += 1;
    return count;
  }

  /** Since it was begun. */
  #leaveOutChanged(): void {
    const { map } = this.#options.copied;
    for (let block = this.#from; block < this.#end;) {
      const copied = map.nextSet(block, this.#end);
      this.#mask.fill(marks.leftOut, block - this.#first, copied - this.#first);
      block = map.nextClear(copied, this.#end);
    }
  }

  #isEqualAt(index: number): boolean {
    const { contents, copied } = this.#options;
    const block = this.#first + index;
    const at = index * blockBytes;
    const length = copied.bytesBetween(block, block + 1);
    return contents.isEqual(this.#destinationBuffer + at, this.#sourceBuffer + at, length);
  }

  #isBlockEqual(): boolean {
    return this.#options.contents.isEqual(this.#destinationBuffer, this.#sourceBuffer, this.#blockLength);
  }

  get #blockLength(): number {
    return this.#options.copied.bytesBetween(this.#block, this.#block + 1);
  }

  #bufferOf(disk: Disk): number {
    return disk === destination ? this.#destinationBuffer : this.#sourceBuffer;
  }

  #readBlock(disk: Disk): void {
    this.#read(disk, this.#block, this.#block + 1, this.#bufferOf(disk));
  }

  #read(disk: Disk, first: number, end: number, buffer: number): void {
    const { io, copied } = this.#options;
    this.#position[0] = first * blockBytes;
    io.read(disk, this.#position, copied.bytesBetween(first, end), buffer, this, 0);
  }

  /** Consumer writes that waited for the block go ahead. */
  #release(): void {
    const range = this.#range;
    this.#range = noRange;
    if (range !== noRange) this.#options.ranges.release(range);
  }

  #stopBroken(error: unknown): void {
    this.#options.broken(messageOf(error));
    this.#isStopped = true;
    this.#phase = phases.blockDone;
  }
}
