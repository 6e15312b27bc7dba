import { describe, expect, test } from 'vitest';
import { runProgram, runProgramHead, runProgramLines, withProgramLimit } from '../../../app/devices/program.ts';

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

  test('lets nobody wait whose program leaves its output to another that goes on', async () => {
    const end = runProgramHead('sh', ['-c', 'sleep 20 & wait'], 4, 50);
    await expect(end).rejects.toMatchObject({ code: 'command-failed', message: expect.stringContaining('takes too long') });
    // It is no longer there itself.
    await expect(runProgramHead('sh', ['-c', 'sleep 20 & wait'], 4, 50)).rejects.toThrow('takes too long');
  });

  test('nor whoever reads such output line by line', async () => {
    const end = withProgramLimit(50, () => runProgramLines('sh', ['-c', 'sleep 20 & wait'], () => undefined));
    await expect(end).rejects.toMatchObject({ code: 'command-failed', message: expect.stringContaining('takes too long') });
  });
});
