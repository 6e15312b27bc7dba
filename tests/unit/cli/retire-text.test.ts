/** What retire shows of the original of a move, and what it offers. */
import { describe, expect, test } from 'vitest';
import { retireText } from '../../../app/cli/retire-text.ts';
import type { PlannedDisk } from '../../../app/contract/plan.ts';
import type { RetiredDisk } from '../../../app/contract/retire.ts';
import { decidePlan } from '../../../app/migration/plan.ts';
import { makeFacts } from '../migration/made-facts.ts';
import { options } from '../migration/refusals.ts';

const { source } = decidePlan(makeFacts(), options);
const disk: PlannedDisk = { ...source, path: '/dev/sda', sizeBytes: 1024 ** 3, model: 'Old', serial: 'A1' };
const destination: PlannedDisk = { ...source, path: '/dev/sdb', sizeBytes: 2 * 1024 ** 3, model: null, serial: 'B2' };
const whole: RetiredDisk = {
  ...{ disk, destination, destinationPath: '/dev/sdb', job: 'sda-1234', endedMs: Date.UTC(2026, 0, 2, 3, 4, 5) },
  ...{ state: 'whole', hidden: ['gpt', 'dos'], method: 'discard', refusal: null },
};

function textOf(change: Partial<RetiredDisk>, erases = false): string {
  return retireText({ ...whole, ...change }, { erases, stream: { columns: 1000 } });
}

describe('retire shows', () => {
  test('which move it was, where to, that all is still there, and what can be done', () => {
    expect(textOf({}).split('\n')).toEqual([
      'Disk         /dev/sda, 1 GiB (Old, serial A1)',
      'Is           the original of the move sda-1234, which ended on 2026-01-02 03:04:05 UTC',
      'Destination  /dev/sdb, 2 GiB (serial B2)',
      'State        still holds all that it held when the move began; it is hidden, and samples of it are as the move left them (hidden: gpt, dos)',
      'To do        erase all of it: diskferry retire /dev/sda --erase',
      '             keep it as an old copy: diskferry unmask /dev/sda --i-know-it-is-stale (while the destination is not connected)',
      '             use it again: name it as the destination of another move',
    ]);
  });

  test.each([
    ['/dev/sdb', /^Destination  \/dev\/sdb, 2 GiB \(serial B2\)$/m],
    ['/dev/sdc', /^Destination  \/dev\/sdb, .*, now \/dev\/sdc$/m],
    [null, /^Destination  \/dev\/sdb, .*, not connected$/m],
  ])('where the destination is now: %s', (destinationPath, expected) => {
    expect(textOf({ destinationPath })).toMatch(expected);
  });

  test('what an erasing will do, in honest words', () => {
    expect(textOf({}, true)).toMatch(/^Erase +discard: .* must read as zeroes then.* a laboratory may still find parts of it$/m);
    expect(textOf({ method: 'overwrite' }, true)).toMatch(/^Erase +overwrite: zeroes are written over all of it.* not reached by that$/m);
    expect(textOf({}, true)).not.toContain('To do');
  });

  test('one that is erased in part is only to be erased on', () => {
    const text = textOf({ state: 'partly-erased' });
    expect(text).toContain('To do        go on with it: diskferry retire /dev/sda --erase');
    expect(text).not.toContain('unmask');
  });

  test('nothing to do with one that is erased', () => {
    expect(textOf({ state: 'erased', hidden: [] })).toMatch(/State +is erased, and has not been used since$/);
  });

  test('why it would not be erased, once', () => {
    const refusal = { code: 'may-be-only-copy', message: '/dev/sda: may be the only copy', context: {} } as const;
    expect(textOf({ refusal })).toMatch(/^Erase +not now: \/dev\/sda: may be the only copy\. Connect the destination .*$/m);
    expect(textOf({ refusal }, true)).not.toContain('may be the only copy');
  });
});
