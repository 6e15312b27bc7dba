/**
 * What one client is told without asking. Progress comes at most so often per second, the newest of each job;
 * everything else at once. A client that does not read is cut off from the stream, and told so when it
 * reads again: the jobs never wait for it, and nothing piles up.
 */
import { serviceLimits } from '../contract/service.ts';
import type { JobEvent, JobEventOf } from '../contract/events.ts';

export interface StreamSink {
  /** Bytes that wait in the socket. */
  readonly unreadBytes: () => number;
  readonly send: (name: 'event' | 'devicesChanged' | 'streamEnded', parameters: object) => void;
}

export interface Interest {
  /** Null: every job. */
  readonly job: string | null;
  readonly devices: boolean;
}

const progressEveryMs = 1000 / serviceLimits.progressPerSecondMax;

export class EventStream {
  readonly #sink: StreamSink;
  readonly #interest: Interest;
  readonly #waiting = new Map<string, JobEventOf<'progress'>>();
  #timer: NodeJS.Timeout | undefined;
  #lastProgressMs = -Infinity;
  #hasEnded = false;

  constructor(sink: StreamSink, interest: Interest) {
    this.#sink = sink;
    this.#interest = interest;
  }

  event(event: JobEvent): void {
    if (this.#interest.job !== null && this.#interest.job !== event.job) return;
    if (event.event !== 'progress') {
      // What is known of the job's progress comes before what follows it.
      this.#waiting.delete(event.job);
      this.#send('event', event);
      return;
    }
    this.#waiting.set(event.job, event);
    this.#sendProgress();
  }

  devicesChanged(): void {
    if (this.#interest.devices) this.#send('devicesChanged', {});
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  end(): void {
    this.#hasEnded = true;
    this.#waiting.clear();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** One notification at a time, so that many jobs share the limit. */
  #sendProgress(): void {
    if (this.#timer !== undefined) return;
    const [oldest] = this.#waiting;
    if (oldest === undefined) return;
    const waitMs = this.#lastProgressMs + progressEveryMs - performance.now();
    if (waitMs > 0) {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#sendProgress();
      }, Math.ceil(waitMs));
      return;
    }
    this.#waiting.delete(oldest[0]);
    this.#lastProgressMs = performance.now();
    this.#send('event', oldest[1]);
    this.#sendProgress();
  }

  #send(name: 'event' | 'devicesChanged', parameters: object): void {
    if (this.#hasEnded) return;
    if (this.#sink.unreadBytes() <= serviceLimits.unreadBytesMax) {
      this.#sink.send(name, parameters);
      return;
    }
    this.end();
    this.#sink.send('streamEnded', { reason: 'this client has read too slowly' });
  }
}
