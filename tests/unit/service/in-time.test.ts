import { describe, expect, test } from 'vitest';
import { runProgram } from '../../../app/devices/program.ts';
import { inTime } from '../../../app/service/in-time.ts';
import { PerUserLimit } from '../../../app/service/per-user-limit.ts';

const soon = { what: '/dev/sdb', msMax: 100 };
const never = (): Promise<never> => new Promise(() => undefined);

describe('inTime', () => {
  test('gives what came in time, and throws what was thrown', async () => {
    const limit = { what: '/dev/sdb', msMax: 60_000 };
    expect(await inTime(limit, () => Promise.resolve(1))).toBe(1);
    await expect(inTime(limit, () => Promise.reject(new TypeError('oh')))).rejects.toThrow('oh');
  });

  test('answers whatever hangs', async () => {
    await expect(inTime(soon, never)).rejects.toMatchObject({
      code: 'look-too-long',
      message: '/dev/sdb: looking at it has taken longer than 0 seconds',
    });
  });

  test('ends the programs that are still at it, and no others', async () => {
    const other = runProgram('sleep', ['1']);
    let end: unknown;
    const look = async (): Promise<unknown> => {
      await Promise.resolve();
      const program = runProgram('sleep', ['3600']);
      program.catch((error: unknown) => (end = error));
      return program;
    };
    await expect(inTime(soon, look)).rejects.toMatchObject({ code: 'look-too-long' });
    await expect.poll(() => end).toMatchObject({ message: 'sleep: ended by SIGKILL' });
    expect(await other).toMatchObject({ exitCode: 0 });
  });

  test('goes on to count what hangs', async () => {
    const looks = new PerUserLimit({ perUserMax: 1, totalMax: 1 }, 'looks');
    await expect(inTime(soon, () => looks.during(1000, never))).rejects.toMatchObject({ code: 'look-too-long' });
    await expect(looks.during(1000, () => Promise.resolve())).rejects.toMatchObject({ code: 'too-many-requests' });
  });
});
