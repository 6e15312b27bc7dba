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
function shown(event: JobEvent, columns: number, rows = 24): string {
  const terminal = Object.assign(new PassThrough(), { isTTY: true, columns, rows });
  const view = new LiveView(terminal as unknown as NodeJS.WriteStream);
  view.handle(halfWay);
  view.handle(event);
  return String(terminal.read());
}

const failure: JobEvent = {
  ...{ event: 'failed', job: 'sdb-1234', timeMs: 0, code: 'engine-died', dataIs: 'both' },
  message: `/dev/sdb: ${'the process that served it has died, '.repeat(6)}and nobody takes over`,
  advice: 'Keep both disks as they are, and run "diskferry recover sdb-1234".',
};

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

  test.each([1, 3, 24])('leaves nothing away of what stays, on a terminal of %i rows', (rows) => {
    const words = stripVTControlCharacters(shown(failure, 40, rows)).replaceAll(/\s+/g, ' ');
    for (const text of [failure.message, failure.advice]) expect(words).toContain(text);
  });

  test('takes the live part away before what stays, and draws it anew below', () => {
    const terminal = Object.assign(new PassThrough(), { isTTY: true, columns: 80, rows: 24 });
    const view = new LiveView(terminal as unknown as NodeJS.WriteStream);
    view.handle(halfWay);
    const live = String(terminal.read()).split('\n').length;
    view.note('Something');
    const written = String(terminal.read());
    expect(written.split('\u001b[2K')).toHaveLength(live + 1);
    expect(stripVTControlCharacters(written)).toMatch(/• Something\n$/);
    view.handle(halfWay);
    expect(stripVTControlCharacters(String(terminal.read()))).toMatch(/^ {2}█/);
  });

  test.each([20, 40, 80])('leaves no colour on at the end of a line of %i columns', (columns) => {
    const begun = shown(halfWay, columns).match(/\u001b\[(36|2)m/g) ?? [];
    const ended = shown(halfWay, columns).match(/\u001b\[(39|22)m/g) ?? [];
    expect(ended).toHaveLength(begun.length);
  });
});
