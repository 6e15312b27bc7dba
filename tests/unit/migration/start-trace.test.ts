/** What people are told of a start that fails, by what it had done to the disks. */
import { describe, expect, test } from 'vitest';
import { DiskferryError } from '../../../app/base/error.ts';
import { explain } from '../../../app/contract/advice.ts';
import type { Plan } from '../../../app/contract/plan.ts';
import { StartTrace } from '../../../app/migration/start-trace.ts';

const refusal = new DiskferryError('no-frontend', 'fuse: cannot be mounted', { context: { a: 1 } });

function trace(toBeCreated = false): StartTrace {
  const plan = { source: { path: '/dev/sdb' }, destination: { path: '/dev/sdc', toBeCreated } } as Plan;
  return new StartTrace({ job: 'sdb-1234', plan });
}

describe('a start that fails', () => {
  test('before anything is written has changed nothing', () => {
    const start = trace();
    expect([start.dataIs, start.told(refusal)]).toEqual(['untouched', refusal]);
  });

  test('after that says that the destination was erased', () => {
    const start = trace();
    start.erasing();
    expect(start.dataIs).toBe('source');
    expect(start.told(refusal)).toMatchObject({
      ...{ code: 'no-frontend', context: { a: 1 } },
      message: 'fuse: cannot be mounted; what identified /dev/sdc was erased by then, as confirmed',
    });
  });

  test('has erased nothing where the image is new', () => {
    const start = trace(true);
    start.erasing();
    expect([start.dataIs, start.told(refusal)]).toEqual(['untouched', refusal]);
  });

  test('and leaves the source hidden says how it is shown again, whatever else had failed', () => {
    const start = trace(true);
    start.sourceStaysHidden(new Error('/dev/sdb: write at 512 failed: EIO'));
    expect([start.dataIs, start.isSourceHidden]).toEqual(['source', true]);
    const told = start.told(refusal) as DiskferryError;
    expect(explain(told)).toMatch(
      /^the move has not begun: fuse: .*; \/dev\/sdb was hidden .*: EIO\. .*"diskferry recover --undo sdb-1234".* whole on the source\.$/,
    );
  });

  test('whose source shows in the end has nothing to tell of it', () => {
    const start = trace();
    start.sourceStaysHidden(new Error('no'));
    start.sourceShows();
    expect(start.told(refusal)).toBe(refusal);
  });
});
