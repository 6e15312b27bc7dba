/**
 * The worker's part of verifying: makes the destination durable first, so that what is read back comes from
 * the disk and not from a cache of its own, then lets a VerifyLoop run, and says how it has ended.
 *
 * It may be asked for again, each time from the beginning. Only when copying is complete: it uses the copy
 * loop's buffers and its pace. What was repaired is durable before the end is told.
 */
import type { VerifyLoopOptions, VerifyResult } from '../copy/verify-loop.ts';
import { VerifyLoop } from '../copy/verify-loop.ts';
import type { Router } from '../router/router.ts';

export type VerifyEnd =
  | { readonly kind: 'verified'; readonly result: VerifyResult }
  /** The flush has failed, or (errno 0) an assumption was broken. */
  | { readonly kind: 'verify-failed'; readonly errno: number; readonly message: string };

export interface VerificationOptions extends VerifyLoopOptions {
  readonly router: Router;
}

export class Verification {
  readonly #options: VerificationOptions;
  #loop: VerifyLoop;
  /** Counts starts and stops: what began before the last one does not matter any more. */
  #turn = 0;
  #end: VerifyEnd | undefined;

  constructor(options: VerificationOptions) {
    this.#options = options;
    this.#loop = new VerifyLoop(options);
  }

  /** The last one has ended or was stopped, and nothing of it is under way. */
  start(): void {
    this.#turn += 1;
    this.#loop = new VerifyLoop(this.#options);
    this.#flushThen(() => this.#loop.start());
  }

  #flushThen(goOn: () => void): void {
    const turn = this.#turn;
    this.#options.router.flushDestination((errno) => {
      if (turn !== this.#turn) return;
      if (errno === 0) goOn();
      else this.#end = { kind: 'verify-failed', errno, message: '' };
    });
  }

  /** What is under way ends, and nothing is told any more. */
  stop(): void {
    this.#turn += 1;
    this.#loop.stop();
    this.#end = undefined;
  }

  get isRunning(): boolean {
    return this.#loop.isRunning;
  }

  get isIdle(): boolean {
    return this.#loop.isIdle;
  }

  get doneBytes(): number {
    return this.#loop.doneBytes;
  }

  pump(): void {
    const loop = this.#loop;
    if (!loop.isRunning) return;
    loop.pump();
    if (loop.isComplete) {
      loop.stop();
      const { result } = loop;
      const tell = (): void => void (this.#end = { kind: 'verified', result });
      if (result.repairedBytes > 0) this.#flushThen(tell);
      else tell();
    } else if (loop.failure !== undefined) {
      this.#end = { kind: 'verify-failed', errno: 0, message: loop.failure };
    }
  }

  /** How it has ended, told once. */
  takeEnd(): VerifyEnd | undefined {
    const end = this.#end;
    this.#end = undefined;
    return end;
  }
}
