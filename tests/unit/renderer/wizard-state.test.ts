import { describe, expect, test } from 'vitest';
import type { DeviceTree } from '../../../app/contract/device-tree.ts';
import { present } from '../../../app/base/error.ts';
import type { JobEvent } from '../../../app/contract/events.ts';
import type { Choice } from '../../../renderer/state/choice.ts';
import { questionOf } from '../../../renderer/state/choice.ts';
import type { Change, WizardState } from '../../../renderer/state/wizard-state.ts';
import { firstState, isBusy, reduce } from '../../../renderer/state/wizard-state.ts';
import { at, decision, device, finished, plan, planned, progress, statusLine, synchronized } from './made-events.ts';

function stateOf(...changes: readonly Change[]): WizardState {
  return changes.reduce(reduce, firstState);
}

function devices(...trees: DeviceTree[]): Change {
  return { type: 'devices', devices: { trees, notes: [] } };
}

function chosen(choice: Partial<Choice>): Change {
  return { type: 'chosen', choice };
}

function planOf(state: WizardState): Change {
  const question = present(questionOf(state), 'something is chosen');
  return { type: 'planned', question, planned: { plan, token: 't', notes: [] } };
}

const [sdb, sdc, sdd] = [device('/dev/sdb'), device('/dev/sdc'), device('/dev/sdd')];
const all = devices(sdb, sdc, sdd);
const both = chosen({ source: '/dev/sdb', destination: '/dev/sdc' });

describe('a choice', () => {
  test.each<[string, Partial<Choice>, boolean]>([
    ['another destination', { destination: '/dev/sdd' }, false],
    ['another source', { source: '/dev/sdd' }, false],
    ['no destination', { destination: null }, false],
    ['no verification', { verifies: false }, false],
    ['what was accepted', { allowsNoJournal: true }, false],
    ['another speed', { speed: 'full' }, true],
    ['units to stop', { units: ['a.service'] }, true],
    ['the same destination', { destination: '/dev/sdc' }, true],
  ])('of %s makes another plan, or not, and takes no late plan of before', (_, change, isSame) => {
    const before = stateOf(all, both);
    const late = planOf(before);
    expect([late, chosen(change)].reduce(reduce, before).planned !== null).toBe(isSame);
    expect([chosen(change), late].reduce(reduce, before).planned !== null).toBe(isSame);
  });

  test('takes nothing over that was accepted of another disk, or holds another one in use', () => {
    const accepted = stateOf(all, both, chosen({ allowsNoJournal: true, units: ['a.service'] }));
    const otherDestination = reduce(accepted, chosen({ destination: '/dev/sdd' })).choice;
    expect(otherDestination).toMatchObject({ allowsNoJournal: false, units: ['a.service'] });
    const otherSource = reduce(accepted, chosen({ source: '/dev/sdd', destination: null })).choice;
    expect(otherSource).toMatchObject({ allowsNoJournal: false, units: [] });
    const same = reduce(accepted, chosen({ destination: '/dev/sdc' })).choice;
    expect(same).toMatchObject({ allowsNoJournal: true, units: ['a.service'] });
  });

  test.each<[string, Partial<DeviceTree>]>([
    ['serial', { serial: 'B' }],
    ['WWN', { wwn: '0x1' }],
    ['size', { sizeBytes: 4096 }],
    ['number', { majorMinor: '8:99' }],
  ])('is lost when a disk with another %s comes under its path, with its plan', (_, fields) => {
    const before = stateOf(all, both);
    const planned = reduce(before, planOf(before));
    const atConfirm = reduce(planned, { type: 'placed', place: { at: 'confirm' } });
    const after = reduce(atConfirm, devices(sdb, device('/dev/sdc', fields), sdd));
    expect(after).toMatchObject({
      ...{ choice: { source: '/dev/sdb', destination: null }, lost: '/dev/sdc', planned: null },
      place: { at: 'destination' },
    });
    // The same path, chosen again, is another disk: a plan of the first is none of it.
    const again = reduce(after, chosen({ destination: '/dev/sdc' }));
    expect(reduce(again, planOf(before)).planned).toBeNull();
    expect(again.lost).toBeNull();
  });

  test('stays with its plan while its disks do, whatever else comes or goes', () => {
    const before = stateOf(all, both);
    const planned = reduce(before, planOf(before));
    const mounted = device('/dev/sdb', { mountPoints: ['/mnt'] });
    const after = reduce(planned, devices(mounted, sdc, device('/dev/sde')));
    expect(after).toMatchObject({ choice: { source: '/dev/sdb', destination: '/dev/sdc' }, lost: null });
    expect(after.planned).not.toBeNull();
  });

  test('of a source that has gone leads back to it, from wherever that was', () => {
    for (const at of ['source', 'destination', 'plan', 'confirm'] as const) {
      const state = stateOf(all, both, { type: 'placed', place: { at } }, devices(sdc));
      expect(state).toMatchObject({ place: { at: 'source' }, choice: { source: null }, lost: '/dev/sdb' });
    }
    expect(stateOf(all, both, { type: 'placed', place: { at: 'start' } }, devices()).place).toEqual({ at: 'start' });
  });
});

