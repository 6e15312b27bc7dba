/** How a dead job goes on: every phase, asked to go back or not, in its start or after it; and with which disks. */
import { describe, expect, test } from 'vitest';
import type { ErrorCode } from '../../../app/base/error.ts';
import { DiskferryError } from '../../../app/base/error.ts';
import type { PlannedDisk } from '../../../app/contract/plan.ts';
import { jobPhases } from '../../../app/journal/job-phase.ts';
import type { JobRecord } from '../../../app/migration/job-record.ts';
import { mayHaveBeenUsed } from '../../../app/migration/job-record.ts';
import type { Continuation, FoundDisks } from '../../../app/migration/recovery.ts';
import { decideContinuation, findDisks, requireUnused, whereDataIs, withWayBack } from '../../../app/migration/recovery.ts';
import { blockDevice, inventoryOf } from '../devices/made-inventory.ts';
import { diskFacts } from './made-facts.ts';

const { copying, undoing, committing, committed, undone } = jobPhases;
const job = 'sdb-1234';

test('a commit whose destination cannot be shown is told that everything can go back, and nothing else is', () => {
  const failure = (code: ErrorCode): DiskferryError => new DiskferryError(code, '/dev/sdc: EIO', { context: { device: '/dev/sdc' } });
  const dead = { record: { job }, absent: [] };
  expect(withWayBack(failure('mask-failed'), committing, dead)).toMatchObject({
    ...{ code: 'mask-failed', context: { device: '/dev/sdc' } },
    message: expect.stringMatching(/EIO; if it stays so, "diskferry recover --undo sdb-1234" brings/) as string,
  });
  for (const [code, phase] of [['mask-failed', committed], ['mask-failed', undone], ['device-in-use', committing]] as const) {
    const error = failure(code);
    expect(withWayBack(error, phase, dead)).toBe(error);
  }
});

test.each([
  ['that is not there', { record: { job }, absent: ['source'] }],
  ['that somebody may have used', { record: { job, unmasked: 'source' }, absent: [] }],
] as const)('no way back is promised to a source %s', (_, dead) => {
  const error = new DiskferryError('mask-failed', '/dev/sdc: EIO');
  expect(withWayBack(error, committing, dead)).toBe(error);
});

describe('a dead job', () => {
  test.each([
    // What, then what it does by itself, when it is to go back, and when it is to go back and had died in its start.
    ['was copying', copying, ['go-on', 'go-back', 'finish-on-source']],
    ['was going back', undoing, ['go-back', 'go-back', 'go-back']],
    ['had gone back', undone, ['finish-on-source', 'finish-on-source', 'finish-on-source']],
  ] as const)('that %s', (_, phase, expected) => {
    const cases = [
      { goesBack: false, mayHaveBeenUsed: true },
      { goesBack: true, mayHaveBeenUsed: true },
      { goesBack: true, mayHaveBeenUsed: false },
    ];
    expect(cases.map((one) => decideContinuation({ job, phase, ...one }))).toEqual(expected);
  });

  test.each([
    ['was committing', committing, ['finish-on-destination', 'go-back']],
    ['had committed', committed, ['finish-on-destination', 'cannot undo']],
  ] as const)('that %s goes on to its end, and back only before that', (_, phase, expected) => {
    const decided = [false, true].map((goesBack) => {
      try {
        return decideContinuation({ job, phase, goesBack, mayHaveBeenUsed: true });
      } catch (error) {
        return /cannot undo/.exec(String(error))?.[0];
      }
    });
    expect(decided).toEqual(expected);
  });

  test.each([
    ['source', false],
    ['source', true],
    ['destination', false],
    ['destination', true],
  ] as const)('that died in its start and whose %s was unmasked does not begin again (to go back: %s)', (unmasked, goesBack) => {
    const found = { job, phase: copying, goesBack, mayHaveBeenUsed: false, unmasked };
    expect(decideContinuation(found)).toBe('finish-on-source');
  });

  test.each([
    [copying, 'go-on', 'refused', 'refused'],
    [copying, 'go-back', 'refused', 'refused'],
    [copying, 'finish-on-source', 'goes on', 'goes on'],
    [undoing, 'go-back', 'refused', 'refused'],
    [committing, 'go-back', 'refused', 'goes on'],
    [committing, 'finish-on-destination', 'goes on', 'goes on'],
    [undone, 'finish-on-source', 'goes on', 'goes on'],
  ] as const)('in phase %d that is to %s, when its source, or destination, was unmasked', (phase, continuation, ...expected) => {
    const plan = { source: { path: '/dev/sdb' }, destination: { path: '/dev/sdc' } } as JobRecord['plan'];
    const become = (['source', 'destination'] as const).map((unmasked) => {
      try {
        requireUnused({ plan, unmasked }, { continuation, phase });
        return 'goes on';
      } catch (error) {
        expect(error).toMatchObject({ code: 'disk-unmasked', context: { device: plan[unmasked].path } });
        return 'refused';
      }
    });
    expect(become).toEqual(expected);
  });

  test('may have been used when it has a sample, or something has crossed', () => {
    const sourceSample = { extents: [], sha256: '' };
    const record = { sourceSample: null } as Parameters<typeof mayHaveBeenUsed>[0];
    const asked = [record, { ...record, sourceSample }].flatMap((one) => [
      mayHaveBeenUsed(one, false),
      mayHaveBeenUsed(one, true),
    ]);
    expect(asked).toEqual([false, true, true, true]);
  });
});

