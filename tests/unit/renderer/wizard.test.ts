import { describe, expect, test } from 'vitest';
import type { BridgeMessage, BridgeRequestName, Refusal } from '../../../app/contract/bridge.ts';
import type { JobEvent } from '../../../app/contract/events.ts';
import { Refused } from '../../../renderer/bridge/bridge.ts';
import type { Asker } from '../../../renderer/state/wizard.ts';
import { Wizard } from '../../../renderer/state/wizard.ts';
import { finished, plan, planned, progress, statusLine, synchronized } from './made-events.ts';

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
    return Promise.resolve(this.answers[name]?.(parameters)) as Promise<never>;
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

function refuse(): never {
  throw new Refused(refusal);
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
    await wizard.start('häuslich');
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

  test('shows a refused start where it was asked, with a fresh plan', async () => {
    let plans = 0;
    const host = new TestHost({ plan: () => ({ plan, token: String(++plans), notes: [] }), start: refuse });
    const wizard = new Wizard(host);
    await wizard.choose({ source: '/dev/sdb', destination: '/dev/sdc' });
    await wizard.showPlan();
    wizard.go({ at: 'confirm' });
    await wizard.start(null);
    expect(wizard.store.getState()).toMatchObject({
      ...{ place: { at: 'confirm' }, refusals: { start: refusal }, planned: { token: '2' }, busy: [] },
    });
  });

  test('starts nothing without a plan', async () => {
    const host = new TestHost();
    await new Wizard(host).start(null);
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
    const looking = wizard.refreshDevices();
    host.tell({ kind: 'devicesChanged' });
    host.tell({ kind: 'devicesChanged' });
    waiting[0]?.({ trees: [{ path: '/dev/sdb', children: [] }], notes: [] });
    await expect.poll(() => waiting.length).toBe(2);
    expect(wizard.store.getState().choice.source).toBe('/dev/sdb');
    waiting[1]?.({ trees: [], notes: [] });
    await looking;
    expect(waiting).toHaveLength(2);
    expect(wizard.store.getState().choice.source).toBeNull();
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
    expect(wizard.store.getState()).toMatchObject({ busy: [], refusals: { job: { code: 'bug' } } });
  });
});
