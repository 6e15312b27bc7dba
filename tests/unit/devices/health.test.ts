import { describe, expect, test } from 'vitest';
import { hasHealth, parseSmartctl } from '../../../app/devices/health.ts';
import { blockDevice } from './made-inventory.ts';

/** As smartctl(8) numbers the bits of its exit code. */
const [cannotOpen, failing] = [1 << 1, 1 << 3];

describe('parseSmartctl', () => {
  test.each([
    [{ smart_status: { passed: true } }, 0, 'good'],
    [{ smart_status: { passed: false } }, 0, 'failing'],
    [{ smart_status: { passed: true } }, failing, 'failing'],
    [{}, 0, 'unknown'],
  ])('%j with exit code %i is %s', (answer, exitCode, state) => {
    expect(parseSmartctl(JSON.stringify(answer), exitCode).state).toBe(state);
  });

  test('says in its own words why a disk cannot be asked', () => {
    const answer = { smartctl: { messages: [{ string: 'Unable to detect device type' }] } };
    expect(parseSmartctl(JSON.stringify(answer), cannotOpen)).toMatchObject({
      state: 'unknown',
      message: 'Unable to detect device type',
    });
  });

  test.each(['', '{', '[]', '{"smart_status": 3}'])('takes %j for no answer', (text) => {
    expect(parseSmartctl(text, 0).state).toBe('unknown');
  });
});

test.each([
  ['sda', true],
  ['nvme0n1', true],
  ['loop3', false],
  ['dm-0', false],
  ['ublkb0', false],
])('only disks have a health of their own: %s %s', (kernelName, expected) => {
  expect(hasHealth(blockDevice('8:0', { kernelName }))).toBe(expected);
});
