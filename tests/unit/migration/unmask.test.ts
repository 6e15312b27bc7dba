/** Which disk of a dead job may be shown without anybody's word for it: every phase, both disks. */
import { expect, test } from 'vitest';
import { jobPhases } from '../../../app/journal/job-phase.ts';
import { holdsNewest } from '../../../app/migration/unmask.ts';

const { copying, undoing, committing, committed, undone } = jobPhases;

test.each([
  // What: phase, whether the virtual device may have been used, then source and destination.
  ['died in its start', copying, false, [true, false]],
  ['was copying', copying, true, [false, false]],
  ['was going back', undoing, true, [false, false]],
  ['was committing', committing, true, [false, true]],
  ['had committed', committed, true, [false, true]],
  ['had gone back', undone, true, [true, false]],
] as const)('a job that %s', (_, phase, wasUsed, expected) => {
  expect((['source', 'destination'] as const).map((role) => holdsNewest(role, phase, wasUsed))).toEqual(expected);
});
