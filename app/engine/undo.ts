/**
 * The worker's part of undo: brings the source up to date while its consumer goes on, and says when it is.
 *
 *   asked → copying is still → writes are mirrored → what was written goes back → the source is flushed → returned
 *                                       └────────────────── again, while anything is left ──┘
 *
 * Copying must be still first, for its pieces use the buffers that the way back needs, and read what will be
 * written. When it says `returned`, the source has durably all that was acknowledged before the last flush
 * began; mirroring goes on, so the source stays a full copy except for what it refuses afterwards. Whoever is
 * about to leave the virtual device holds his I/O and asks once more: what `returned` says then stays true.
 *
 * `pump` is called once per turn of the worker's loop. The simulation runs this too.
 */
import { present } from '../base/error.ts';
import type { CopyFailure } from '../copy/copy-failure.ts';
import type { CopyLoop } from '../copy/copy-loop.ts';
import type { PendingBlocks } from '../copy/pending-blocks.ts';
import { BlocksToReturn } from '../copy/pending-blocks.ts';
import type { FlagMap } from '../flags/flag-map.ts';
import { UnreadableBlocks } from '../flags/unreadable-blocks.ts';
import type { Router } from '../router/router.ts';

/** So many mirrored writes may the source refuse, and each be returned, before a person is asked. */
const refusalsMax = 100;

export type UndoFailure = CopyFailure | { readonly operation: 'flush'; readonly errno: number };
export type UndoEnd =
  { readonly kind: 'returned' } | { readonly kind: 'return-failed'; readonly failure: UndoFailure };

export interface UndoOptions {
  /** Neither copying nor a verification has anything under way. */
  readonly isStill: () => boolean;
  readonly router: Router;
  readonly written: FlagMap;
  readonly makeLoop: (pending: PendingBlocks) => CopyLoop;
}

export class Undo {
  readonly #isStill: () => boolean;
  readonly #router: Router;
  readonly #written: FlagMap;
  readonly #makeLoop: (pending: PendingBlocks) => CopyLoop;
  /** What the destination has failed to deliver. */
  readonly unreadable: UnreadableBlocks;
  #phase: 'resting' | 'waiting' | 'returning' | 'flushing' = 'resting';
  #loop: CopyLoop | undefined;
  #refusalsBefore = 0;
  #end: UndoEnd | undefined;

  constructor({ isStill, router, written, makeLoop }: UndoOptions) {
    this.#isStill = isStill;
    this.#router = router;
    this.#written = written;
    this.#makeLoop = makeLoop;
    this.unreadable = new UnreadableBlocks(written.blockCount);
  }

  /** Something may be waiting for the pace of the way back. */
  get isReturning(): boolean {
    return this.#phase === 'returning';
  }

  /** The source may be written from now on. May be asked again, also while the last time has not ended. */
  start(): void {
    if (this.#phase === 'resting') this.#phase = 'waiting';
  }

  /** After only the last reads have failed: what the destination cannot deliver stays on the source as it was. */
  acceptUnreadable(): void {
    if (this.#phase !== 'resting' || this.#loop === undefined) return;
    this.#loop.acceptUnreadable();
    this.#phase = 'returning';
  }

  /** For the engine's end: what is under way ends, and nothing new begins. */
  stop(): void {
    this.#loop?.pause();
    this.#phase = 'resting';
  }

  pump(): void {
    if (this.#phase === 'waiting' && this.#isStill()) this.#begin();
    if (this.#phase === 'returning') this.#pumpLoop(present(this.#loop, 'the loop that carries back'));
  }

  /** How it has ended, told once. */
  takeEnd(): UndoEnd | undefined {
    const end = this.#end;
    this.#end = undefined;
    return end;
  }

  #begin(): void {
    this.#router.mirror.start();
    this.#refusalsBefore = this.#router.mirror.refusals;
    this.#phase = 'returning';
    this.#startLoop();
  }

  /** A loop that is complete does not begin again. */
  #startLoop(): void {
    const sourceLost = (): void => this.#router.mirror.sourceLost();
    const pending = new BlocksToReturn(this.#written, sourceLost, this.unreadable);
    this.#loop = this.#makeLoop(pending);
    this.#loop.start();
  }

  #pumpLoop(loop: CopyLoop): void {
    const { mirror } = this.#router;
    loop.pump();
    if (loop.state === 'failed') {
      if (loop.isIdle) this.#fail(present(loop.failure, 'why the loop has failed'));
    } else if (mirror.refusals - this.#refusalsBefore > refusalsMax) {
      loop.pause();
      if (loop.isIdle)
        this.#fail({ operation: 'write', ...present(mirror.lastRefusal, 'what the source has refused') });
    } else if (loop.state === 'complete' && mirror.isComplete) {
      this.#finish();
    }
  }

  /** Nothing was left a moment ago. */
  #finish(): void {
    if (this.#written.setCount > 0) {
      this.#startLoop();
      return;
    }
    this.#phase = 'flushing';
    this.#router.flushSource((result) => this.#flushed(result));
  }

  #flushed(result: number): void {
    // Stopped meanwhile.
    if (this.#phase !== 'flushing') return;
    if (result < 0) {
      this.#fail({ operation: 'flush', errno: result });
    } else if (this.#written.setCount > 0) {
      this.#phase = 'returning';
      this.#startLoop();
    } else {
      this.#phase = 'resting';
      this.#end = { kind: 'returned' };
    }
  }

  #fail(failure: UndoFailure): void {
    this.#phase = 'resting';
    this.#end = { kind: 'return-failed', failure };
  }
}
