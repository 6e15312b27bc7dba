import { describe, expect, test } from 'vitest';
import type { BridgeMessage, BridgeRequestName, Refusal } from '../../../app/contract/bridge.ts';
import type { JobEvent } from '../../../app/contract/events.ts';
import { Refused } from '../../../renderer/bridge/bridge.ts';
import type { Asker } from '../../../renderer/state/wizard.ts';
import { Wizard } from '../../../renderer/state/wizard.ts';
import { firstChoice } from '../../../renderer/state/choice.ts';
import type { Place, WizardState } from '../../../renderer/state/wizard-state.ts';
import { decision, device, finished, plan, planned, progress, statusLine, synchronized } from './made-events.ts';

type Answers = Partial<Record<BridgeRequestName, (parameters: object) => unknown>>;

/** The host's side, in the test's hands. */
class TestHost implements Asker {
  readonly asked: [name: BridgeRequestName, parameters: object][] = [];
  readonly answers: Answers;
  #tell: (message: BridgeMessage) => void = () => {};

  constructor(answers: Answers = {}) {
    this.answers = { subscribe: () => ({ events: [] }), list: () => ({ jobs: [] }), ...answers };
  }

  ask(name: BridgeRequestName, parameters: object): Promise<never> {
    this.asked.push([name, parameters]);
    return new Promise<unknown>((resolve) => resolve(this.answers[name]?.(parameters))) as Promise<never>;
  }

  startService(): Promise<void> {
    return Promise.reject(new Refused(refusal));
  }

  listen(onMessage: (message: BridgeMessage) => void): void {
    this.#tell = onMessage;
  }

  connect(): void {
    this.tell({ kind: 'service', service: { state: 'connected', version: '1', hasPolkit: true, notes: [] } });
  }

  tell(message: BridgeMessage): void {
    this.#tell(message);
  }

  event(event: JobEvent): void {
    this.tell({ kind: 'event', event });
  }
}

const refusal: Refusal = { code: 'device-in-use', message: 'm', advice: 'a', dataIs: 'untouched' };

const missing: Refusal = { ...refusal, code: 'job-missing' };

function refuse(why = refusal): never {
  throw new Refused(why);
}

