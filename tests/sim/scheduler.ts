/**
 * Simulated time: what will happen when, and the clock that the code under test reads. Everything in a
 * simulation happens inside an event, one after the other; time stands still meanwhile and jumps in between.
 */

interface Event {
  readonly timeUs: number;
  /** Events of the same time happen in the order of their making. */
  readonly order: number;
  readonly action: () => void;
}

function isBefore(one: Event, other: Event): boolean {
  return one.timeUs < other.timeUs || (one.timeUs === other.timeUs && one.order < other.order);
}

export class Scheduler {
  /** As the ring has it: one element, microseconds. */
  readonly clockUs = new Float64Array(1);
  /** A binary heap: the parent of entry n is (n - 1) / 2. */
  readonly #events: Event[] = [];
  #made = 0;

  get nowUs(): number {
    return this.clockUs[0] as number;
  }

  get isEmpty(): boolean {
    return this.#events.length === 0;
  }

  after(delayUs: number, action: () => void): void {
    this.#made += 1;
    this.#insert({ timeUs: this.nowUs + delayUs, order: this.#made, action });
  }

  /**
   * Waits for the next event, at most `longestUs`, and lets it and all others of the following `windowUs`
   * happen: what a ring returns from one wait.
   */
  wait(longestUs: number, windowUs: number): void {
    const next = this.#events[0];
    const latestUs = this.nowUs + longestUs;
    if (next === undefined || next.timeUs > latestUs) {
      this.clockUs[0] = latestUs;
      return;
    }
    const endUs = next.timeUs + windowUs;
    for (let event = this.#events[0]; event !== undefined && event.timeUs <= endUs; event = this.#events[0]) {
      this.#removeFirst();
      this.clockUs[0] = event.timeUs;
      event.action();
    }
  }

  /** Nothing of what was to happen will. */
  forget(): void {
    this.#events.length = 0;
  }

  #insert(event: Event): void {
    const events = this.#events;
    let index = events.length;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const other = events[parent] as Event;
      if (isBefore(other, event)) break;
      events[index] = other;
      index = parent;
    }
    events[index] = event;
  }

  #removeFirst(): void {
    const events = this.#events;
    const last = events.pop() as Event;
    if (events.length === 0) return;
    let index = 0;
    for (let child = 1; child < events.length; child = 2 * index + 1) {
      if (child + 1 < events.length && isBefore(events[child + 1] as Event, events[child] as Event))
        child += 1;
      if (isBefore(last, events[child] as Event)) break;
      events[index] = events[child] as Event;
      index = child;
    }
    events[index] = last;
  }
}
