import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { RevivalQuestion } from '../../../main/page-revival.ts';
import { PageRevival } from '../../../main/page-revival.ts';

let asked: RevivalQuestion[];
let answer: Promise<number>;
let timesLoaded: number;
let timesClosed: number;
let isClosed: boolean;
let loaded: Promise<void>;
let page: PageRevival;

beforeEach(() => {
  vi.useFakeTimers();
  [asked, timesLoaded, timesClosed, isClosed] = [[], 0, 0, false];
  [answer, loaded] = [Promise.resolve(0), Promise.resolve()];
  page = new PageRevival({
    load: () => {
      timesLoaded += 1;
      return loaded;
    },
    isClosed: () => isClosed,
    ask: (question) => {
      asked.push(question);
      return answer;
    },
    close: () => void (timesClosed += 1),
  });
});
afterEach(() => {
  vi.useRealTimers();
});

async function failTimes(count: number, reason = 'crashed'): Promise<void> {
  for (let time = 0; time < count; time += 1) {
    page.failed(reason);
    await vi.advanceTimersByTimeAsync(5000);
  }
}

test('a page whose process has gone is loaded anew at once, and later when it goes again', async () => {
  page.failed('crashed');
  await vi.advanceTimersByTimeAsync(0);
  expect(timesLoaded).toBe(1);
  page.failed('oom');
  await vi.advanceTimersByTimeAsync(4999);
  expect(timesLoaded).toBe(1);
  await vi.advanceTimersByTimeAsync(1);
  expect([timesLoaded, asked]).toEqual([2, []]);
});

test('a page that goes again and again is not tried for ever: the person is asked, and told that moves go on', async () => {
  answer = new Promise(() => {});
  await failTimes(10);
  expect(timesLoaded).toBe(3);
  expect(asked).toHaveLength(1);
  expect(asked[0]?.detail).toMatch(/crashed.*those that run go on/);
});

test.each(['launch-failed', 'integrity-failure'])('a page that went by %s is not tried at all', async (reason) => {
  answer = Promise.resolve(1);
  await failTimes(1, reason);
  expect([timesLoaded, asked.length, timesClosed]).toEqual([0, 1, 1]);
});

test('whoever wants it loaded again gets as many tries as at first', async () => {
  await failTimes(4);
  expect([timesLoaded, asked.length]).toEqual([4, 1]);
  await failTimes(3);
  expect([timesLoaded, asked.length]).toEqual([7, 1]);
});

test('failures of long ago do not count', async () => {
  for (let time = 0; time < 10; time += 1) {
    await failTimes(1);
    await vi.advanceTimersByTimeAsync(60_000);
  }
  expect([timesLoaded, asked]).toEqual([10, []]);
});

test('a page that could not be loaded is tried again, but not one in whose place another is loaded', async () => {
  loaded = Promise.reject(Object.assign(new Error('no page'), { code: 'ERR_ABORTED' }));
  page.load();
  await vi.advanceTimersByTimeAsync(5000);
  expect(timesLoaded).toBe(1);
  loaded = Promise.reject(Object.assign(new Error('no page'), { code: 'ERR_FAILED' }));
  answer = new Promise(() => {});
  page.load();
  await vi.advanceTimersByTimeAsync(20_000);
  expect(timesLoaded).toBe(5);
  expect(asked[0]?.detail).toContain('ERR_FAILED');
});

test('a closed window is left alone, and so is a page that has ended as it should', async () => {
  page.failed('clean-exit');
  page.failed('crashed');
  isClosed = true;
  page.failed('launch-failed');
  await vi.advanceTimersByTimeAsync(10_000);
  expect([timesLoaded, asked]).toEqual([0, []]);
});
