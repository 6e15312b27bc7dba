/**
 * What is shown of a job's events: the live view at a terminal (live-view.ts), one line per event where the output is
 * none, one JSON object per event for programs.
 */
import type { JobEvent } from '../contract/events.ts';
import { EventTeller } from './event-text.ts';

/** Without a terminal a log needs progress only now and then. */
const logProgressMs = 10_000;

export interface EventView {
  handle(event: JobEvent): void;
  /** Something for people that is no event. */
  note(text: string): void;
  /** Leaves the last state on the screen and gives the terminal back. */
  close(): void;
}

/** The live view is loaded only where it is shown: to know how wide characters are takes long to prepare. */
export async function makeEventView(stream: NodeJS.WriteStream, json: boolean): Promise<EventView> {
  if (json) return new JsonView();
  // A terminal that does not know its size gives the live view no room.
  if (!stream.isTTY || stream.rows === 0) return new LogView(stream);
  const { LiveView } = await import('./live-view.ts');
  return new LiveView(stream);
}

/** One JSON object per line on stdout; stderr stays free for people. */
class JsonView implements EventView {
  handle(event: JobEvent): void {
    process.stdout.write(`${JSON.stringify(event)}\n`);
  }

  note(text: string): void {
    process.stderr.write(`${text}\n`);
  }

  close(): void {}
}

class LogView implements EventView {
  readonly #stream: NodeJS.WriteStream;
  readonly #teller = new EventTeller();
  /** Not by the events' time: that jumps when somebody sets the clock. */
  #lastProgressMs = Number.NEGATIVE_INFINITY;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  handle(event: JobEvent): void {
    if (event.event === 'progress') {
      // A job that waits for its cut-over may do so for days.
      const nowMs = performance.now();
      if (event.phase === 'synchronized' || nowMs - this.#lastProgressMs < logProgressMs) return;
      this.#lastProgressMs = nowMs;
    }
    this.#write(event.timeMs, this.#teller.textOf(event));
  }

  note(text: string): void {
    this.#write(Date.now(), text);
  }

  close(): void {}

  #write(timeMs: number, text: string): void {
    this.#stream.write(`${new Date(timeMs).toISOString().slice(11, 19)} ${text}\n`);
  }
}
