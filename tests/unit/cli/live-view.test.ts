/**
 * The live view at a terminal: what a person reads of it must be whole, whatever the terminal's width and
 * colours.
 */
import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LiveView } from '../../../app/cli/live-view.ts';
import type { JobEvent } from '../../../app/contract/events.ts';
import { gibibyte } from '../../../app/base/units.ts';

const halfWay: JobEvent = {
  event: 'progress',
  job: 'sdb-1234',
  timeMs: 0,
  phase: 'copying',
  copiedBytes: gibibyte,
  redirectedBytes: 0,
  skippedBytes: 0,
  totalBytes: 2 * gibibyte,
  pendingBytes: gibibyte,
  unreadableBytes: 0,
  toReturnBytes: 0,
  verifiedBytes: 0,
  directBytes: 0,
  copyBytesPerSecond: 1_000_000,
  consumer: { readIops: 12_345, writeIops: 12_345, p50Us: 9999, p99Us: 9999, longestStallMs: 999 },
  etaSeconds: 1024,
};

/** What a terminal of that width is given to show. */
function shown(event: JobEvent, columns: number): string {
  const terminal = Object.assign(new PassThrough(), { isTTY: true, columns, rows: 24 });
  new LiveView(terminal as unknown as NodeJS.WriteStream).handle(event);
  return String(terminal.read());
}

describe('the live view', () => {
  beforeEach(() => vi.stubEnv('FORCE_COLOR', '1'));
  afterEach(() => vi.unstubAllEnvs());

  test.each([40, 60, 80, 132])(
    'shows the bar with its percentage, and no line too long, on %i columns',
    (columns) => {
      const text = shown(halfWay, columns);
      expect(text).toContain('\u001b[36m');
      const lines = stripVTControlCharacters(text).split('\n');
      expect(lines[0]).toMatch(/^ {2}█+░+ {2}50\.0 %$/);
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
    },
  );

  test.each([20, 40, 80])('leaves no colour on at the end of a line of %i columns', (columns) => {
    const begun = shown(halfWay, columns).match(/\u001b\[(36|2)m/g) ?? [];
    const ended = shown(halfWay, columns).match(/\u001b\[(39|22)m/g) ?? [];
    expect(ended).toHaveLength(begun.length);
  });
});
