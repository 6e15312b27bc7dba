/**
 * Every screen, made to HTML from the states that lead to it: that it can be shown at all, and that it says what it
 * must. How it looks and is used is tried in a browser (tests/ui).
 */
import { createElement } from 'react';
import { renderToString } from 'react-dom/server';
import { describe, expect, test } from 'vitest';
import type { DeviceTree } from '../../../app/contract/device-tree.ts';
import type { JobEvent } from '../../../app/contract/events.ts';
import { App } from '../../../renderer/app.tsx';
import { WizardContext } from '../../../renderer/components/wizard-context.ts';
import { Wizard } from '../../../renderer/state/wizard.ts';
import type { Change } from '../../../renderer/state/wizard-state.ts';
import { firstState, reduce } from '../../../renderer/state/wizard-state.ts';
import { decision, failed, finished, plan, planned, progress, report, at, statusLine, synchronized, undone } from './made-events.ts';

const connected: Change = {
  ...{ type: 'service', service: { state: 'connected', version: '1', hasPolkit: false, notes: ['A note.'] } },
};
const choice: Change = { type: 'chosen', choice: { source: '/dev/sdb', destination: '/dev/sdc' } };
const made: Change = { type: 'planned', planned: { plan, token: 't', notes: [] } };
const atJob: Change = { type: 'placed', place: { at: 'job', job: 'job-1' } };

function event(one: JobEvent): Change {
  return { type: 'event', event: one };
}

function shown(...changes: readonly Change[]): string {
  const wizard = new Wizard({ ask: () => new Promise(() => {}), startService: () => Promise.resolve(), listen: () => {} });
  const state = changes.reduce(reduce, firstState);
  wizard.store.setState(state, true);
  // What the server renders is the first state otherwise.
  wizard.store.getInitialState = () => state;
  const html = renderToString(createElement(WizardContext, { value: wizard }, createElement(App)));
  return html.replaceAll('<!-- -->', '').replaceAll('&#x27;', "'").replaceAll('&quot;', '"');
}

function tree(path: string, kind: 'disk' | 'part'): DeviceTree {
  const eligible = { eligible: true, reason: null };
  return {
    ...{ path, kind, majorMinor: '8:0', sizeBytes: 2 ** 30, logicalBlockBytes: 512, physicalBlockBytes: 512 },
    ...{ readOnly: false, removable: false, model: null, vendor: null, serial: null, wwn: null, bus: null, content: null },
    ...{ partitionUuid: null, health: null, isSystem: false, mountPoints: [], isSwap: false, usedBytes: null },
    ...{ offsetBytes: null, backingFile: null, asSource: eligible, asDestination: eligible, way: null, children: [] },
  };
}

