import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nothingUnreadable } from '../../../../app/contract/events.ts';
import type { JobEvent } from '../../../../app/contract/events.ts';
import { makeReport, reportDocumentSchema } from '../../../../app/contract/report/document.ts';
import { escapeHtml, reportHtml } from '../../../../app/contract/report/html.ts';
import { decidePlan } from '../../../../app/migration/plan.ts';
import { diskFacts, makeFacts, sourceDevice } from '../../migration/made-facts.ts';

const plan = decidePlan(makeFacts({ source: diskFacts(sourceDevice) }), { frontend: 'auto', mode: 'redirect', allowsNoJournal: true });
const at = (timeMs: number) => ({ job: 'sdb-1a2b', timeMs });
const report = {
  ...{ elapsedMs: 61_000, copiedBytes: 1 << 30, redirectedBytes: 1 << 20, skippedBytes: 0, totalBytes: 1 << 30 },
  ...{ interruptions: [], graduation: { changes: 0, longestPauseMs: 0 }, staysOn: null, longestStallMs: 3, warnings: [] },
  ...{ unreadable: nothingUnreadable, unreadableFiles: { paths: [], unknown: null } },
};
const planned: JobEvent = { event: 'planned', ...at(1000), plan };
const finished: JobEvent = { event: 'finished', ...at(62_000), verified: false, report };

describe('makeReport', () => {
  test('says of a finished job what was done, and that the data is on the destination', () => {
    const made = makeReport('sdb-1a2b', [planned, finished]);
    expect(reportDocumentSchema.parse(made)).toEqual(made);
    expect(made).toMatchObject({ outcome: 'finished', dataIs: 'destination', startedMs: 1000, endedMs: 62_000 });
  });

  test('says of a failed job why, and where the data is by the job’s own word', () => {
    const failed: JobEvent = { event: 'failed', ...at(2000), code: 'engine-died', message: 'm', advice: 'a', dataIs: 'both' };
    expect(makeReport('j', [planned, failed])).toMatchObject({ outcome: 'failed', dataIs: 'both', figures: null, failure: { message: 'm' } });
  });

  test('promises nothing of a job without an end, and refuses one without a beginning', () => {
    expect(makeReport('j', [planned])).toMatchObject({ outcome: 'not-ended', dataIs: null, endedMs: null });
    expect(() => makeReport('j', [finished])).toThrow(/no record of how it began/);
  });
});

describe('reportHtml', () => {
  test('shows serials, sizes, names and the journal', () => {
    const page = reportHtml(makeReport('sdb-1a2b', [planned, finished], { technician: 'T. Ek', customer: 'Köhler' }), '1');
    for (const text of ['S-B', '1,073,741,824 bytes', 'T. Ek', 'Köhler', 'Planned: /dev/sdb to /dev/sdc', '1 min 1 s'])
      expect(page).toContain(text);
  });

  test('says what was lost, where, and in which files', () => {
    const unreadable = { extents: [{ offsetBytes: 8192, lengthBytes: 4096 }], extentCount: 3, totalBytes: 12_288 };
    const lossy = { ...report, unreadable, unreadableFiles: { paths: ['/a<b'], unknown: null } };
    const undone: JobEvent = { event: 'undone', ...at(62_000), report: lossy };
    const page = reportHtml(makeReport('j', [planned, undone]), '1');
    for (const text of ['4096 bytes at 8192, 2 more places', '/a&lt;b', 'but 12 KiB that could not be read'])
      expect(page).toContain(text);
    expect(reportHtml(makeReport('j', [planned, finished]), '1')).not.toContain('Lost');
  });

  test('has no script and loads nothing', () => {
    const page = reportHtml(makeReport('j', [planned, finished]), '1');
    expect(page).not.toMatch(/<script|<img|<link|<iframe|url\(|https?:|@import|\son\w+=/i);
    expect(page).toContain("default-src 'none'");
  });

  test('escapes every text that comes from outside', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const evil = `<script>"'&${text}`;
        const warning: JobEvent = { event: 'warning', ...at(3), code: 'volume-busy', message: evil };
        const disk = { ...plan.source, path: evil, model: evil, serial: evil };
        const page = reportHtml(
          makeReport(evil, [{ ...planned, plan: { ...plan, source: disk } }, warning, finished], {
            technician: evil,
            customer: evil,
          }),
          '1',
        );
        expect(page).not.toContain('<script');
        expect(page).toContain(escapeHtml(evil));
        const tags = (html: string): number => html.match(/<[a-z/!]/gi)?.length ?? 0;
        const tame = reportHtml(
          makeReport('x', [{ ...planned, plan: { ...plan, source: { ...disk, path: 'x', model: 'x', serial: 'x' } } }, { ...warning, message: 'x' }, finished], { technician: 'x', customer: 'x' }),
          '1',
        );
        expect(tags(page)).toBe(tags(tame));
      }),
      { numRuns: 100 },
    );
  });
});
