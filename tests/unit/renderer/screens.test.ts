/**
 * Every screen, made to HTML from the states that lead to it: that it can be shown at all, and that it says what it
 * must. How it looks and is used is tried in a browser (tests/ui).
 */
import { createElement } from 'react';
import { renderToString } from 'react-dom/server';
import { describe, expect, test } from 'vitest';
import { present } from '../../../app/base/error.ts';
import type { Plan } from '../../../app/contract/plan.ts';
import type { StatusLine } from '../../../app/contract/control.ts';
import type { JobEvent } from '../../../app/contract/events.ts';
import { App } from '../../../renderer/app.tsx';
import { settleMs, SettleTime } from '../../../renderer/components/settled.ts';
import { WizardContext } from '../../../renderer/components/wizard-context.ts';
import { Wizard } from '../../../renderer/state/wizard.ts';
import { questionOf } from '../../../renderer/state/choice.ts';
import type { Change, WizardState } from '../../../renderer/state/wizard-state.ts';
import { firstState, reduce } from '../../../renderer/state/wizard-state.ts';
import { decision, device, failed, finished, plan, planned, progress, report, at, statusLine, synchronized, undone } from './made-events.ts';

const connected: Change = {
  ...{ type: 'service', service: { state: 'connected', version: '1', hasPolkit: false, notes: ['A note.'] } },
};
const choice: Change = { type: 'chosen', choice: { source: '/dev/sdb', destination: '/dev/sdc' } };
/** A plan of what is chosen then. */
function planOf(made: Plan): (state: WizardState) => Change {
  return (state) => {
    const question = present(questionOf(state), 'both disks are chosen');
    return { type: 'planned', question, planned: { plan: made, token: 't', notes: [] } };
  };
}

const made = planOf(plan);
const atJob: Change = { type: 'placed', place: { at: 'job', job: 'job-1' } };

function event(one: JobEvent): Change {
  return { type: 'event', event: one };
}

const emptyContent = {
  ...{ fileSystemType: null, fileSystemUuid: null, label: null, partitionTableType: null, partitionTableUuid: null },
};

type Step = Change | ((state: WizardState) => Change);

/** As it is when it has stood for a while. */
function shown(...changes: readonly Step[]): string {
  return shownAfter(0, ...changes);
}