describe('a screen', () => {
  test('says how to start the service where it is missing', () => {
    const refusal = { code: 'no-service', message: 'm', advice: 'a', dataIs: 'unknown' } as const;
    const html = shown({ type: 'service', service: { state: 'absent', refusal } });
    expect(html).toContain('sudo systemctl start diskferryd');
    expect(html).not.toContain('Move a disk…');
  });

  test('lists moves that have stopped, with both ways out, and those that run', () => {
    const lines = [statusLine({ job: 'dead', state: 'died' }), statusLine({ job: 'alive' })];
    const html = shown(connected, { type: 'listed', lines });
    for (const words of ['Go on with it', 'Go back to the source', 'Copying', 'only root may look', 'A note.'])
      expect(html).toContain(words);
  });

  test('shows the plan: what is erased, the way, the truth in each phase, each step of the cut-over', () => {
    const html = shown(connected, choice, made, { type: 'placed', place: { at: 'plan' } });
    for (const words of [plan.source.path, plan.destination.path, 'You can go back until', ...plan.cutOver])
      expect(html).toContain(words);
    for (const { meaning } of plan.phases) expect(html).toContain(meaning);
  });

  test('asks to type the path before it erases a disk that holds data, and not before an empty one', () => {
    const holding = (fileSystemType: string | null): Change => {
      const content = { fileSystemType, fileSystemUuid: null, label: null, partitionTableType: null, partitionTableUuid: null };
      const destination = { ...plan.destination, content };
      return { type: 'planned', planned: { plan: { ...plan, destination }, token: 't', notes: [] } };
    };
    const place: Change = { type: 'placed', place: { at: 'confirm' } };
    const full = shown(connected, choice, holding('ext4'), place);
    expect(full).toContain(`Type ${plan.destination.path} to confirm`);
    expect(full).toMatch(/<button[^>]*disabled=""[^>]*>Erase/);
    const empty = shown(connected, choice, holding(null), place);
    expect(empty).not.toContain('to confirm that its content may go');
    expect(empty).not.toMatch(/<button[^>]*disabled=""[^>]*>Erase/);
  });

  test('names all that goes with a disk of partitions, before it is chosen and before it is erased', () => {
    const content = (fileSystemType: string | null, partitionTableType: string | null = null, label: string | null = null) => ({
      ...{ fileSystemType, fileSystemUuid: null, label, partitionTableType, partitionTableUuid: null },
    });
    const part = { ...tree('/dev/sdc1', 'part'), content: content('ntfs', null, 'Photos') };
    const disk = { ...tree('/dev/sdc', 'disk'), content: content(null, 'gpt'), children: [part] };
    const devices: Change = { type: 'devices', devices: { trees: [tree('/dev/sdb', 'disk'), disk], notes: [] } };
    const erased = 'GPT partition table: sdc1 NTFS, named “Photos”';
    const chosen = { type: 'placed', place: { at: 'destination' } } as const;
    expect(shown(connected, devices, choice, chosen)).toContain(`Will be erased: ${erased}`);
    const destination = { ...plan.destination, content: disk.content };
    const planOfIt: Change = { type: 'planned', planned: { plan: { ...plan, destination }, token: 't', notes: [] } };
    expect(shown(connected, devices, choice, planOfIt, { type: 'placed', place: { at: 'confirm' } })).toContain(erased);
  });

  test('says of a disk that fails what it says of itself', () => {
    const health = { state: 'failing', message: '12 sectors are bad', temperatureCelsius: null, poweredOnHours: null } as const;
    const devices: Change = { type: 'devices', devices: { trees: [{ ...tree('/dev/sdb', 'disk'), health }], notes: [] } };
    const html = shown(connected, devices, { type: 'placed', place: { at: 'source' } });
    expect(html).toContain('This disk says that it is failing: 12 sectors are bad');
  });

  test('goes back to the plan when what was to be confirmed is gone', () => {
    expect(shown(connected, choice, { type: 'placed', place: { at: 'confirm' } })).toContain('What will happen');
  });

  test('shows how far a move is, in bytes', () => {
    const half = progress(9000, { pendingBytes: 50 * 1024 * 1024 });
    const html = shown(connected, event(planned), event(progress(2000)), event(half), atJob);
    for (const words of ['50 MiB of 100 MiB have crossed', '50.0 %', 'on the source only', 'Pause']) expect(html).toContain(words);
  });

  test('offers what the job offers when it waits for a decision', () => {
    const html = shown(connected, event(planned), event(progress(2000)), event(decision), atJob);
    for (const words of ['Your decision is needed', 'Try again', 'Go on without it', 'and 2 more places', '8,192'])
      expect(html).toContain(words);
  });

  test('lets nobody cut over before everything has crossed, nor while it does', () => {
    expect(shown(connected, event(planned), event(progress(2000)), atJob)).not.toMatch(/<button[^>]*>Cut over</);
    const locked = /<button[^>]*disabled=""[^>]*>Cut over</;
    expect(shown(connected, event(planned), event(synchronized), atJob)).not.toMatch(locked);
    const cutting = progress(6000, { phase: 'cutting-over' });
    expect(shown(connected, event(planned), event(synchronized), event(cutting), atJob)).toMatch(locked);
  });

  test('reports plain success only of one', () => {
    const sure: JobEvent = { event: 'finished', ...at(9), verified: true, report };
    expect(shown(connected, event(planned), event(sure), atJob)).toContain('The move is complete<');
    const unreadable = { extents: [], extentCount: 1, totalBytes: 4096 };
    const lossy: JobEvent = { ...sure, report: { ...report, unreadable, unreadableFiles: { paths: ['/a/b'], unknown: null } } };
    const html = shown(connected, event(planned), event(lossy), atJob);
    for (const words of ['with these points', '4 KiB of the source could not be read', '/a/b']) expect(html).toContain(words);
  });

  test('ticks off no step that a move did not come to', () => {
    const steps = (...events: readonly JobEvent[]): string => {
      const html = shown(connected, event(planned), ...events.map(event), atJob);
      return [...html.matchAll(/class="mark" aria-hidden="true">(.)</g)].map(([, mark]) => mark).join('');
    };
    expect(steps(finished)).toBe('✓✓✓✓✓✓✓✓');
    expect(steps(synchronized, undone)).toBe('✓✓✓✓✓✓–8');
    expect(steps(failed)).toBe('✓✓✓✓✓––8');
    expect(steps(synchronized, { event: 'committed', ...at(6000) }, failed)).toBe('✓✓✓✓✓✓✓8');
  });

  test.each([
    ['finished', finished, 'Disconnect or erase it before this machine starts again'],
    ['undone', undone, '/dev/sdb holds everything that was written'],
    ['failed', failed, 'Your data is on both disks together'],
  ])('says where the data is when a move has %s', (_, end, words) => {
    expect(shown(connected, event(planned), event(end), atJob)).toContain(words);
  });
});