describe('what the service lists', () => {
  const { heard: none } = firstState;

  test('makes jobs known of which nothing else is told, also such as have died or do not answer', () => {
    for (const state of ['copying', 'died', 'not-answering'] as const) {
      const { jobs } = stateOf({ type: 'listed', lines: [statusLine({ state })], heard: none });
      expect(jobs['job-1']).toMatchObject({ state, source: '/dev/sdb', destination: '/dev/sdc' });
    }
  });

  test('tells of a job that has died while nobody listened', () => {
    const before = stateOf({ type: 'event', event: planned }, { type: 'event', event: progress(2000) });
    const died: Change = { type: 'listed', lines: [statusLine({ state: 'died' })], heard: before.heard };
    expect(reduce(before, died).jobs['job-1']?.state).toBe('died');
  });

  test.each<[string, JobEvent]>([
    ['a decision', decision],
    ['that all has crossed', synchronized],
    ['the commit', { event: 'committed', ...at(6000) }],
  ])('undoes nothing that was heard after it was asked for: %s', (_, since) => {
    const before = stateOf({ type: 'event', event: planned }, { type: 'event', event: progress(2000) });
    const now = reduce(before, { type: 'event', event: since });
    const line = statusLine();
    for (const late of [
      { type: 'listed', lines: [line], heard: before.heard },
      { type: 'status', status: { ...line, state: 'copying', ...known }, heard: before.heard },
    ] satisfies Change[])
      expect(reduce(now, late).jobs).toEqual(now.jobs);
    // Progress is no news of that kind.
    const on = reduce(before, { type: 'event', event: progress(2100) });
    const listed: Change = { type: 'listed', lines: [statusLine({ speed: 'full' })], heard: before.heard };
    expect(reduce(on, listed).jobs['job-1']?.speed).toBe('full');
  });

  test('leaves the end of a job as it is', () => {
    const before = stateOf({ type: 'event', event: finished });
    const after = reduce(before, { type: 'listed', lines: [statusLine()], heard: before.heard });
    expect(after.jobs).toEqual(before.jobs);
  });

  test('is not known of a job that is gone without an end', () => {
    const gone = stateOf({ type: 'event', event: planned }, { type: 'gone', job: 'job-1' });
    expect(gone.jobs['job-1']?.state).toBe('not-answering');
  });

  test('is asked for by each job on its own: one that is busy keeps no other from being steered', () => {
    const state = stateOf({ type: 'asked', errand: 'job:job-1' });
    expect([isBusy(state, 'job:job-1'), isBusy(state, 'job:job-2')]).toEqual([true, false]);
  });
});

const known = { processId: 1, source: '/dev/sdb', destination: '/dev/sdc', speed: 'balanced' } as const;
