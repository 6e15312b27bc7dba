/** What a ferry that nobody has used leaves, whatever of it fails. */
import { beforeEach, describe, expect, test } from 'vitest';
import { DiskferryError } from '../../../app/base/error.ts';
import { ReleaseStack } from '../../../app/base/release.ts';
import { Ferry } from '../../../app/migration/ferry.ts';

let done: string[];
/** Those that fail. */
let failing: string[];

function act(what: string): Promise<void> {
  done.push(what);
  return failing.includes(what) ? Promise.reject(new DiskferryError('mask-failed', `${what} failed`)) : Promise.resolve();
}

function makeFerry(): Ferry {
  const held = new ReleaseStack();
  held.add('the disks', () => act('release'));
  const parts = {
    ...{ held, sayUnused: () => act('say'), disks: { takeBack: () => act('take back') } },
    engine: { died: () => new Promise(() => undefined) },
  };
  return new Ferry(parts as unknown as ConstructorParameters<typeof Ferry>[0]);
}

beforeEach(() => {
  [done, failing] = [[], []];
});

describe('the source of a job that has not begun', () => {
  test('shows again when the journal has said so', async () => {
    await makeFerry().releaseUnused();
    expect(done).toEqual(['say', 'take back', 'release']);
  });

  test('shows again also when the journal can say nothing', async () => {
    failing = ['say'];
    await expect(makeFerry().releaseUnused()).rejects.toThrow('say failed');
    expect(done).toEqual(['say', 'take back', 'release']);
  });

  test('is tried once when it refuses to show, and let go', async () => {
    failing = ['say', 'take back'];
    await expect(makeFerry().releaseUnused()).rejects.toThrow(/say failed.*take back failed/);
    expect(done).toEqual(['say', 'take back', 'release']);
  });
});
