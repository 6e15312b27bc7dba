/** Events in the order of their coming, for one who waits for each; and why no more will come. */
import type { ServiceEvents } from '../client/service-client.ts';
import { DiskferryError } from '../base/error.ts';
import type { JobEvent } from '../contract/events.ts';

export class EventQueue {
  readonly #events: JobEvent[] = [];
  #failure: DiskferryError | undefined;
  #wake: () => void = () => undefined;

  /** For a connection to the service, whose events come here. */
  readonly listener: ServiceEvents = {
    onEvent: (event) => {
      this.#events.push(event);
      this.#wake();
    },
    onStreamEnded: (reason) => this.fail(new DiskferryError('stream-ended', reason)),
  };

  /** What happened before anything that has come since. */
  pushFirst(events: readonly JobEvent[]): void {
    this.#events.unshift(...events);
    this.#wake();
  }

  fail(failure: DiskferryError): void {
    this.#failure ??= failure;
    this.#wake();
  }

  /** Throws why no more will come: `stream-ended`, or what it was told. */
  async next(): Promise<JobEvent> {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) return event;
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((wake) => (this.#wake = wake));
    }
  }
}
