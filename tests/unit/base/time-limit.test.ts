import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { withTimeLimit } from '../../../app/base/time-limit.ts';

const late = (): Error => new Error('too late');
const minuteMs = 60_000;

test('gives what the work gives, or throws what it throws', async () => {
  expect(await withTimeLimit(Promise.resolve(7), minuteMs, late)).toBe(7);
  await expect(withTimeLimit(Promise.reject(new Error('broken')), minuteMs, late)).rejects.toThrow('broken');
});

test('throws when the work is late; that it fails afterwards is nobody’s any more', async () => {
  const work = sleep(30).then((): never => {
    throw new Error('broken');
  });
  await expect(withTimeLimit(work, 1, late)).rejects.toThrow('too late');
  // An unhandled rejection would fail this test.
  await sleep(60);
});

test('keeps no process waiting when the work is done', async () => {
  const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  await withTimeLimit(Promise.resolve(), minuteMs, late);
  expect(process.getActiveResourcesInfo().filter((name) => name === 'Timeout')).toHaveLength(before);
});
