/**
 * Whether the loop looks at the ring again at once instead of sleeping in it. To be woken takes a thread some
 * 20 to 50 µs where an idle processor sleeps deeply or is a virtual one, twice for each request: more than
 * all of our own work on it. A consumer that asks for one thing at a time waits that out every time; one that
 * asks for many does not notice.
 *
 * Looking takes what is left of a processor, so it must be worth it. The first requests of each run are
 * waited for asleep and timed: where they end quickly all the same (busy processors are awake, and threads
 * that wake each other may share one) the loop goes on sleeping. It never looks while many requests are in
 * flight, and stops soon after the last one: a consumer that pauses, a slow disk, or nothing but the copy
 * cost nothing. Whoever else waits for the processor goes first (Ring.submitAndLook).
 *
 * The time is passed as the clock that holds it: a large number that is passed by value would be allocated.
 */
import type { ConsumerLoad } from '../copy/pace.ts';

/** A run of requests ends where one takes longer than this. */
export const pauseUs = 500;
/** So many requests of a run are timed… */
export const timedRequests = 16;
/** …and after so many a new run begins. */
export const runRequests = 512;
/** Requests that end as quickly as this on average lose next to nothing by sleep. */
export const quickUs = 40;
/** For how long after a request the loop looks. Solid-state disks answer in half of this. */
export const lookUs = 200;
/**
 * With more in flight the next completion is near, and the processor is better left to those who bring it.
 */
export const inFlightMax = 2;

export type Requests = Pick<ConsumerLoad, 'inFlight' | 'requests'>;

export class BusyWait {
  readonly #load: Requests;
  #requestsSeen = 0;
  #lastRequestUs = Number.NEGATIVE_INFINITY;
  #runStartUs = 0;
  #runRequests = 0;
  #isWorthIt = false;

  constructor(load: Requests) {
    this.#load = load;
  }

  /** Asked before each wait, at the time at which the last one ended. */
  looksAgain(clockUs: Float64Array): boolean {
    if (this.#load.requests !== this.#requestsSeen) this.#requestEnded(clockUs);
    if (this.#load.inFlight > inFlightMax) this.#startRun(clockUs);
    return this.#isWorthIt && (clockUs[0] as number) - this.#lastRequestUs <= lookUs;
  }

  #requestEnded(clockUs: Float64Array): void {
    const nowUs = clockUs[0] as number;
    const isPause = nowUs - this.#lastRequestUs > pauseUs;
    this.#requestsSeen = this.#load.requests;
    this.#lastRequestUs = nowUs;
    this.#runRequests += 1;
    if (isPause || this.#runRequests > runRequests) this.#startRun(clockUs);
    if (this.#runRequests === timedRequests) {
      this.#isWorthIt = nowUs - this.#runStartUs > quickUs * timedRequests;
    }
  }

  #startRun(clockUs: Float64Array): void {
    this.#runStartUs = clockUs[0] as number;
    this.#runRequests = 0;
    this.#isWorthIt = false;
  }
}
