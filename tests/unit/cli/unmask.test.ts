/** What unmask says for people. */
import { expect, test } from 'vitest';
import { linesOf } from '../../../app/cli/commands/unmask.ts';

const done = { device: '/dev/sdb', types: ['gpt', 'dos'], recognisedBy: ['blkid sees gpt'], warnings: [] };

test('unmask says what was hidden', () => {
  expect(linesOf(done)).toEqual(['/dev/sdb: is recognised again (gpt, dos); nothing else on it has changed.']);
});

test('unmask claims nothing that no program confirms, and passes warnings on', () => {
  expect(linesOf({ ...done, recognisedBy: [], warnings: ['run partprobe /dev/sdb'] })).toEqual([
    '/dev/sdb: shows again what was hidden (gpt, dos), but no program here recognises the disk by it.',
    '/dev/sdb: run partprobe /dev/sdb.',
  ]);
});
