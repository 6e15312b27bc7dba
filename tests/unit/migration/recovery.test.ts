/** How a dead job goes on: every phase, asked to go back or not, in its start or after it. */
import { describe, expect, test } from 'vitest';
import { jobPhases } from '../../../app/journal/job-phase.ts';
import { mayHaveBeenUsed } from '../../../app/migration/job-record.ts';
import { decideContinuation } from '../../../app/migration/recovery.ts';

const { copying, undoing, committing, committed, undone } = jobPhases;
const job = 'sdb-1234';

describe('a dead job', () => {
  test.each([
    // What, then what it does by itself, when it is to go back, and when it is to go back and had died in its start.
    ['was copying', copying, ['go-on', 'go-back', 'finish-on-source']],
    ['was going back', undoing, ['go-back', 'go-back', 'go-back']],
    ['had gone back', undone, ['finish-on-source', 'finish-on-source', 'finish-on-source']],
  ] as const)('that %s', (_, phase, expected) => {
    const cases = [
      { goesBack: false, mayHaveBeenUsed: true },
      { goesBack: true, mayHaveBeenUsed: true },
      { goesBack: true, mayHaveBeenUsed: false },
    ];
    expect(cases.map((one) => decideContinuation({ job, phase, ...one }))).toEqual(expected);
  });

  test.each([committing, committed])('that was at its commit goes on to its end, and not back (%d)', (phase) => {
    const found = { job, phase, mayHaveBeenUsed: true };
    expect(decideContinuation({ ...found, goesBack: false })).toBe('finish-on-destination');
    expect(() => decideContinuation({ ...found, goesBack: true })).toThrow(/cannot undo/);
  });

  test('may have been used when it has a sample, or something has crossed', () => {
    const sourceSample = { extents: [], sha256: '' };
    const record = { sourceSample: null } as Parameters<typeof mayHaveBeenUsed>[0];
    const asked = [record, { ...record, sourceSample }].flatMap((one) => [
      mayHaveBeenUsed(one, false),
      mayHaveBeenUsed(one, true),
    ]);
    expect(asked).toEqual([false, true, true, true]);
  });
});