const nowhere = { loop: null, partitionBytes: null, mapperUuid: null };
const disks = {
  source: blockDevice('8:16', { path: '/dev/sdb', serial: 'S' }),
  destination: blockDevice('8:32', { path: '/dev/sdc', serial: 'D' }),
};

function planned(role: keyof typeof disks): PlannedDisk {
  return { ...diskFacts(disks[role]), toBeCreated: false } as unknown as PlannedDisk;
}

const record = {
  ...{ bootId: 'before', sourceSample: null, places: { source: nowhere, destination: nowhere } },
  plan: { source: planned('source'), destination: planned('destination') },
} as unknown as JobRecord;

/** On a machine that has that one disk of the two, under another name. */
function findWith(role: keyof typeof disks, continuation: Continuation, wasUsed = true): Promise<FoundDisks> {
  const inventory = inventoryOf({ devices: [{ ...disks[role], path: '/dev/sdx' }], mounts: [], swaps: [] });
  return findDisks(inventory, { job, record, continuation, mayHaveBeenUsed: wasUsed }, 'now');
}

describe('a dead job of which one disk is there', () => {
  test.each([
    ['source', 'finish-on-source', 'destination', '/dev/sdc'],
    ['destination', 'finish-on-destination', 'source', '/dev/sdb'],
  ] as const)('ends on that one, the %s, when it is the truth', async (role, continuation, other, recordedPath) => {
    const { plan, absent } = await findWith(role, continuation);
    expect([plan[role].path, plan[other].path, absent]).toEqual(['/dev/sdx', recordedPath, [other]]);
  });

  test.each([
    ['source', 'go-on'],
    ['source', 'go-back'],
    ['source', 'finish-on-destination'],
    ['destination', 'go-on'],
    ['destination', 'go-back'],
    ['destination', 'finish-on-source'],
  ] as const)('needs another one than the %s to %s', async (role, continuation) => {
    await expect(findWith(role, continuation)).rejects.toMatchObject({ code: 'disk-not-found' });
  });

  test('can be ended without its destination when nothing had been moved', async () => {
    await expect(findWith('source', 'go-on', false)).rejects.toThrow(/recover --undo sdb-1234" ends the job without/);
    await expect(findWith('destination', 'go-on', false)).rejects.toThrow(/is the one that the job moved$/);
  });
});

test.each([
  // Undefined as advice.ts says: on both together.
  [copying, true, undefined],
  [copying, false, 'source'],
  [undoing, true, undefined],
  [undone, true, 'source'],
  [committing, true, 'destination'],
  [committed, true, 'destination'],
] as const)('who cannot go on from phase %d (used: %s) is told where the data is', (phase, wasUsed, expected) => {
  expect(whereDataIs({ phase, mayHaveBeenUsed: wasUsed })).toBe(expected);
});
