/** Whether a disk is what a finished move has left behind, and may be erased: every combination of what can be found. */
import { describe, expect, test } from 'vitest';
import type { Evidence, Verdict } from '../../../app/migration/retired-verdict.ts';
import { judgeRetired } from '../../../app/migration/retired-verdict.ts';

const records = ['none', 'source', 'destination'] as const;
const erasures = ['none', 'begun', 'proof-touched', 'finished'] as const;
const samples = ['same', 'differs', 'unreadable', 'none'] as const;
const destinations = ['as-moved', 'other', 'missing', 'unknown'] as const;
const either = [false, true] as const;

const all: readonly Evidence[] = records.flatMap((record) =>
  erasures.flatMap((erasure) =>
    samples.flatMap((sample) =>
      destinations.flatMap((destination) =>
        either.flatMap((shows) => either.map((isZero) => ({ record, erasure, sample, destination, shows, isZero }))),
      ),
    ),
  ),
);

/** Nobody has changed anything, and the volume is where it belongs. */
const best: Evidence = {
  ...{ record: 'source', erasure: 'none', shows: false },
  ...{ sample: 'same', isZero: false, destination: 'as-moved' },
};

const retired = (state: string, kept: string | null = null): unknown => ({ kind: 'retired', state, kept });
const not = (why: string): unknown => ({ kind: 'not-retired', why });

describe('of all that can be found', () => {
  const judged = all.map((found): [Evidence, Verdict] => [found, judgeRetired(found)]);
  const isProofGone = ({ erasure }: Evidence): boolean => erasure === 'proof-touched' || erasure === 'finished';

  test('there are 768 combinations', () => {
    expect(all).toHaveLength(768);
  });

  test('a disk is retired exactly when a record names it as a source, nothing shows, and its proof stands', () => {
    for (const [found, verdict] of judged) {
      const isProved = isProofGone(found) ? found.isZero : found.sample === 'same';
      const expected = found.record === 'source' && !found.shows && isProved;
      expect(verdict.kind === 'retired', JSON.stringify(found)).toBe(expected);
    }
  });

  test('one with something left on it may be erased without a word exactly when the destination is as it was moved', () => {
    for (const [found, verdict] of judged) {
      if (verdict.kind !== 'retired' || verdict.state === 'erased') continue;
      expect(verdict.kept === null, JSON.stringify(found)).toBe(found.destination === 'as-moved');
    }
  });

  test('nothing else than the state of the erasing decides what is left', () => {
    const states = { none: 'whole', begun: 'partly-erased', 'proof-touched': 'partly-erased', finished: 'erased' };
    for (const [found, verdict] of judged)
      if (verdict.kind === 'retired') expect(verdict.state).toBe(states[found.erasure]);
  });
});

test.each([
  [{}, retired('whole')],
  [{ record: 'none' }, not('no-record')],
  [{ record: 'destination' }, not('is-destination')],
  [{ record: 'none', shows: true, sample: 'differs' }, not('no-record')],
  [{ shows: true }, not('shows')],
  [{ shows: true, sample: 'differs' }, not('shows')],
  [{ sample: 'differs' }, not('changed')],
  [{ sample: 'unreadable' }, not('cannot-be-read')],
  [{ sample: 'none' }, not('no-sample')],
  [{ sample: 'differs', destination: 'missing' }, not('changed')],
  [{ destination: 'missing' }, retired('whole', 'destination-missing')],
  [{ destination: 'other' }, retired('whole', 'destination-other')],
  [{ destination: 'unknown' }, retired('whole', 'destination-unknown')],
  [{ erasure: 'begun' }, retired('partly-erased')],
  [{ erasure: 'begun', sample: 'differs', isZero: true }, not('changed')],
  [{ erasure: 'begun', destination: 'missing' }, retired('partly-erased', 'destination-missing')],
  [{ erasure: 'proof-touched', sample: 'none', isZero: true }, retired('partly-erased')],
  [{ erasure: 'proof-touched', sample: 'none' }, not('used-since-erased')],
  [{ erasure: 'proof-touched', isZero: true, shows: true }, not('used-since-erased')],
  [{ erasure: 'finished', sample: 'none', isZero: true, destination: 'missing' }, retired('erased')],
  [{ erasure: 'finished', sample: 'none' }, not('used-since-erased')],
] as const)('%o', (found, expected) => {
  expect(judgeRetired({ ...best, ...found })).toEqual(expected);
});
