/**
 * Makes and keeps the source a full copy while its consumer goes on: undo. From `start` on each write and
 * each write of zeroes goes to the source as well: the bytes of the request, with its FUA, not the merged
 * blocks that the destination gets. It is answered when both disks have ended it, by what the destination
 * says, which stays the truth all the time. Discards are not mirrored: what they leave is undefined on either
 * disk.
 *
 * Always holds, once every write under way is mirrored (`isComplete`): a flagged block is *written*, or the
 * source holds the same of it as the destination, as far as anybody relies on it. What a write that has ended
 * does to `written`:
 *
 *   destination   source                     blocks covered whole   blocks covered in part
 *   done          done                       cleared                as they were: the rest still is, or is not, there
 *   done          failed                     set                    set
 *   done          was not asked              set                    set
 *   failed        done, failed, not asked    as they were           as they were
 *
 * The last row is a choice. A failed write may have happened or not: until the end reads show what the
 * destination made of it (of a block that is not flagged, what the source did), afterwards what the source
 * did. To return the destination's view of it too would make undo impossible where it is needed most, on a
 * destination that is gone.
 *
 * The source need not have the mirrored writes durably yet. What no flush has covered is remembered; when a
 * flush of the source fails, or a FUA write to it, which on a disk without FUA ends with a flush, all of that
 * counts as written again, and so do the writes that were under way: the kernel reports a lost write once,
 * and does not say which.
 */
import { assert } from '../base/error.ts';
import type { DiskIo, DiskIoClient } from '../devices/disk-io.ts';
import { source } from '../devices/disk-io.ts';
import type { FlagMap } from '../flags/flag-map.ts';
import { UnflushedBlocks } from '../flags/unflushed-blocks.ts';
import type { RequestBlocks } from './request-blocks.ts';
import type { RequestTable } from './request.ts';
import { requestKinds } from './request.ts';

/** A write that the source did not take. */
export interface Refusal {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  /** Negative, as the kernel gave it. */
  readonly errno: number;
}

export interface MirrorOptions {
  readonly requests: RequestTable;
  readonly blocks: RequestBlocks;
  readonly io: DiskIo;
  readonly written: FlagMap;
  /** An operation that `writeBegins` has announced has ended. */
  readonly operationEnded: (slot: number) => void;
}

export class Mirror implements DiskIoClient {
  readonly #requests: RequestTable;
  readonly #blocks: RequestBlocks;
  readonly #io: DiskIo;
  readonly #written: FlagMap;
  readonly #operationEnded: (slot: number) => void;
  /** There from the start of mirroring on. */
  #unflushed: UnflushedBlocks | undefined;
  /** Writes under way that go to the destination alone. */
  #plainWrites = 0;
  /** How often unflushed writes may have been lost. */
  #losses = 0;
  #refusals = 0;
  #lastRefusal: Refusal | undefined;

  // By slot.
  readonly #isMirrored: Uint8Array;
  /** Of the source. */
  readonly #result: Int32Array;
  readonly #lossesBefore: Int32Array;

  constructor(options: MirrorOptions) {
    this.#requests = options.requests;
    this.#blocks = options.blocks;
    this.#io = options.io;
    this.#written = options.written;
    this.#operationEnded = options.operationEnded;
    const { capacity } = options.requests;
    this.#isMirrored = new Uint8Array(capacity);
    this.#result = new Int32Array(capacity);
    this.#lossesBefore = new Int32Array(capacity);
  }

  /**
   * Writes that begin from now on go to both disks. The source may be written, and no copy piece is under
   * way.
   */
  start(): void {
    this.#unflushed ??= new UnflushedBlocks(this.#written.blockCount);
  }

  get isOn(): boolean {
    return this.#unflushed !== undefined;
  }

  /** No write is under way any more that began before mirroring. */
  get isComplete(): boolean {
    return this.isOn && this.#plainWrites === 0;
  }

  /** How many writes the source has refused, and the last of them. */
  get refusals(): number {
    return this.#refusals;
  }

  get lastRefusal(): Refusal | undefined {
    return this.#lastRefusal;
  }

  get mayHaveLost(): boolean {
    return this.#losses > 0;
  }

  // ---- writes

  /**
   * The write goes to the destination now. Returns how many operations it has besides: one when it is
   * mirrored.
   */
  writeBegins(slot: number): 0 | 1 {
    if (!this.isOn) {
      this.#isMirrored[slot] = 0;
      this.#plainWrites += 1;
      return 0;
    }
    this.#isMirrored[slot] = 1;
    this.#lossesBefore[slot] = this.#losses;
    this.#writeSource(slot);
    return 1;
  }

  diskOperationDone(slot: number, result: number): void {
    this.#result[slot] = result;
    if (result < 0) this.#noteRefusal(slot, result);
    this.#operationEnded(slot);
  }

  /**
   * All its operations have ended, and its blocks are still claimed. Returns how many blocks are newly
   * written.
   */
  writeEnded(slot: number, isOnDestination: boolean): number {
    const isMirrored = this.#isMirrored[slot] === 1;
    if (!isMirrored) this.#plainWrites -= 1;
    if (!isOnDestination) return 0;
    const first = this.#blocks.first[slot] as number;
    const end = this.#blocks.end[slot] as number;
    if (!isMirrored || !this.#isOnSource(slot)) {
      return this.#written.setRange(first, end);
    }
    const wholeFirst = this.#blocks.wholeFirst(slot);
    const wholeEnd = this.#blocks.wholeEnd(slot);
    if (wholeFirst < wholeEnd) this.#written.clearRange(wholeFirst, wholeEnd);
    if (!this.#isFua(slot)) this.#unflushed?.add(first, end);
    return 0;
  }

  #writeSource(slot: number): void {
    const { offsetBytes } = this.#requests;
    const length = this.#requests.lengthBytes[slot] as number;
    if (this.#requests.kind[slot] === requestKinds.writeZeroes) {
      this.#io.writeZeroes(source, offsetBytes, length, this.#isFua(slot), this, slot);
    } else {
      this.#io.write(
        source,
        offsetBytes,
        length,
        this.#requests.dataOffset(slot),
        this.#isFua(slot),
        this,
        slot,
      );
    }
  }

  #isOnSource(slot: number): boolean {
    return this.#result[slot] === 0 && this.#lossesBefore[slot] === this.#losses;
  }

  #isFua(slot: number): boolean {
    return this.#requests.fua[slot] === 1;
  }

  #noteRefusal(slot: number, errno: number): void {
    const lengthBytes = this.#requests.lengthBytes[slot] as number;
    this.#refusals += 1;
    this.#lastRefusal = { offsetBytes: this.#blocks.startBytes(slot), lengthBytes, errno };
    if (this.#isFua(slot)) this.sourceLost();
  }

  // ---- flushes of the source, one at a time (flush-rounds.ts)

  get hasUnflushed(): boolean {
    return this.#unflushed?.isEmpty === false;
  }

  flushBegins(): void {
    assert(this.#unflushed !== undefined, 'the source is flushed only after mirrored writes');
    this.#unflushed.flushBegins();
  }

  flushEnded(result: number): void {
    if (result < 0) this.sourceLost();
    else this.#unflushed?.flushed();
  }

  /** What was written to the source and not flushed may be lost: it has to be returned. */
  sourceLost(): void {
    this.#losses += 1;
    this.#unflushed?.lost((first, end) => this.#written.setRange(first, end));
  }
}
