import { expect, test } from 'vitest';
import { formatDuration, formatEta } from '../../../app/cli/format.ts';

const secondMs = 1000;
const minuteMs = 60 * secondMs;

test.each([
  [0.4, '0 ms'],
  [395, '395 ms'],
  [1400, '1.4 s'],
  [59 * secondMs, '59 s'],
  [3 * minuteMs + 5 * secondMs, '3 min 5 s'],
  [26 * 60 * minuteMs, '1 d 2 h'],
])('a time of %d ms is written %s', (milliseconds, text) => {
  expect(formatDuration(milliseconds)).toBe(text);
});

test('an estimate claims no more than is known', () => {
  expect(formatEta(null)).toBe('time left: not known yet');
  expect(formatEta(4)).toBe('a few seconds left');
  expect(formatEta(131)).toBe('about 2 min 15 s left');
});
