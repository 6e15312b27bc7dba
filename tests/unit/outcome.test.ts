/**
 * What the runner of all tests makes of its parts: nothing that has failed may be counted as passed, and each
 * failure is named with its reason.
 */
import { describe, expect, test } from 'vitest';
import { failure, failureText, noOutcome, readOutput, readReport, secondRun } from '../outcome.ts';

function reportOf(file: { status: string; message?: string; tests?: readonly object[] }): string {
  const { status, message = '', tests = [] } = file;
  return JSON.stringify({ testResults: [{ name: 'a.test.ts', status, message, assertionResults: tests }] });
}

describe('what Vitest reports', () => {
  test('is counted by test, and each failure keeps the begin of its reason', () => {
    const tests = [
      { status: 'passed', fullName: 'a disk spins' },
      { status: 'failed', fullName: 'a disk stops', failureMessages: ['Error: it spins\n    at line 1'] },
      { status: 'skipped', fullName: 'a disk floats' },
    ];
    const outcome = readReport('unit', reportOf({ status: 'failed', tests }), 1);
    expect(outcome).toMatchObject({ passed: 1, failed: 1, skipped: 1 });
    expect(outcome.failures).toEqual(['failed: a disk stops\n  Error: it spins\n      at line 1']);
  });

  test('is one failure for a file that cannot be loaded', () => {
    const outcome = readReport('unit', reportOf({ status: 'failed', message: 'no such module' }), 1);
    expect(outcome).toMatchObject({
      passed: 0,
      failed: 1,
      failures: ['failed: a.test.ts\n  no such module'],
    });
  });

  test('is a failure when all have passed and the run has not', () => {
    const tests = [{ status: 'passed', fullName: 'a disk spins' }];
    expect(readReport('unit', reportOf({ status: 'passed', tests }), 1)).toMatchObject({
      passed: 1,
      failed: 1,
    });
  });
});

describe('what another runner prints', () => {
  test('is counted by its last line, with or without what was skipped', () => {
    expect(readOutput('sim', 'seed 1\n500 passed, 0 failed\n', 0)).toMatchObject({
      passed: 500,
      failed: 0,
      skipped: 0,
    });
    expect(readOutput('guests', '7 passed, 0 failed, 2 skipped\n', 0)).toMatchObject({
      passed: 7,
      failed: 0,
      skipped: 2,
    });
  });

  test('keeps the failures that it names', () => {
    const output = `${failureText('a disk stops', 'Error: it spins')}\nqemu: booted\n7 passed, 1 failed, 2 skipped\n`;
    expect(readOutput('guests', output, 1).failures).toEqual(['failed: a disk stops\n  Error: it spins']);
  });

  test('is a failure without a count, with a bad exit code, and with failures that have no name', () => {
    expect(readOutput('sim', 'seed 1\n', 0)).toMatchObject({ passed: 0, failed: 1 });
    expect(readOutput('sim', '500 passed, 0 failed\n', 1)).toMatchObject({ passed: 500, failed: 1 });
    expect(readOutput('sim', '499 passed, 1 failed\n', 1).failures).toHaveLength(1);
  });
});

describe('a second run of what has failed in a guest', () => {
  const fast = failure('a disk stops', 'Error: it spins');
  const both = { ...fast, failed: 2, failures: [...fast.failures, failureText('a disk floats', 'no water')] };

  test('counts alone, and what passed only now is named as unsteady, with its first reason', () => {
    const second = { ...noOutcome(), passed: 2 };
    const outcome = secondRun(fast, second);
    expect(outcome).toMatchObject({ passed: 2, failed: 0, failures: [] });
    expect(outcome.unsteady).toEqual([
      'unsteady: a disk stops\n  passed at the second run; the first had said:\n  Error: it spins',
    ]);
  });

  test('leaves a failure what has failed again, for whatever reason', () => {
    const outcome = secondRun(both, { ...failure('a disk floats', 'still none'), passed: 1 });
    expect(outcome).toMatchObject({ passed: 1, failed: 1, failures: ['failed: a disk floats\n  still none'] });
    expect(outcome.unsteady).toEqual([expect.stringContaining('unsteady: a disk stops\n')]);
  });

  test('is told on by what repeats the counts', () => {
    const { unsteady } = secondRun(fast, { ...noOutcome(), passed: 2 });
    expect(readOutput('guests', `${unsteady.join('\n')}\n2 passed, 0 failed, 0 skipped\n`, 0)).toMatchObject({
      failed: 0,
      unsteady,
    });
  });
});
