import { describe, expect, test } from 'vitest';
import { understoodEvent, understoodEvents } from '../../../app/contract/told-event.ts';

const line = { job: 'sda-1', timeMs: 1 };
const paused = { event: 'paused', ...line };
/** As another version wrote it to its events.jsonl. */
const recorded =
  '{"event":"failed","job":"sda-1","timeMs":1,"code":"moon-full",' +
  '"message":"m","advice":"a","dataIs":"destination"}';

describe('understoodEvent', () => {
  test('gives what this version knows as it is', () => {
    expect(understoodEvent(paused)).toEqual(paused);
  });

  test.each([undefined, null, 'paused', { event: 'of-the-future', ...line }, { event: 'finished' }])(
    'gives nothing for %j',
    (told) => {
      expect(understoodEvent(told)).toBeUndefined();
    },
  );

  test('lets a failure of a kind that is not known say what is the matter', () => {
    expect(understoodEvent(JSON.parse(recorded))).toEqual({
      ...{ event: 'failed', ...line, code: 'end-not-understood' },
      ...{ message: 'm', advice: 'a', dataIs: 'destination' },
    });
  });

  test.each([
    ['finished', {}, 'destination'],
    ['finished', { verified: 'twice', report: {} }, 'destination'],
    ['undone', { report: null }, 'source'],
    ['failed', {}, 'both'],
    ['failed', { code: 'x', message: 'm', advice: 'a', dataIs: 'on the moon' }, 'both'],
  ])('says of "%s" with %j that the job has ended, and where the data is', (event, rest, dataIs) => {
    expect(understoodEvent({ event, ...line, ...rest })).toMatchObject({
      ...{ event: 'failed', ...line, code: 'end-not-understood', dataIs },
    });
  });

  test('leaves out of many what is not known', () => {
    expect(understoodEvents([paused, {}, paused])).toEqual([paused, paused]);
  });
});
