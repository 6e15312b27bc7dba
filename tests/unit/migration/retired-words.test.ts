/** What people read when a disk is not erased: each reason in one line that names the disk and the move. */
import { describe, expect, test } from 'vitest';
import type { PlannedDisk } from '../../../app/contract/plan.ts';
import type { RetiredRecord } from '../../../app/migration/retired-record.ts';
import type { Kept, NotRetired } from '../../../app/migration/retired-verdict.ts';
import { keptBecause, notRetiredBecause } from '../../../app/migration/retired-words.ts';

const disk = { path: '/dev/sda' } as PlannedDisk;
const record = { job: 'sda-1234', plan: { destination: { path: '/dev/sdb', serial: 'XYZ' } } } as RetiredRecord;

describe('a disk that is not retired', () => {
  test.each([
    ['no-record', 'not-retired', 'no record here says that it is the original of a finished move'],
    ['is-destination', 'not-retired', 'is the destination of the move sda-1234, and so the volume itself'],
    ['shows', 'retired-changed', 'is recognised again'],
    ['changed', 'retired-changed', 'was written to since, so it may hold newer data'],
    ['cannot-be-read', 'retired-changed', 'can no longer be read where it was looked at'],
    ['no-sample', 'retired-changed', 'has nothing to compare it with'],
    ['used-since-erased', 'retired-changed', 'its erasing had come to its end or nearly so'],
  ] as const satisfies readonly (readonly [NotRetired, string, string])[])('because of %s: %s', (why, code, text) => {
    const found = why === 'no-record' ? undefined : record;
    const error = notRetiredBecause(disk, { why, hidden: [], record: found });
    expect(error.code).toBe(code);
    expect(error.message).toMatch(/^\/dev\/sda: [^\n]+$/);
    expect(error.message).toContain(text);
  });

  test('but hidden, by a move of which nothing is known, may hold what no other holds', () => {
    const { message } = notRetiredBecause(disk, { why: 'no-record', hidden: ['ext4', 'dos'], record: undefined });
    expect(message).toContain('a move has hidden what is on it (ext4, dos), but no record here says that this move has ended');
  });
});

test.each([
  ['destination-missing', undefined, 'the destination of the move sda-1234, /dev/sdb (serial XYZ), is not connected'],
  ['destination-other', 'it was ext4 one', '/dev/sdc does not show the volume that the move sda-1234 left there: it was ext4 one'],
  ['destination-unknown', undefined, 'nothing tells whether /dev/sdc still holds what the move sda-1234 left there'],
] as const satisfies readonly (readonly [Kept, string | undefined, string])[])('what may be the only copy, because of %s', (kept, difference, text) => {
  const found = kept === 'destination-missing' ? undefined : ({ path: '/dev/sdc' } as PlannedDisk);
  const destination = { state: 'other', disk: found, difference } as const;
  expect(keptBecause(disk, { kept, record, destination })).toMatchObject({
    code: 'may-be-only-copy',
    message: `/dev/sda: may be the only copy: ${text}`,
  });
});
