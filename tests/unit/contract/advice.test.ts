import { describe, expect, test } from 'vitest';
import type { ErrorCode } from '../../../app/base/error.ts';
import { errorCodes } from '../../../app/base/error.ts';
import { adviceFor, adviceTable, dataPlaceTexts, explain } from '../../../app/contract/advice.ts';
import { exitCodes } from '../../../app/contract/exit-codes.ts';

describe('advice', () => {
  test('has an entry for every error code and for nothing else', () => {
    expect(Object.keys(adviceTable).sort()).toEqual([...errorCodes].sort());
  });

  test.each(errorCodes)('%s: is one short line of whole sentences with a documented exit code', (code) => {
    const { advice, exitCode, dataIs } = adviceTable[code];
    expect(advice).toMatch(/^[A-Z][^\n]{10,160}\.$/);
    expect(Object.values(exitCodes)).toContain(exitCode);
    expect(dataPlaceTexts[dataIs]).toMatch(/\.$/);
  });

  // A job that died has changed things before these refusals, and they leave it as it is.
  const ofDeadJobs: readonly ErrorCode[] = [
    'earlier-job-died',
    'disk-not-found',
    'job-held',
    'disk-silent',
    'disk-unmasked',
    'source-changed',
    'virtual-device-held',
    'record-unreadable',
    'journal-missing',
    'journal-damaged',
    'journal-from-the-future',
    'journal-mismatch',
  ];
  const refusals = errorCodes.filter((code) => adviceTable[code].exitCode === exitCodes.refused);
  test.each(refusals.filter((code) => !ofDeadJobs.includes(code)))(
    '%s: a refusal says that nothing was changed',
    (code) => {
      expect(adviceTable[code].dataIs).toBe('untouched');
    },
  );

  test.each(ofDeadJobs)('%s: is about a job that died, and says to keep both disks', (code) => {
    expect(adviceTable[code].dataIs).toBe('both');
  });

  test('of a job that died names the command that goes on with it', () => {
    const error = { code: 'earlier-job-died', context: { job: 'sdb-1234' } } as const;
    expect(adviceFor(error).advice).toContain('diskferry recover sdb-1234');
  });

  test.each(['job-missing', 'job-state'] as const)(
    '%s: claims nothing of the data of a job that was not asked',
    (code) => {
      expect(adviceTable[code].dataIs).toBe('unknown');
    },
  );

  test.each(errorCodes)(
    '%s: names no file that nobody writes, and does not call safe what may be lost',
    (code) => {
      const { advice, dataIs } = adviceTable[code];
      expect(advice).not.toMatch(/\blog in\b|read the report/);
      if (dataIs === 'both') expect(explain({ code, message: 'x', context: {} })).not.toMatch(/\bsafe\b/);
    },
  );

  test('fills in the names from the context', () => {
    const { advice } = adviceFor({ code: 'device-has-loop', context: { loop: '/dev/loop3' } });
    expect(advice).toBe(
      'Detach it with "losetup -d /dev/loop3" first, or name /dev/loop3 instead of the file.',
    );
  });

  test('of a file to grow names the file', () => {
    const { advice } = adviceFor({ code: 'not-attached', context: { device: 'a.img', file: '/images/a.img' } });
    expect(advice).toContain('"losetup --find --show --partscan /images/a.img"');
  });

  test('explains in one line: what, why, what to do, where the data is', () => {
    const error = {
      code: 'device-same',
      message: '/dev/sdb: source and destination are one disk',
      context: {},
    } as const;
    expect(explain(error)).toBe(
      '/dev/sdb: source and destination are one disk. Name two different disks. ' +
        'Nothing has been changed; your data is where it was.',
    );
  });

  test('ends a message with one full stop', () => {
    const error = { code: 'device-same', message: 'The system said so.', context: {} } as const;
    expect(explain(error)).toMatch(/^The system said so\. Name/);
  });

  test('lets a job that knows better say where the data is', () => {
    const error = { code: 'engine-died', message: 'the engine ended', context: {} } as const;
    expect(explain(error, 'source')).toContain('Your data is whole on the source.');
  });
});

test.each(['source-changed', 'disk-unmasked', 'journal-missing', 'journal-damaged'] as const)(
  'whoever has to give a job up, with %s, is told how a hidden disk shows',
  (code) => {
    const context = { device: '/dev/sdb', source: '/dev/sdb' };
    expect(adviceFor({ code, context }).advice).toMatch(/"diskferry unmask (\/dev\/sdb|DISK) --i-know-it-is-stale"/);
  },
);
