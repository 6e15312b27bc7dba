import { expect, test } from 'vitest';
import { PerUserLimit } from '../../../app/service/per-user-limit.ts';

/** Something that is open until it is told to end. */
function openOne(): { readonly act: () => Promise<void>; readonly end: () => void } {
  let end = (): void => {};
  const open = new Promise<void>((resolve) => (end = resolve));
  return { act: () => open, end: () => end() };
}

test('refuses what goes over it without having begun it, and keeps out nobody else', async () => {
  const limit = new PerUserLimit({ perUserMax: 2, totalMax: 9 }, 'looks');
  const ones = [openOne(), openOne(), openOne()];
  const open = ones.slice(0, 2).map(({ act }) => limit.during(7, act));
  let isBegun = false;
  const begin = (): Promise<void> => {
    isBegun = true;
    return Promise.resolve();
  };
  await expect(limit.during(7, begin)).rejects.toMatchObject({
    code: 'too-many-requests',
    message: 'user 7: 2 looks are open, and that is as many as can be',
  });
  expect(isBegun).toBe(false);
  await limit.during(8, begin);
  for (const { end } of ones) end();
  await Promise.all(open);
  await limit.during(7, begin);
});

test('is limited for all users together, and never for root by others', async () => {
  const limit = new PerUserLimit({ perUserMax: 2, totalMax: 3 }, 'looks');
  const ones = Array.from({ length: 5 }, openOne);
  const users = [0, 7, 8, 9, 0];
  const open = ones.map(({ act }, index) => limit.during(users[index] ?? 0, act));
  await expect(limit.during(10, () => Promise.resolve())).rejects.toMatchObject({
    code: 'too-many-requests',
    message: 'user 10: users together have as many looks open as can be',
  });
  for (const { end } of ones) end();
  await Promise.all(open);
  await limit.during(10, () => Promise.resolve());
});

test('has room again after a failure', async () => {
  const limit = new PerUserLimit({ perUserMax: 1, totalMax: 1 }, 'looks');
  const fail = (): Promise<never> => Promise.reject(new Error('so it is'));
  await expect(limit.during(7, fail)).rejects.toThrow('so it is');
  await expect(limit.during(7, fail)).rejects.toThrow('so it is');
});
