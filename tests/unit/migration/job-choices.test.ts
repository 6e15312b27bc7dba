/** What a job offers must work when somebody chooses it, and what it cannot do it must refuse. */
import { describe, expect, test } from 'vitest';
import { DiskferryError, errorCodes } from '../../../app/base/error.ts';
import type { JobState } from '../../../app/contract/control.ts';
import type { Command } from '../../../app/migration/job-choices.ts';
import { choicesAfter, phaseOf, statesFor } from '../../../app/migration/job-choices.ts';

const unpaused = { isPaused: false, isCommitting: false };
const failedIn: JobState[] = ['copying', 'cutting-over', 'undoing'];

describe('a decision', () => {
  test.each([false, true])('offers only what is heard then, also after a pause (%s)', (isPaused) => {
    for (const code of errorCodes) {
      const error = new DiskferryError(code, 'failed');
      const offered = failedIn
        .flatMap((state) => choicesAfter(error, state))
        .map(({ choice }) => choice as Command);
      for (const choice of offered) {
        expect(statesFor(choice, { ...unpaused, isPaused }), choice).toContain('needs-decision');
      }
    }
  });

  test('is not answered by a cut-over, which would only try again what has failed', () => {
    expect(statesFor('cutover', unpaused)).toEqual(['synchronized']);
  });
});

test('a job that waits for a decision is still at what has failed', () => {
  const phases = [...failedIn, 'verifying' as const].map((state) => phaseOf('needs-decision', state));
  expect(phases).toEqual(['copying', 'cutting-over', 'undoing', 'verifying']);
});

describe('pause', () => {
  test('is heard before copying begins, and can be taken back then', () => {
    expect(statesFor('pause', unpaused)).toEqual(['starting', 'copying']);
    expect(statesFor('resume', { ...unpaused, isPaused: true })).toContain('starting');
    expect(statesFor('resume', unpaused)).not.toContain('starting');
  });
});

describe('resume', () => {
  test('is for what is paused when all has crossed, and not for what is held', () => {
    expect(statesFor('resume', { ...unpaused, isPaused: true })).toContain('synchronized');
    expect(statesFor('resume', unpaused)).not.toContain('synchronized');
  });
});

describe('undo', () => {
  test('is heard until the commit begins', () => {
    expect(statesFor('undo', unpaused)).toContain('cutting-over');
    expect(statesFor('undo', { ...unpaused, isCommitting: true })).toEqual([]);
    expect(statesFor('undo', unpaused)).not.toContain('committed');
  });
});
