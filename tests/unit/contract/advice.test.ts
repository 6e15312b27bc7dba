import { describe, expect, test } from 'vitest';
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

  // An earlier job has changed things before this refusal, and knows best where the data is.
  const refusals = errorCodes.filter((code) => adviceTable[code].exitCode === exitCodes.refused);
  test.each(refusals.filter((code) => code !== 'earlier-job-died'))(
    '%s: a refusal says that nothing was changed',
    (code) => {
      expect(adviceTable[code].dataIs).toBe('untouched');
    },
  );

  test('fills in the names from the context', () => {
    const { advice } = adviceFor({ code: 'device-has-loop', context: { loop: '/dev/loop3' } });
    expect(advice).toBe(
      'Detach it with "losetup -d /dev/loop3" first, or name /dev/loop3 instead of the file.',
    );
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

  test('lets a job that knows better say where the data is', () => {
    const error = { code: 'engine-died', message: 'the engine ended', context: {} } as const;
    expect(explain(error, 'source')).toContain('Your data is whole on the source.');
  });
});