function shownAfter(delayMs: number, ...changes: readonly Step[]): string {
  const wizard = new Wizard({ ask: () => new Promise(() => {}), startService: () => Promise.resolve(), listen: () => {} });
  const state = changes.reduce((now, step) => reduce(now, typeof step === 'function' ? step(now) : step), firstState);
  wizard.store.setState(state, true);
  // What the server renders is the first state otherwise.
  wizard.store.getInitialState = () => state;
  const html = renderToString(createElement(SettleTime, { value: delayMs }, createElement(WizardContext, { value: wizard }, createElement(App))));
  return html.replaceAll('<!-- -->', '').replaceAll('&#x27;', "'").replaceAll('&quot;', '"');
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
    const html = shown(connected, { type: 'listed', lines, heard: {} });
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
    const holding = (fileSystemType: string | null): Step => {
      const content = { fileSystemType, fileSystemUuid: null, label: null, partitionTableType: null, partitionTableUuid: null };
      const destination = { ...plan.destination, content };
      return planOf({ ...plan, destination });
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
    const part = { ...device('/dev/sdc1', { kind: 'part' }), content: content('ntfs', null, 'Photos') };
    const disk = { ...device('/dev/sdc', { kind: 'disk' }), content: content(null, 'gpt'), children: [part] };
    const devices: Change = { type: 'devices', devices: { trees: [device('/dev/sdb'), disk], notes: [] } };
    const erased = 'GPT partition table: sdc1 NTFS, named “Photos”';
    const chosen = { type: 'placed', place: { at: 'destination' } } as const;
    expect(shown(connected, devices, choice, chosen)).toContain(`Will be erased: ${erased}`);
    const destination = { ...plan.destination, content: disk.content };
    const planOfIt = planOf({ ...plan, destination });
    expect(shown(connected, devices, choice, planOfIt, { type: 'placed', place: { at: 'confirm' } })).toContain(erased);
  });

  test('says of a destination that does not fit this source why not, before it is planned', () => {
    const source = device('/dev/sdb', { kind: 'disk', sizeBytes: 100 * 1024 ** 2 });
    const small = device('/dev/sdc', { kind: 'disk', sizeBytes: 99 * 1024 ** 2 });
    const other = device('/dev/sdd', { kind: 'disk', sizeBytes: 200 * 1024 ** 2, logicalBlockBytes: 4096 });
    const fits = device('/dev/sde', { kind: 'disk', sizeBytes: 100 * 1024 ** 2 });
    const devices: Change = { type: 'devices', devices: { trees: [source, small, other, fits], notes: [] } };
    const chosen: Change = { type: 'chosen', choice: { source: '/dev/sdb' } };
    const html = shown(connected, devices, chosen, { type: 'placed', place: { at: 'destination' } });
    expect(html).toContain('Not possible: it is 1 MiB smaller than the source, which has 100 MiB');
    expect(html).toContain('Not possible: its sectors have 4096 bytes, those of the source 512');
    expect(html.match(/Not possible/g)).toHaveLength(3);
    // As the source each of them is fine.
    expect(shown(connected, devices, { type: 'placed', place: { at: 'source' } })).not.toContain('Not possible');
  });

  test('says how long a move takes before it begins, as far as that is known', () => {
    const told = (duration?: Plan['duration']): string =>
      shown(connected, choice, planOf({ ...plan, ...(duration === undefined ? {} : { duration }) }), { type: 'placed', place: { at: 'plan' } });
    expect(told()).toContain('Not known yet: the disks do not tell how they are connected.');
    expect(told({ lowSeconds: 2000, highSeconds: 9000 })).toContain('33 minutes to 3 hours, by how the disks are connected.');
    expect(told({ lowSeconds: 2000, highSeconds: 6000 })).toContain('33 to 100 minutes, by how the');
    expect(told({ lowSeconds: 20, highSeconds: 50 })).toContain('About 1 minute, by how');
  });

  test('says of each disk how it is connected, and of a slow destination what that means', () => {
    const trees = [device('/dev/sdb', { linkMegabits: 6000 }), device('/dev/sdc', { linkMegabits: 480 })];
    const at = (role: 'source' | 'destination'): string =>
      shown(connected, { type: 'devices', devices: { trees, notes: [] } }, { type: 'chosen', choice: { source: '/dev/sdb' } }, {
        ...{ type: 'placed', place: { at: role } },
      });
    const slow = 'Connected at 480 Mbit/s only: all that programs write goes there';
    expect(at('source')).toContain('6 Gbit/s on the wire');
    expect(at('source')).not.toContain(slow);
    expect(at('destination')).toContain(slow);
    expect(at('destination').split(slow)).toHaveLength(2);
  });

  test('says how long the cut-over may interrupt programs, by what the start has taken', () => {
    const interrupted: JobEvent = {
      ...{ event: 'interrupted', job: 'job-1', timeMs: 1500, at: 'start', how: 'unmounted', elapsedMs: 340 },
    };
    const words = 'At the start, programs were interrupted for 340 ms.';
    expect(shown(connected, event(planned), event(interrupted), event(synchronized), atJob)).toContain(words);
    expect(shown(connected, event(planned), event(synchronized), atJob)).not.toContain('interrupted for');
  });

  test('says of a disk that fails what it says of itself', () => {
    const health = { state: 'failing', message: '12 sectors are bad', temperatureCelsius: null, poweredOnHours: null } as const;
    const devices: Change = { type: 'devices', devices: { trees: [{ ...device('/dev/sdb', { kind: 'disk' }), health }], notes: [] } };
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

  test('does not say of what only counts as written that programs have written it', () => {
    const told = (first: JobEvent, fields: Parameters<typeof progress>[1] = {}): string =>
      shown(connected, event(first), event(progress(2000, { pendingBytes: 0, toReturnBytes: 50 * 1024 ** 2, ...fields })), atJob);
    expect(told(planned)).toContain('written since the start <');
    expect(told(planned)).not.toContain('counted as written');
    const recovered: JobEvent = { event: 'planned', ...at(1000), plan, isRecovered: true };
    for (const html of [told(recovered), told(planned, { directBytes: 4096 })]) {
      expect(html).toContain('counted as written since the start <');
      expect(html).toContain('<th scope="row">counted as written since the start</th>');
    }
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

  test('lets nothing that cannot be taken back be pressed in the moment when it comes', () => {
    const place: Change = { type: 'placed', place: { at: 'confirm' } };
    const locked = (name: string): RegExp => new RegExp(`<button[^>]*disabled=""[^>]*>${name}`);
    const empty = planOf({ ...plan, destination: { ...plan.destination, content: emptyContent } });
    expect(shownAfter(settleMs, connected, choice, empty, place)).toMatch(locked('Erase'));
    expect(shown(connected, choice, empty, place)).not.toMatch(locked('Erase'));
    expect(shownAfter(settleMs, connected, event(planned), event(synchronized), atJob)).toMatch(locked('Cut over'));
    const deciding = [connected, event(planned), event(progress(2000)), event(decision), atJob];
    expect(shownAfter(settleMs, ...deciding)).toMatch(locked('Go on without it'));
    expect(shown(...deciding)).not.toMatch(locked('Go on without it'));
  });

  test('has the way back at the same place before and after everything has crossed', () => {
    for (const changes of [[event(progress(2000))], [event(synchronized)]]) {
      const html = shown(connected, event(planned), ...changes, atJob);
      const names = [...html.matchAll(/<button[^>]*>([^<]+)<\/button>/g)].map(([, name]) => name);
      expect(names.at(-1)).toBe('Stop…');
    }
  });

  test('asks to type the path also where nobody has looked what the disk holds, but not for a new image', () => {
    const place: Change = { type: 'placed', place: { at: 'confirm' } };
    const unknown = { ...plan.destination, content: null };
    expect(shown(connected, choice, planOf({ ...plan, destination: unknown }), place)).toContain('content not known');
    expect(shown(connected, choice, planOf({ ...plan, destination: unknown }), place)).toContain('to confirm that');
    const created = { ...unknown, toBeCreated: true };
    expect(shown(connected, choice, planOf({ ...plan, destination: created }), place)).not.toContain('to confirm that');
  });

  test('never says of an act without an answer that it was not done', () => {
    const refusal = { code: 'service-silent', message: 'm', advice: 'a', dataIs: 'unknown' } as const;
    for (const code of ['service-silent', 'no-service', 'job-silent', 'bug'] as const) {
      const answered: Change = { type: 'answered', errand: 'job:job-1', refusal: { ...refusal, code } };
      const html = shown(connected, event(planned), event(progress(2000)), atJob, answered);
      expect(html).toContain('It is not known whether it was carried out');
      for (const words of ['Nothing was changed', 'This was not done']) expect(html).not.toContain(words);
    }
    const answered: Change = { type: 'answered', errand: 'job:job-1', refusal: { ...refusal, code: 'job-state' } };
    const html = shown(connected, event(planned), event(progress(2000)), atJob, answered);
    expect(html).toContain('This was not done');
    expect(html).not.toContain('It is not known');
  });

  test('says of a job that has died that nobody serves it, and offers the ways out', () => {
    const lines = [statusLine({ state: 'died' })];
    const html = shown(connected, { type: 'listed', lines, heard: {} }, atJob);
    for (const words of ['Nobody serves the volume now', 'Go on with it', 'Go back to the source', '/dev/sdc'])
      expect(html).toContain(words);
    expect(html).not.toContain('The virtual device is being put in place');
  });

  test.each(['died', 'not-answering'] as const)('shows nothing of the time before as news of a job that is %s', (state) => {
    const begun = [event(planned), event({ event: 'attached', ...at(1100), device: '/dev/loop9' })];
    const moving = Array.from({ length: 40 }, (_, second) => event(progress(2000 + second * 1000)));
    const before = [connected, ...begun, ...moving, atJob];
    const now = ['minutes left', 'Programs make'];
    for (const words of [...now, 'In use as', 'The move goes on']) expect(shown(...before)).toContain(words);
    const heard = { 'job-1': 2 };
    const html = shown(...before, { type: 'listed', lines: [statusLine({ state })], heard });
    for (const words of [...now, ...(state === 'died' ? ['In use as', 'The move goes on'] : [])]) expect(html).not.toContain(words);
  });

  test('says before the cut-over what the destination does not have, also to who has come later', () => {
    const words = '8 KiB of the source could not be read. On the destination they are zeroes.';
    const without: JobEvent = { event: 'synchronized', ...at(5000), acceptedBytes: 8192 };
    const past = (...events: JobEvent[]): Change[] => events.map((one) => ({ type: 'past', event: one }));
    for (const before of [[event(planned), event(without)], past(planned, without)]) {
      const html = shown(connected, ...before, atJob);
      expect(html).toContain(words);
      expect(html).not.toContain('has every block');
    }
    const whole = shown(connected, event(planned), event(synchronized), atJob);
    expect(whole).toContain('has every block');
    expect(whole).not.toContain('could not be read');
  });

  test('offers both ways out where a move has failed and can be gone on with, and only there', () => {
    const ways = ['Go on with it', 'Go back to the source'];
    const has = [connected, event(planned), event(failed), atJob];
    const listed = (...lines: StatusLine[]): Change => ({ type: 'listed', lines, heard: {} });
    const died = listed(statusLine({ state: 'died' }));
    const over = shown(...has, listed());
    expect(over).toContain('Back to the start');
    for (const words of ways) expect(over).not.toContain(words);
    const open = shown(...has, died);
    for (const words of [...ways, '/dev/sdb: gone', 'Your data is on both disks together']) expect(open).toContain(words);
    const refusal = { code: 'device-missing', message: 'not there', advice: 'a', dataIs: 'both' } as const;
    const refused: Change = { type: 'answered', errand: 'recover:job-1', refusal };
    expect(shown(...has, died, refused)).toContain('not there');
  });

  test('lets nothing be pressed that nobody would hear', () => {
    const refusal = { code: 'no-service', message: 'm', advice: 'a', dataIs: 'unknown' } as const;
    const confirming: Step[] = [choice, planOf({ ...plan, destination: { ...plan.destination, content: emptyContent } }), { type: 'placed', place: { at: 'confirm' } }];
    const crossed: Change = { type: 'listed', lines: [statusLine({ state: 'synchronized' })], heard: { 'job-1': 1 } };
    const dead: Change = { type: 'listed', lines: [statusLine({ state: 'died' })], heard: {} };
    const places: readonly (readonly [readonly Step[], readonly string[]])[] = [
      [confirming, ['and start']],
      [[event(planned), crossed, atJob], ['Read back now', 'Cut over', 'Stop…']],
      [[event(planned), event(progress(2000)), atJob], ['Pause', 'Stop…']],
      [[event(planned), event(decision), atJob], ['Try again', 'Go on without it']],
      [[dead, atJob], ['Go on with it', 'Go back to the source']],
    ];
    for (const [steps, words] of places)
      for (const state of ['absent', 'host-gone'] as const) {
        const away: Change = { type: 'service', service: { state, refusal } };
        for (const word of words) {
          const button = new RegExp(`<button[^>]*>[^<]*${word}</button>`);
          expect(button.exec(shown(connected, ...steps))?.[0], word).not.toContain('disabled=""');
          expect(button.exec(shown(connected, ...steps, away))?.[0], word).toContain('disabled=""');
        }
      }
  });

  test('says of the disks of a job that has died that they may look empty', () => {
    const dead: Change = { type: 'listed', lines: [statusLine({ state: 'died' })], heard: {} };
    for (const html of [shown(connected, dead), shown(connected, dead, atJob)]) expect(html).toContain('format neither');
  });

  test('says that no move runs only when the service has said so', () => {
    const refusal = { code: 'service-silent', message: 'm', advice: 'a', dataIs: 'both' } as const;
    const refused: Change = { type: 'answered', errand: 'watch', refusal };
    const listed: Change = { type: 'listed', lines: [], heard: {} };
    const none = 'No move is running';
    for (const states of [[connected], [connected, refused], [connected, listed, refused], [connected, listed, connected]])
      expect(shown(...states)).not.toContain(none);
    expect(shown(connected)).not.toContain('How a move goes');
    for (const words of [none, 'How a move goes']) expect(shown(connected, listed)).toContain(words);
  });

  test('says of a job that its state is from before when the service refuses to tell', () => {
    const refusal = { code: 'not-authorised', message: 'not you', advice: 'a', dataIs: 'unknown' } as const;
    const refused: Change = { type: 'answered', errand: 'watch', refusal };
    for (const last of [progress(2000), synchronized])
      for (const states of [[atJob, refused], [refused, atJob]]) {
        const html = shown(connected, event(planned), event(last), ...states);
        expect(html).toContain('what you see is from before');
        expect(html).toContain('Ask again');
      }
    expect(shown(connected, event(planned), event(finished), atJob, refused)).not.toContain('from before');
  });

  test('says why a cut-over, or a way back, waits, and blames no cable', () => {
    const busy = event({ event: 'warning', ...at(5100), code: 'volume-busy', message: '/dev/loop9: is mounted' });
    const attached = event({ event: 'attached', ...at(1100), device: '/dev/loop9' });
    const cutting = shown(connected, event(planned), attached, event(synchronized), busy, atJob);
    for (const words of ['/dev/loop9: is mounted.', 'Unmount /dev/loop9', 'it cuts over by itself']) expect(cutting).toContain(words);
    const undoing = (timeMs: number): Change => event(progress(timeMs, { phase: 'undoing', toReturnBytes: 0 }));
    const back = shown(connected, event(planned), attached, undoing(5000), busy, undoing(60_000), atJob);
    expect(back).toContain('the source takes its place by itself');
    expect(back).not.toContain('Check the cables');
  });

  test('shows what a job warns of while it runs', () => {
    const slow = event({ event: 'warning', ...at(3000), code: 'consumer-slow', message: 'Programs wait long' });
    expect(shown(connected, event(planned), event(progress(2000)), slow, atJob)).toContain('Programs wait long.');
  });

  test('says where a move runs or is about to that the machine is on its battery, and nowhere else', () => {
    const power: Change = { type: 'power', isOnBattery: true };
    const words = 'runs on its battery';
    for (const at of ['start', 'source', 'destination', 'plan'] as const)
      expect(shown(connected, choice, made, { type: 'placed', place: { at } }, power)).not.toContain(words);
    expect(shown(connected, choice, made, { type: 'placed', place: { at: 'confirm' } }, power)).toContain(words);
    const running = [connected, event(planned), event(progress(2000)), atJob] as const;
    expect(shown(...running, power)).toContain(words);
    expect(shown(...running)).not.toContain(words);
    expect(shown(...running, power, event(finished))).not.toContain(words);
  });

  test('says on every screen of a move when nobody can be asked, and starts no service where the host is gone', () => {
    const refusal = { code: 'no-service', message: 'm', advice: 'Open its new link.', dataIs: 'unknown' } as const;
    const absent: Change = { type: 'service', service: { state: 'absent', refusal } };
    for (const at of ['source', 'destination', 'plan', 'confirm'] as const)
      expect(shown(connected, choice, made, { type: 'placed', place: { at } }, absent)).toContain('The service does not answer');
    const html = shown({ type: 'service', service: { state: 'host-gone', refusal } });
    expect(html).toContain('Open its new link.');
    expect(html).not.toContain('Start the service');
  });

  test('calls no undone move whole that has lost something', () => {
    const unreadable = { extents: [], extentCount: 1, totalBytes: 4096 };
    const lossy: JobEvent = { event: 'undone', ...at(9), report: { ...report, unreadable } };
    const html = shown(connected, event(planned), event(lossy), atJob);
    expect(html).toContain('The move was undone, with these points');
    expect(html).not.toContain('holds everything that was written');
  });

  test('reports plain success only of one', () => {
    const sure: JobEvent = { event: 'finished', ...at(9), verified: true, report };
    expect(shown(connected, event(planned), event(sure), atJob)).toContain('The move is complete<');
    // Nobody looks for points where there are none.
    expect(shown(connected, event(planned), event(sure), atJob)).toContain('so that nothing takes it for the volume. Keep it');
    const unreadable = { extents: [], extentCount: 1, totalBytes: 4096 };
    const lossy: JobEvent = { ...sure, report: { ...report, unreadable, unreadableFiles: { paths: ['/a/b'], unknown: null } } };
    const html = shown(connected, event(planned), event(lossy), atJob);
    for (const words of ['with these points', '4 KiB of the source could not be read', '/a/b', ', unless a point above says']) expect(html).toContain(words);
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
    ['finished', finished, 'It looks empty, so that nothing takes it for the volume'],
    ['undone', undone, '/dev/sdb holds everything that was written'],
    ['failed', failed, 'Your data is on both disks together'],
  ])('says where the data is when a move has %s', (_, end, words) => {
    expect(shown(connected, event(planned), event(end), atJob)).toContain(words);
  });
});