describe('the wizard', () => {
  test('tells the past before what happens meanwhile', async () => {
    let answer: (result: { events: JobEvent[] }) => void = () => {};
    const past = new Promise<{ events: JobEvent[] }>((resolve) => (answer = resolve));
    const host = new TestHost({ subscribe: () => past });
    const wizard = new Wizard(host);
    host.connect();
    host.event(finished);
    answer({ events: [planned, synchronized] });
    await expect.poll(() => wizard.store.getState().jobs['job-1']?.end).toEqual(finished);
    expect(wizard.store.getState().jobs['job-1']?.log.map(({ event }) => event)).toEqual([
      ...['planned', 'synchronized', 'finished'],
    ]);
  });

  test('looks at moves and disks anew when the machine has woken, and knows of its battery', async () => {
    const host = new TestHost({ devices: () => ({ trees: [], notes: [] }) });
    const wizard = new Wizard(host);
    const times = (wanted: BridgeRequestName): number => host.asked.filter(([name]) => name === wanted).length;
    host.connect();
    await expect.poll(() => times('list')).toBe(1);
    wizard.go({ at: 'source' });
    await expect.poll(() => times('devices')).toBe(1);
    host.tell({ kind: 'awoken' });
    await expect.poll(() => [times('list'), times('devices')]).toEqual([2, 2]);
    host.tell({ kind: 'power', isOnBattery: true });
    expect(wizard.store.getState().isOnBattery).toBe(true);
  });

  test('subscribes again when the service is back, and when its stream has ended', async () => {
    const host = new TestHost();
    const wizard = new Wizard(host);
    const subscriptions = (): number => host.asked.filter(([name]) => name === 'subscribe').length;
    host.connect();
    await expect.poll(subscriptions).toBe(1);
    host.tell({ kind: 'service', service: { state: 'absent', refusal } });
    expect(wizard.store.getState().service.state).toBe('absent');
    host.connect();
    await expect.poll(subscriptions).toBe(2);
    host.tell({ kind: 'streamEnded' });
    await expect.poll(subscriptions).toBe(3);
  });

  test('learns how a job has ended that is listed no longer', async () => {
    const host = new TestHost({ logs: () => ({ events: [planned, finished] }) });
    const wizard = new Wizard(host);
    host.connect();
    host.event(planned);
    host.event(progress(2000));
    await expect.poll(() => wizard.store.getState().busy).toEqual([]);
    await wizard.refreshJobs();
    expect(wizard.store.getState().jobs['job-1']?.end).toEqual(finished);
  });

  test('plans what was chosen, and starts that very plan once', async () => {
    const begun = { job: 'job-1', first: planned };
    const host = new TestHost({
      plan: () => ({ plan, token: 'once', notes: [] }),
      start: () => begun,
      list: () => ({ jobs: [statusLine()] }),
    });
    const wizard = new Wizard(host);
    await wizard.choose({ source: '/dev/sdb', destination: '/dev/sdc', verifies: false, units: ['a.service'] });
    await wizard.showPlan();
    expect(host.asked.at(-1)).toEqual([
      'plan',
      { source: '/dev/sdb', destination: '/dev/sdc', verifies: false, allowsNoJournal: false },
    ]);
    wizard.go({ at: 'confirm' });
    await wizard.start('once', 'häuslich');
    const started = host.asked.find(([name]) => name === 'start')?.[1] as { passphrase: string };
    expect(started).toMatchObject({ token: 'once', hold: true, units: ['a.service'], speed: 'balanced' });
    expect(Buffer.from(started.passphrase, 'base64').toString()).toBe('häuslich');
    expect(wizard.store.getState()).toMatchObject({ place: { at: 'job', job: 'job-1' }, planned: null });
  });

  test('plans anew what a choice changes, and keeps no answer to an earlier question', async () => {
    const waiting: ((planned: object) => void)[] = [];
    const host = new TestHost({ plan: () => new Promise((resolve) => waiting.push(resolve)) });
    const wizard = new Wizard(host);
    await wizard.choose({ source: '/dev/sdb', destination: '/dev/sdc' });
    const first = wizard.showPlan();
    const second = wizard.choose({ verifies: false });
    waiting[1]?.({ plan, token: 'second', notes: [] });
    await second;
    waiting[0]?.({ plan, token: 'first', notes: [] });
    await first;
    expect(wizard.store.getState().planned?.token).toBe('second');
    await wizard.choose({ speed: 'full' });
    expect(wizard.store.getState().planned?.token).toBe('second');
  });

  test('keeps no plan, and no refusal of one, that came after another disk was chosen', async () => {
    const waiting: { resolve: (planned: object) => void; reject: (why: Error) => void }[] = [];
    const host = new TestHost({
      plan: () => new Promise<object>((resolve, reject) => waiting.push({ resolve, reject })),
    });
    const wizard = new Wizard(host);
    await wizard.choose({ source: '/dev/sdb', destination: '/dev/sdc' });
    const late = wizard.showPlan();
    wizard.go({ at: 'destination' });
    await wizard.choose({ destination: '/dev/sdd' });
    waiting[0]?.resolve({ plan, token: 'of sdc', notes: [] });
    await late;
    expect(wizard.store.getState().planned).toBeNull();
    const refused = wizard.showPlan();
    wizard.go({ at: 'destination' });
    await wizard.choose({ destination: '/dev/sde' });
    waiting[1]?.reject(new Refused(refusal));
    await refused;
    expect(wizard.store.getState()).toMatchObject({ planned: null, refusals: {}, busy: [] });
    expect(wizard.store.getState().refusals.plan).toBeUndefined();
  });

  test('asks for no plan twice that is being made', async () => {
    let answer: (planned: object) => void = () => {};
    const making = new Promise<object>((resolve) => (answer = resolve));
    const host = new TestHost({ plan: () => making });
    const wizard = new Wizard(host);
    await wizard.choose({ source: '/dev/sdb', destination: '/dev/sdc' });
    const both = [wizard.showPlan(), wizard.showPlan()];
    answer({ plan, token: 't', notes: [] });
    await Promise.all(both);
    expect(host.asked.map(([name]) => name)).toEqual(['plan']);
  });

  /** At Confirm, with a plan whose start is refused. */
  async function refusedWith(code: Refusal['code']): Promise<{ wizard: Wizard; host: TestHost }> {
    let plans = 0;
    const host = new TestHost({
      plan: () => ({ plan, token: String(++plans), notes: [] }),
      start: () => refuse({ ...refusal, code, dataIs: 'unknown' }),
      devices: () => ({ trees: [device('/dev/sdb'), device('/dev/sdc')], notes: [] }),
    });
    const wizard = new Wizard(host);
    host.connect();
    wizard.go({ at: 'source' });
    await expect.poll(() => wizard.store.getState().devices).not.toBeNull();
    await wizard.choose({ source: '/dev/sdb', destination: '/dev/sdc' });
    await wizard.showPlan();
    wizard.go({ at: 'confirm' });
    await wizard.start('1', null);
    return { wizard, host };
  }

  const chosen = { source: '/dev/sdb', destination: '/dev/sdc' };
  const nothing = { source: null, destination: null };
  test.each([
    ['kept where only the permission was missing', 'not-authorised', 'confirm', '1', chosen],
    ['made anew where it is spent', 'wrong-passphrase', 'plan', '2', chosen],
    ['made anew where it has expired', 'plan-expired', 'plan', '2', chosen],
    ['given up where a disk has changed', 'device-changed', 'destination', undefined, { ...chosen, destination: null }],
    ['given up where no answer came', 'service-silent', 'start', undefined, nothing],
    ['given up where the service has gone', 'no-service', 'start', undefined, nothing],
    ['given up where the answer was not understood', 'bug', 'start', undefined, nothing],
  ] as const)('shows a refused start; its plan is %s', async (_, code, at, token, choice) => {
    const { wizard, host } = await refusedWith(code);
    const { place, planned: now, choice: after, refusals } = wizard.store.getState();
    expect([place.at, now?.token]).toEqual([at, token]);
    expect(after).toMatchObject(choice);
    expect(refusals.start?.code).toBe(code);
    expect(host.asked.filter(([name]) => name === 'plan')).toHaveLength(token === '2' ? 2 : 1);
  });

  test('starts no other plan than the one that was seen, and none twice', async () => {
    const { wizard, host } = await refusedWith('wrong-passphrase');
    const starts = (): number => host.asked.filter(([name]) => name === 'start').length;
    await wizard.start('1', null);
    expect(starts()).toBe(1);
    await Promise.all([wizard.start('2', null), wizard.start('2', null)]);
    expect(starts()).toBe(2);
  });

  /** At Confirm, with a start that waits for a password. */
  async function starting(): Promise<{ wizard: Wizard; host: TestHost; letStart: () => Promise<void> }> {
    let answer: (begun: object) => void = () => {};
    const begun = new Promise<object>((resolve) => (answer = resolve));
    const host = new TestHost({ plan: () => ({ plan, token: 't', notes: [] }), start: () => begun });
    const wizard = new Wizard(host);
    host.connect();
    await expect.poll(() => host.asked.length > 1 && wizard.store.getState().busy.length === 0).toBe(true);
    await wizard.choose({ source: '/dev/sdb', destination: '/dev/sdc' });
    await wizard.showPlan();
    wizard.go({ at: 'confirm' });
    const start = wizard.start('t', null);
    return {
      ...{ wizard, host },
      letStart: async () => {
        answer({ job: 'job-1', first: planned });
        await start;
      },
    };
  }

  test('shows a move that begins also where one has gone back to its plan meanwhile', async () => {
    const { wizard, letStart } = await starting();
    wizard.go({ at: 'plan' });
    await letStart();
    expect(wizard.store.getState()).toMatchObject({ place: { at: 'job', job: 'job-1' }, choice: { source: null } });
  });

  const another: Place = { at: 'job', job: 'job-2' };
  test.each<[string, (wizard: Wizard) => void, Partial<WizardState>]>([
    ['looks at other moves', (wizard) => wizard.go({ at: 'start' }), { place: { at: 'start' } }],
    ['looks at another move', (wizard) => wizard.go(another), { place: another }],
    [
      'has chosen another disk',
      (wizard) => {
        wizard.beginAnew();
        void wizard.choose({ source: '/dev/sdd' });
      },
      { place: { at: 'source' }, choice: { ...firstChoice, source: '/dev/sdd' } },
    ],
  ])('leaves a person who %s meanwhile where he is when his move begins', async (_, act, after) => {
    const { wizard, host, letStart } = await starting();
    act(wizard);
    const listsBefore = host.asked.filter(([name]) => name === 'list').length;
    await letStart();
    expect(wizard.store.getState()).toMatchObject(after);
    expect(host.asked.filter(([name]) => name === 'list').length).toBeGreaterThan(listsBefore);
  });

  test.each(['source', 'start'] as const)('shows a move that goes on, but not to who was at start and is at %s then', async (at) => {
    let answer: (begun: object) => void = () => {};
    const begun = new Promise<object>((resolve) => (answer = resolve));
    const wizard = new Wizard(new TestHost({ recover: () => begun }));
    const recovery = wizard.recover('job-1', { goesBack: false });
    if (at === 'source') wizard.go({ at });
    answer({ job: 'job-1', first: planned });
    await recovery;
    expect(wizard.store.getState().place).toEqual(at === 'source' ? { at } : { at: 'job', job: 'job-1' });
  });

  test('starts nothing without a plan', async () => {
    const host = new TestHost();
    await new Wizard(host).start('t', null);
    expect(host.asked).toEqual([]);
  });

  test('chooses a disk no longer that is gone, and looks once more when disks change while it looks', async () => {
    const waiting: ((devices: object) => void)[] = [];
    const host = new TestHost({ devices: () => new Promise((resolve) => waiting.push(resolve)) });
    const wizard = new Wizard(host);
    host.connect();
    await expect.poll(() => host.asked.length > 1 && wizard.store.getState().busy.length === 0).toBe(true);
    await wizard.choose({ source: '/dev/sdb' });
    wizard.go({ at: 'source' });
    host.tell({ kind: 'devicesChanged' });
    host.tell({ kind: 'devicesChanged' });
    waiting[0]?.({ trees: [device('/dev/sdb')], notes: [] });
    await expect.poll(() => waiting.length).toBe(2);
    expect(wizard.store.getState().choice.source).toBe('/dev/sdb');
    waiting[1]?.({ trees: [], notes: [] });
    await expect.poll(() => wizard.store.getState().busy).toEqual([]);
    expect(waiting).toHaveLength(2);
    expect(wizard.store.getState()).toMatchObject({ choice: { source: null }, lost: '/dev/sdb' });
  });

  test('looks at the disks again at each place where one is chosen, and until the move begins', async () => {
    const host = new TestHost({ devices: () => ({ trees: [device('/dev/sdb'), device('/dev/sdc')], notes: [] }) });
    const wizard = new Wizard(host);
    host.connect();
    const looks = (): number => host.asked.filter(([name]) => name === 'devices').length;
    await expect.poll(() => wizard.store.getState().busy).toEqual([]);
    for (const [index, at] of (['source', 'destination', 'source'] as const).entries()) {
      wizard.go({ at });
      await expect.poll(() => wizard.store.getState().busy).toEqual([]);
      expect(looks()).toBe(index + 1);
    }
    for (const [index, at] of (['plan', 'confirm'] as const).entries()) {
      wizard.go({ at });
      host.tell({ kind: 'devicesChanged' });
      await expect.poll(() => wizard.store.getState().busy).toEqual([]);
      expect(looks()).toBe(index + 4);
    }
  });

  test('subscribes again by and by where that was refused, but asks nobody for a password by the clock', async () => {
    let code: Refusal['code'] | undefined = 'too-many-requests';
    const host = new TestHost({
      subscribe: () => (code === undefined ? { events: [planned] } : refuse({ ...refusal, code })),
      list: () => ({ jobs: [statusLine()] }),
    });
    const wizard = new Wizard(host);
    const asked = (): number => host.asked.filter(([name]) => name === 'subscribe').length;
    host.connect();
    await expect.poll(() => wizard.store.getState().refusals.watch?.code).toBe('too-many-requests');
    code = 'not-authorised';
    await wizard.keepWatch();
    expect(asked()).toBe(2);
    await wizard.keepWatch();
    expect(asked()).toBe(2);
    code = undefined;
    await wizard.refreshJobs();
    await wizard.keepWatch();
    expect(asked()).toBe(3);
    expect(wizard.store.getState().jobs['job-1']?.plan).toEqual(plan);
  });

  test('has one list made at a time, however many want it', async () => {
    const waiting: ((list: object) => void)[] = [];
    const host = new TestHost({ list: () => new Promise((resolve) => waiting.push(resolve)) });
    const wizard = new Wizard(host);
    host.connect();
    await expect.poll(() => waiting.length).toBe(1);
    const more = [wizard.refreshJobs(), wizard.refreshJobs(), wizard.refreshJobs()];
    waiting[0]?.({ jobs: [] });
    await expect.poll(() => waiting.length).toBe(2);
    waiting[1]?.({ jobs: [] });
    await Promise.all(more);
    expect(waiting).toHaveLength(2);
  });

  test('lists the jobs once more when one has done something meanwhile, and so knows the speed of one that begins', async () => {
    const waiting: (() => void)[] = [];
    const host = new TestHost({
      list: () => new Promise((resolve) => waiting.push(() => resolve({ jobs: [statusLine({ speed: 'gentle' })] }))),
    });
    const wizard = new Wizard(host);
    host.connect();
    await expect.poll(() => waiting.length).toBe(1);
    host.event(planned);
    waiting[0]?.();
    await expect.poll(() => waiting.length).toBe(2);
    expect(wizard.store.getState().jobs['job-1']?.speed).toBeNull();
    waiting[1]?.();
    await expect.poll(() => wizard.store.getState().jobs['job-1']?.speed).toBe('gentle');
    expect(waiting).toHaveLength(2);
  });

  test('learns the ends of other jobs where one has no past, and says that it knows nothing of that one', async () => {
    const ofOther = { job: 'job-2' };
    const host = new TestHost({
      logs: (parameters) => ('job' in parameters && parameters.job === 'job-1' ? refuse(missing) : { events: [{ ...finished, ...ofOther }] }),
    });
    const wizard = new Wizard(host);
    host.connect();
    host.event(planned);
    host.event({ ...planned, ...ofOther });
    await expect.poll(() => wizard.store.getState().busy).toEqual([]);
    await wizard.refreshJobs();
    await wizard.refreshJobs();
    const { jobs, refusals } = wizard.store.getState();
    expect([jobs['job-1']?.state, jobs['job-2']?.end?.event, refusals.watch]).toEqual(['not-answering', 'finished', undefined]);
    expect(host.asked.filter(([name]) => name === 'logs')).toHaveLength(2);
  });

  test('lists the jobs again when something has happened while a command was carried out', async () => {
    let answer: (status: object) => void = () => {};
    const host = new TestHost({
      cutover: () => new Promise((resolve) => (answer = resolve)),
      list: () => ({ jobs: [statusLine({ state: 'needs-decision', decision })] }),
    });
    const wizard = new Wizard(host);
    host.connect();
    await expect.poll(() => wizard.store.getState().jobs['job-1']?.state).toBe('needs-decision');
    const commanding = [wizard.command('job-1', 'cutover'), wizard.command('job-1', 'cutover')];
    host.event(decision);
    answer(statusLine({ state: 'cutting-over' }));
    await Promise.all(commanding);
    expect(wizard.store.getState().jobs['job-1']).toMatchObject({ state: 'needs-decision', decision });
    expect(host.asked.filter(([name]) => name === 'cutover')).toHaveLength(1);
  });

  test('shows why the service could not be started', async () => {
    const wizard = new Wizard(new TestHost());
    await wizard.startService();
    expect(wizard.store.getState()).toMatchObject({ busy: [], refusals: { service: refusal } });
  });

  test('shows a fault of its own as a bug, and throws it on', async () => {
    const host = new TestHost({ pause: () => Promise.reject(new TypeError('broken')) });
    const wizard = new Wizard(host);
    await expect(wizard.command('job-1', 'pause')).rejects.toThrow('broken');
    expect(wizard.store.getState()).toMatchObject({ busy: [], refusals: { 'job:job-1': { code: 'bug' } } });
  });
});
