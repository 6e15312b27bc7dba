/**
 * The live view of one job at a terminal: a few lines that stay in place at the bottom, under the log of what
 * has happened.
 */
import { styleText } from 'node:util';
import { createLogUpdate } from 'log-update';
import type { JobEvent, JobEventOf } from '../contract/events.ts';
import { crossedBytes, EventTeller, isWhollyDirect, readBackText, returnText, unreadableText } from './event-text.ts';
import type { EventView } from './event-view.ts';
import { formatBytes, formatDuration, formatEta, formatLatency, formatRate } from './format.ts';
import { cutTo, wrapUnder } from './wrap.ts';

const barWidthMax = 60;

export class LiveView implements EventView {
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

  /**
   * A line that stays above the live part; long ones go on under their own beginning, not under the mark. Written past
   * logUpdate, which leaves away the beginning of what is higher than the terminal.
   */
  #keep(sign: string, text: string): void {
    this.#logUpdate.clear();
    this.#stream.write(`${sign} ${wrapUnder(text, { columns: this.#stream.columns, indentWidth: 2 })}\n`);
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
