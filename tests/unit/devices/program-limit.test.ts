import { describe, expect, test } from 'vitest';
import { runProgram } from '../../../app/devices/program.ts';

/** What would keep this process alive. */
function timers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
}

describe('the limit on the time of a program', () => {
  test.each([
    ['has ended', 'true', {}],
    ['is not installed', 'diskferry-no-such-program', { code: 'program-missing' }],
  ])('keeps nobody alive once the program %s', async (_, program, error) => {
    const before = timers();
    const end = runProgram(program, []);
    await ('code' in error ? expect(end).rejects.toMatchObject(error) : end);
    expect(timers()).toBeLessThanOrEqual(before);
  });

  test('ends it', async () => {
    const end = runProgram('sleep', ['1000'], 50);
    await expect(end).rejects.toMatchObject({ code: 'command-failed', message: 'sleep: ended by SIGKILL' });
  });
});
