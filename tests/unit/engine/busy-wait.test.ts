import { describe, expect, test } from 'vitest';
import {
  BusyWait,
  inFlightMax,
  lookUs,
  pauseUs,
  quickUs,
  runRequests,
  timedRequests,
} from '../../../app/engine/busy-wait.ts';

const slowUs = quickUs + 1;

/** Asks before each wait, as the loop does. */
class Played {
  readonly load = { inFlight: 0, requests: 0 };
  readonly #busyWait = new BusyWait(this.load);
  readonly #clockUs = Float64Array.of(1_000_000);

  after(elapsedUs: number): boolean {
    this.#clockUs[0] = (this.#clockUs[0] as number) + elapsedUs;
    return this.#busyWait.looksAgain(this.#clockUs);
  }

  /** A request ends after so long. */
  requestAfter(elapsedUs: number): boolean {
    this.load.requests += 1;
    return this.after(elapsedUs);
  }

  /** Whether it looks again after each of so many requests. */
  requests(count: number, elapsedUs: number): boolean[] {
    return Array.from({ length: count }, () => this.requestAfter(elapsedUs));
  }
}

/** The first request starts a run, and the next ones are timed. */
function looking(): Played {
  const played = new Played();
  expect(played.requests(1 + timedRequests, slowUs).at(-1)).toBe(true);
  return played;
}

describe('the loop looks again instead of sleeping', () => {
  test('when the requests that were timed took long, and not before', () => {
    const looked = new Played().requests(1 + timedRequests, slowUs);
    expect(looked).toEqual([...Array<boolean>(timedRequests).fill(false), true]);
  });

  test('however quickly requests end from then on, until it is time to time some again', () => {
    const left = runRequests - timedRequests;
    expect(looking().requests(left + 1, 1)).toEqual([...Array<boolean>(left).fill(true), false]);
  });

  test('for a short time after a request, and again after the next one', () => {
    const played = looking();
    expect([played.after(lookUs), played.after(1), played.requestAfter(1)]).toEqual([true, false, true]);
  });
});

describe('the loop sleeps', () => {
  test('while requests end quickly all the same', () => {
    expect(new Played().requests(3 * runRequests, quickUs)).not.toContain(true);
  });

  test('while every request takes long, as on a slow disk', () => {
    expect(new Played().requests(3 * runRequests, pauseUs + 1)).not.toContain(true);
  });

  test('after a pause, until as many requests have been timed again', () => {
    const played = looking();
    expect(played.requestAfter(pauseUs + 1)).toBe(false);
    expect(played.requests(timedRequests - 1, slowUs)).not.toContain(true);
    expect(played.requestAfter(slowUs)).toBe(true);
  });

  test('while nothing but the copy goes on', () => {
    const played = new Played();
    const looked = Array.from({ length: 3 * runRequests }, () => played.after(slowUs));
    expect(looked).not.toContain(true);
  });

  test('while many requests are in flight, and until as many have been timed after that', () => {
    const played = looking();
    played.load.inFlight = inFlightMax + 1;
    expect(played.requests(3 * runRequests, slowUs)).not.toContain(true);
    played.load.inFlight = 0;
    expect(played.requests(timedRequests - 1, slowUs)).not.toContain(true);
    expect(played.requestAfter(slowUs)).toBe(true);
  });
});
