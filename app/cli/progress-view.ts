/**
 * The live view of one job at a terminal: a few lines that stay in place at the bottom, under the log of what
 * has happened. Where the output is not a terminal, one line per event instead.
 */
import { styleText } from 'node:util';
import { createLogUpdate } from 'log-update';
import type { JobEvent, JobEventOf } from '../contract/events.ts';
import { crossedBytes, EventTeller, isWhollyDirect, readBackText, returnText, unreadableText } from './event-text.ts';
import { formatBytes, formatDuration, formatEta, formatLatency, formatRate } from './format.ts';
import { cutTo, wrapUnder } from './wrap.ts';

const barWidthMax = 60;
/** Without a terminal a log needs progress only now and then. */
const logProgressMs = 10_000;

export interface EventView {
  handle(event: JobEvent): void;
  /** Something for people that is no event. */
  note(text: string): void;
  /** Leaves the last state on the screen and gives the terminal back. */
  close(): void;
}

export function makeEventView(stream: NodeJS.WriteStream, json: boolean): EventView {
  if (json) return new JsonView();
  // A terminal that does not know its size gives the live view no room.
  return stream.isTTY && stream.rows > 0 ? new LiveView(stream) : new LogView(stream);
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

class LiveView implements EventView {
  readonly #stream: NodeJS.WriteStream;
  readonly #teller = new EventTeller();
  readonly #logUpdate: ReturnType<typeof createLogUpdate>;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.#logUpdate = createLogUpdate(stream, { showCursor: true });
  }

  handle(event: JobEvent): void {
    if (event.event === 'progress') this.#logUpdate(progressLines(event, this.#stream.columns));
    else this.#keep(mark(event), this.#teller.textOf(event));
  }

  note(text: string): void {
    this.#keep(styleText('cyan', '•'), text);
  }

  close(): void {
    this.#logUpdate.done();
  }

  /** A line that stays above the live part; long ones go on under their own beginning, not under the mark. */
  #keep(sign: string, text: string): void {
    this.#logUpdate.persist(`${sign} ${wrapUnder(text, { columns: this.#stream.columns, indentWidth: 2 })}`);
  }
}

function mark(event: JobEvent): string {
  switch (event.event) {
    case 'failed':
      return styleText('red', '✗');
    case 'warning':
    case 'decision':
      return styleText('yellow', '!');
    default:
      return styleText('green', '✓');
  }
}

function progressLines(event: JobEventOf<'progress'>, columns: number): string {
  return linesOf(event, columns)
    .map((line) => cutTo(line, columns))
    .join('\n');
}

function linesOf(event: JobEventOf<'progress'>, columns: number): string[] {
  if (event.phase === 'undoing') return [`  ${returnText(event)} · ${copyText(event)}`];
  if (event.phase === 'verifying') return [`  ${readBackText(event)} · ${copyText(event)}`];
  const { totalBytes, consumer, redirectedBytes, skippedBytes } = event;
  const crossed = crossedBytes(event);
  const share = totalBytes === 0 ? 1 : crossed / totalBytes;
  const percent = `${(share * 100).toFixed(1).padStart(5)} %`;
  const requests = `${consumer.readIops} reads/s, ${consumer.writeIops} writes/s`;
  const latency = `p50 ${formatLatency(consumer.p50Us)}, p99 ${formatLatency(consumer.p99Us)}`;
  return [
    `  ${bar(share, Math.min(barWidthMax, columns - percent.length - 6))} ${percent}`,
    `  ${formatBytes(crossed)} of ${formatBytes(totalBytes)} · ${copyText(event)}`,
    isWhollyDirect(event)
      ? '  Volume in use: straight on the destination, at its own speed'
      : `  Volume in use: ${requests}, ${latency}, longest ${formatDuration(consumer.longestStallMs)}`,
    `  Written while moving: ${formatBytes(redirectedBytes)} · free space left out: ${formatBytes(skippedBytes)}`,
    ...(event.unreadableBytes > 0 ? [`  ${unreadableText(event)}`] : []),
  ];
}

function copyText({ phase, copyBytesPerSecond, etaSeconds }: JobEventOf<'progress'>): string {
  if (phase === 'synchronized') return 'everything has crossed';
  return `${formatRate(copyBytesPerSecond)} · ${formatEta(etaSeconds)}`;
}

function bar(share: number, width: number): string {
  const filled = Math.floor(share * Math.max(1, width));
  return styleText('cyan', '█'.repeat(filled)) + styleText('dim', '░'.repeat(Math.max(0, width - filled)));
}
