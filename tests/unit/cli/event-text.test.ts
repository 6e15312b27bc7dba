/** What events say to people: only what is true, and only commands that work. */
import { describe, expect, test } from 'vitest';
import { EventTeller, eventText } from '../../../app/cli/event-text.ts';
import type { JobEvent, JobReport } from '../../../app/contract/events.ts';
import { eventSentence } from '../../../app/contract/report/event-sentence.ts';
import { decidePlan } from '../../../app/migration/plan.ts';
import { makeFacts } from '../migration/made-facts.ts';
import { options } from '../migration/refusals.ts';

const line = { job: 'sdb-1234', timeMs: 0 };
const plan = decidePlan(makeFacts({}), options);
const report: JobReport = {
  elapsedMs: 1,
  copiedBytes: 0,
  redirectedBytes: 0,
  skippedBytes: 0,
  totalBytes: 4096,
  interruptions: [],
  graduation: { changes: 0, longestPauseMs: 0 },
  staysOn: null,
  longestStallMs: 0,
  unreadable: { extents: [], extentCount: 0, totalBytes: 0 },
  unreadableFiles: { paths: [], unknown: null },
  warnings: [],
};
const decision: JobEvent = {
  event: 'decision',
  ...line,
  message: '/dev/sdc: flush failed: EIO',
  choices: [{ choice: 'undo', meaning: 'go back' }],
};

describe('the text of an event', () => {
  test('says what is erased when there is a plan', () => {
    const text = eventText({ event: 'planned', ...line, plan }, plan.stateDirectory);
    expect(text).toContain(`Erasing ${plan.destination.path}.`);
  });

  test('promises nothing when a decision is needed', () => {
    expect(eventText(decision, '/var/lib/diskferry')).not.toMatch(/nothing is lost/i);
  });

  test.each(['finished', 'undone'] as const)('%s names the device that is still used', (event) => {
    const text = (staysOn: string | null): string => {
      const end = event === 'finished' ? { event, ...line, verified: false } : { event, ...line };
      return eventText({ ...end, report: { ...report, staysOn } }, plan.stateDirectory);
    };
    expect(text('/dev/mapper/diskferry-sdb-1')).toContain('used through /dev/mapper/diskferry-sdb-1 until');
    expect(text(null)).not.toContain('used through');
  });

  test('says before the cut-over what the destination does not have', () => {
    const crossed = { event: 'synchronized', ...line } as const;
    const without = { ...crossed, acceptedBytes: 8192 };
    expect([eventText(crossed, ''), eventSentence(crossed)].join()).toMatch(/Every block has crossed.*Every block had crossed/);
    for (const words of [eventText(without, ''), eventSentence(without)]) {
      expect(words).toContain('8 KiB');
      expect(words).not.toMatch(/every block/i);
    }
  });

  test.each([
    ['/var/lib/diskferry', '"diskferry undo sdb-1234"'],
    ['/srv/state', '"diskferry undo sdb-1234 --state-dir /srv/state"'],
    ["/srv/it's here", `"diskferry undo sdb-1234 --state-dir '/srv/it'\\''s here'"`],
  ])('names commands that find the job in %s', (stateDirectory, command) => {
    const teller = new EventTeller();
    teller.textOf({ event: 'planned', ...line, plan: { ...plan, stateDirectory } });
    expect(teller.textOf(decision)).toContain(command);
  });

  test('says of each interruption how long it was, and only once what it was', () => {
    const at = (how: 'unmounted' | 'suspended', ...where: ('start' | 'cut-over')[]) =>
      where.map((one) => ({ at: one, how, elapsedMs: 1500 }));
    const textOf = (...interruptions: JobReport['interruptions'][number][]): string =>
      eventText({ event: 'finished', ...line, verified: true, report: { ...report, interruptions } }, '');
    expect(textOf(...at('unmounted', 'start', 'cut-over'))).toMatch(
      /; it was away for 1.5 s at the start and for 1.5 s at the cut-over\.$/,
    );
    expect(textOf(...at('unmounted', 'start'), ...at('suspended', 'cut-over'))).toMatch(
      /; it was away for 1.5 s at the start and stood still for 1.5 s at the cut-over\.$/,
    );
  });

  test.each([
    ['copying', 0, '50.0 % (4 MiB of 8 MiB) · 1 MiB/s · a few seconds left · volume: idle'],
    ['copying', 7, '50.0 % (4 MiB of 8 MiB) · 1 MiB/s · a few seconds left · volume: 7 requests/s, p99 120 µs'],
    ['synchronized', 0, '50.0 % (4 MiB of 8 MiB) · volume: idle'],
  ] as const)('says how far it is while %s beside %i requests a second', (phase, readIops, text) => {
    const consumer = { readIops, writeIops: 0, p50Us: 90, p99Us: 120, longestStallMs: 0 };
    const bytes = { copiedBytes: 0, directBytes: 0, redirectedBytes: 0, skippedBytes: 0, toReturnBytes: 0, verifiedBytes: 0 };
    const rest = { pendingBytes: 4 * 2 ** 20, totalBytes: 8 * 2 ** 20, copyBytesPerSecond: 2 ** 20, etaSeconds: 4 };
    const unreadableBytes = 0;
    expect(eventText({ event: 'progress', ...line, phase, ...bytes, ...rest, unreadableBytes, consumer }, '')).toBe(text);
  });

  test('says while it goes back how much is left', () => {
    const consumer = { readIops: 0, writeIops: 0, p50Us: 0, p99Us: 0, longestStallMs: 0 };
    const figures = {
      copyBytesPerSecond: 1e6,
      etaSeconds: 4,
      pendingBytes: 0,
      unreadableBytes: 0,
      toReturnBytes: 4 * 2 ** 20,
      verifiedBytes: 0,
      consumer,
    };
    const done = {
      copiedBytes: 0,
      directBytes: 0,
      redirectedBytes: 0,
      skippedBytes: 0,
      totalBytes: 8 * 2 ** 20,
    };
    const text = eventText({ event: 'progress', ...line, phase: 'undoing', ...done, ...figures }, '');
    expect(text).toMatch(/^Going back to the source: 4 MiB left/);
  });

  test('asks nobody after an undo to erase the destination, which is hidden and may have new content by now', () => {
    const text = eventText({ event: 'undone', ...line, report }, plan.stateDirectory);
    expect(text).toMatch(/source holds everything that was written. Nothing takes the destination for the volume/);
    expect(text).not.toMatch(/erase|disconnect/);
  });

  test('promises nothing after an undo of a destination that could not be hidden', () => {
    const teller = new EventTeller();
    const message = `${plan.destination.path}: hiding its identity failed: EIO`;
    teller.textOf({ event: 'warning', ...line, code: 'disk-not-hidden', message });
    const text = teller.textOf({ event: 'undone', ...line, report });
    expect(text).toMatch(/written. The destination may be taken for the volume, too: see the note about it above\.$/);
  });
});
