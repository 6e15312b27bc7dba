/**
 * Flushes of the consumer, in rounds: one flush of the destination answers all requests that were there when it
 * started; requests that arrive meanwhile share the next one, because their writes may have ended after the
 * running flush began.
 *
 *   write A done · flush 1 starts ─────────────── ends: answers flush 1
 *                     write B done · flush 2 waits ─┘ starts its own round: B was not covered
 *
 * A failed flush stays an error: the kernel reports a lost write once and forgets it, so a later success would
 * be a lie. The source is not flushed: nothing has been written to it.
 */
import type { DiskIo, DiskIoClient } from '../devices/disk-io.ts';
import { destination } from '../devices/disk-io.ts';

export class FlushRounds implements DiskIoClient {
  readonly #io: DiskIo;
  readonly #answer: (slot: number, result: number) => void;
  #running: Int32Array;
  #runningCount = 0;
  #waiting: Int32Array;
  #waitingCount = 0;
  #isDirty = false;
  #failure = 0;

  constructor(io: DiskIo, capacity: number, answer: (slot: number, result: number) => void) {
    this.#io = io;
    this.#answer = answer;
    this.#running = new Int32Array(capacity);
    this.#waiting = new Int32Array(capacity);
  }

  /** A write of the consumer is done, so the next flush has something to make durable. */
  destinationWritten(): void {
    this.#isDirty = true;
  }

  join(slot: number): void {
    this.#waiting[this.#waitingCount] = slot;
    this.#waitingCount += 1;
    if (this.#runningCount === 0) this.#startRound();
  }

  /**
   * Makes everything on the destination durable, also what only the copy loop wrote: for the commit, and so not on the hot
   * path. After any failed flush it fails without trying: what was lost then would be missing from the destination.
   */
  flushEverything(done: (result: number) => void): void {
    if (this.#failure !== 0) {
      done(this.#failure);
      return;
    }
    const ended = (result: number): void => {
      if (result < 0) this.#failure = result;
      done(this.#failure);
    };
    this.#io.flush(destination, { diskOperationDone: (_tag, result) => ended(result) }, 0);
  }

  diskOperationDone(_tag: number, result: number): void {
    if (result < 0) this.#failure = result;
    this.#endRound();
  }

  #startRound(): void {
    const taken = this.#waiting;
    this.#waiting = this.#running;
    this.#running = taken;
    this.#runningCount = this.#waitingCount;
    this.#waitingCount = 0;
    if (this.#isDirty && this.#failure === 0) {
      this.#isDirty = false;
      this.#io.flush(destination, this, 0);
    } else {
      this.#endRound();
    }
  }

  /** Flushes that arrive while the answers go out belong to the next round. */
  #endRound(): void {
    for (let index = 0; index < this.#runningCount; index += 1) {
      this.#answer(this.#running[index] as number, this.#failure);
    }
    this.#runningCount = 0;
    if (this.#waitingCount > 0) this.#startRound();
  }
}
