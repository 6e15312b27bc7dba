import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Turns } from '../../../app/service/turns.ts';

test('lets only so many do it at once, and everybody in the order of their coming', async () => {
  const turns = new Turns(3);
  let [open, most] = [0, 0];
  const order: number[] = [];
  const one = async (index: number): Promise<void> => {
    open += 1;
    most = Math.max(most, open);
    order.push(index);
    await turn();
    open -= 1;
    // One that fails gives its place up as well.
    if (index % 4 === 0) throw new Error('failed');
  };
  const all = Array.from({ length: 40 }, (_, index) => turns.during(() => one(index)));
  const ends = await Promise.allSettled(all);
  expect(most).toBe(3);
  expect(order).toEqual(ends.map((_, index) => index));
  expect(ends.filter(({ status }) => status === 'rejected').length).toBe(10);
});
