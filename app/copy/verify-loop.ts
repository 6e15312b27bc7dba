/**
 * Reads the destination back beside the consumer and compares what was copied, several spans at a time, at the
 * pace of the copy loop. What is compared, and what is done about a difference, span-check.ts says.
 *
 * Not compared are blocks that the consumer has written: nobody else knows what they should hold; and blocks
 * that were never copied, because nobody relies on them. The result counts both. It uses the buffers of the
 * copy loop, which must be still. `pump` is called once per turn of the worker's loop.
 */
import type { Extent } from '../base/units.ts';
import { blockBytes } from '../base/units.ts';
import type { DiskIo } from '../devices/disk-io.ts';
import type { FlagMap } from '../flags/flag-map.ts';
import type { RangesInFlight } from '../flags/ranges-in-flight.ts';
import type { BlockContents } from './block-contents.ts';
import type { CopiedBlocks } from './copied-blocks.ts';
import { spanBlocks } from './copied-blocks.ts';
import { copyPoolBytes } from './copy-loop.ts';
import type { Pace } from './pace.ts';
import { SpanCheck, spanCheckBytes } from './span-check.ts';
import { VerifyTally } from './verify-tally.ts';

/** Spans that are looked at at once (invariant 10). */
export const spanChecksMax = Math.floor(copyPoolBytes / spanCheckBytes);

export interface VerifyResult {
  /** Read back, and the same as when it was copied; what was repaired is among them. */
  readonly checkedBytes: number;
  readonly repairedBytes: number;
  /** Not shown to be right, and not repaired. */
  readonly failedBytes: number;
  /** Only the destination has it, because the consumer has written it. */
  readonly writtenBytes: number;
  /** Copied by an engine whose successor this is, or discarded: nobody knows which any more. */
  readonly unknownBytes: number;
  /** The first of what was repaired, and of what has failed. */
  readonly repaired: readonly Extent[];
  readonly failed: readonly Extent[];
}

export interface VerifyLoopOptions {
  readonly copied: CopiedBlocks;
  readonly written: FlagMap;
  readonly sizeBytes: number;
  readonly contents: BlockContents;
  readonly io: DiskIo;
  readonly ranges: RangesInFlight;
  /** Pool offset of `copyPoolBytes`. */
  readonly buffers: number;
  readonly pace: Pace;
  readonly clockUs: Float64Array;
  /** An earlier engine has copied too, and what it knew of that is gone. */
  readonly isSuccessor: boolean;
}

export class VerifyLoop {
  readonly #options: VerifyLoopOptions;
  readonly #checks: readonly SpanCheck[];
  readonly #tally = new VerifyTally();
  #isRunning = false;
  #cursor = 0;
  #failure: string | undefined;

  constructor(options: VerifyLoopOptions) {
    this.#options = options;
    const { copied, contents, io, ranges, buffers, pace, clockUs } = options;
    this.#checks = Array.from(
      { length: spanChecksMax },
      (_, index) =>
        new SpanCheck({
          ...{ copied, contents, io, ranges, tally: this.#tally },
          buffers: buffers + index * spanCheckBytes,
          pieceDone: (lengthBytes) => pace.pieceDone(clockUs, lengthBytes),
          broken: (message) => (this.#failure ??= message),
        }),
    );
  }

  start(): void {
    this.#isRunning = true;
  }

  /** Spans under way end early. It does not begin again. */
  stop(): void {
    this.#isRunning = false;
    for (const check of this.#checks) check.stop();
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** When nothing is under way the disks are left alone. */
  get isIdle(): boolean {
    return this.#checks.every(({ isFree }) => isFree);
  }

  /** How far it has come, of the whole volume. */
  get doneBytes(): number {
    return Math.min(this.#options.sizeBytes, this.#cursor * blockBytes);
  }

  /** Why it cannot be trusted: a broken assumption. */
  get failure(): string | undefined {
    return this.#failure;
  }

  get isComplete(): boolean {
    return this.#isRunning && this.isIdle && this.#cursor >= this.#blockCount;
  }

  get result(): VerifyResult {
    const { checkedBlocks, repairedBlocks, failedBlocks, repaired, failed } = this.#tally;
    const writtenBlocks = this.#options.written.setCount;
    // What is written after it was checked counts twice.
    const restBlocks = Math.max(0, this.#blockCount - checkedBlocks - failedBlocks - writtenBlocks);
    return {
      checkedBytes: this.#bytesOf(checkedBlocks),
      repairedBytes: this.#bytesOf(repairedBlocks),
      failedBytes: this.#bytesOf(failedBlocks),
      writtenBytes: this.#bytesOf(writtenBlocks),
      unknownBytes: this.#options.isSuccessor ? this.#bytesOf(restBlocks) : 0,
      repaired,
      failed,
    };
  }

  /** Starts as many pieces as the pace allows. */
  pump(): void {
    if (!this.#isRunning) return;
    if (this.#failure !== undefined) {
      this.stop();
      return;
    }
    const { pace, clockUs } = this.#options;
    for (;;) {
      const lengthBytes = pace.nextPieceBytes(clockUs);
      if (lengthBytes === 0) return;
      const check = this.#checks.find(({ wantsPiece }) => wantsPiece) ?? this.#beginSpan();
      if (check === undefined) return;
      pace.pieceStarted(clockUs, lengthBytes);
      check.startPiece(lengthBytes);
    }
  }

  /** Undefined when nothing is left to begin, or as many as may be are under way. */
  #beginSpan(): SpanCheck | undefined {
    const check = this.#checks.find(({ isFree }) => isFree);
    if (check === undefined) return undefined;
    const { map } = this.#options.copied;
    const block = map.nextSet(this.#cursor);
    const first = Math.floor(block / spanBlocks) * spanBlocks;
    this.#cursor = Math.min(this.#blockCount, first + spanBlocks);
    if (block === this.#blockCount) {
      this.#cursor = this.#blockCount;
      return undefined;
    }
    check.begin(first, this.#cursor);
    return check;
  }

  get #blockCount(): number {
    return this.#options.copied.map.blockCount;
  }

  /** Of the disk's last block, which may be short, as if it were not. */
  #bytesOf(blocks: number): number {
    return Math.min(this.#options.sizeBytes, blocks * blockBytes);
  }
}
