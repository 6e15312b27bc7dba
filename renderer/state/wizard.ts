/**
 * What the wizard does: it hears the host, asks the service, and tells the store. Works without React and without
 * a browser; screens call its methods and show the store's state.
 *
 * Whatever is asked shows as busy until it is answered, and a refusal shows where it was asked. Errors that are
 * not refusals are faults of ours: they are shown in the same place, and thrown on.
 */
import type { StoreApi } from 'zustand/vanilla';
import { createStore } from 'zustand/vanilla';
import type { BridgeMessage, BridgeRequestName, Refusal } from '../../app/contract/bridge.ts';
import { refusalOf } from '../../app/contract/bridge.ts';
import type { JobStatus } from '../../app/contract/control.ts';
import type { JobEvent } from '../../app/contract/events.ts';
import type { Speed } from '../../app/contract/plan.ts';
import type { ServiceInput, ServiceResult } from '../../app/contract/service.ts';
import { Refused } from '../bridge/bridge.ts';
import type { Choice, PlanQuestion } from './choice.ts';
import { firstChoice, questionKey, questionOf } from './choice.ts';
import { stageOf } from './job-view.ts';
import type { Change, Errand, Place, WizardState } from './wizard-state.ts';
import { firstState, isBusy, reduce } from './wizard-state.ts';

/** As `Bridge` does it. */
export interface Asker {
  ask<Name extends BridgeRequestName>(name: Name, parameters: ServiceInput<Name>): Promise<ServiceResult<Name>>;
  startService(): Promise<void>;
  listen(onMessage: (message: BridgeMessage) => void): void;
}

/** What a job that nobody can tell of is refused with. */
const untold: readonly Refusal['code'][] = ['job-missing', 'record-unreadable', 'end-not-understood'];

/** Commands that take nothing but the job. */
export type JobCommand = 'pause' | 'resume' | 'verify' | 'retry' | 'acceptUnreadable' | 'cutover' | 'undo';

export class Wizard {
  readonly store: StoreApi<WizardState>;
  readonly #bridge: Asker;
  /** While the past is being told, what happens meanwhile waits: it comes after it. */
  #heldBack: JobEvent[] | undefined;
  /** Of those to the service: what was subscribed to on one is gone with it. */
  #connection = 0;
  #subscribedOn = 0;
  #listing: Promise<void> | undefined;
  #isListStale = false;
  /** It was refused by whom one would have to ask: only the person has it asked again. */
  #isKeptOut = false;
  /** Jobs of whose end nobody knows. */
  readonly #withoutPast = new Set<string>();
  #devicesAreStale = false;
  /** Plans that are being made, by their question: none is asked for twice. */
  readonly #plans = new Map<string, Promise<void>>();

  constructor(bridge: Asker) {
    this.#bridge = bridge;
    this.store = createStore<WizardState>()(() => firstState);
    bridge.listen((message) => this.#hear(message));
  }

  get #state(): WizardState {
    return this.store.getState();
  }

  #change(change: Change): void {
    this.store.setState(reduce(this.#state, change), true);
  }

  #hear(message: BridgeMessage): void {
    switch (message.kind) {
      case 'service':
        this.#change({ type: 'service', service: message.service });
        if (message.service.state === 'connected') void this.#begin();
        return;
      case 'event':
        if (this.#heldBack === undefined) this.#change({ type: 'event', event: message.event });
        else this.#heldBack.push(message.event);
        return;
      case 'devicesChanged':
        void this.refreshDevices();
        return;
      case 'streamEnded':
        void this.#begin();
        return;
      case 'power':
        this.#change({ type: 'power', isOnBattery: message.isOnBattery });
        return;
      case 'awoken':
        // Disks may have been taken away, and moves have died, while nobody could tell.
        void this.refreshJobs();
        void this.refreshDevices();
    }
  }

  async #begin(): Promise<void> {
    this.#connection += 1;
    this.#isKeptOut = false;
    await this.refreshJobs();
    await this.refreshDevices();
  }

  async #subscribe(): Promise<void> {
    const connection = this.#connection;
    this.#heldBack = [];
    try {
      const { events } = await this.#bridge.ask('subscribe', { job: null, devices: true });
      for (const event of events) this.#change({ type: 'past', event });
      this.#subscribedOn = connection;
    } finally {
      const since = this.#heldBack;
      this.#heldBack = undefined;
      for (const event of since) this.#change({ type: 'event', event });
    }
  }

  async startService(): Promise<void> {
    await this.#during('service', () => this.#bridge.startService());
  }

  /** By the clock: another client may have decided, and a job may have died. Whoever has said no is not asked again. */
  async keepWatch(): Promise<void> {
    if (!this.#isKeptOut) await this.refreshJobs();
  }

  /** One at a time; whoever comes meanwhile has another one follow. Hears the jobs as well, where it does not yet. */
  async refreshJobs(): Promise<void> {
    if (this.#state.service.state !== 'connected') return;
    this.#isListStale = true;
    this.#listing ??= this.#listWhileStale();
    await this.#listing;
  }

  async #listWhileStale(): Promise<void> {
    try {
      while (this.#isListStale) {
        this.#isListStale = false;
        await this.#during('watch', () => this.#list());
      }
    } finally {
      // In the same turn as the last look whether another one is wanted.
      this.#listing = undefined;
      this.#isKeptOut = this.#state.refusals.watch?.code === 'not-authorised';
    }
  }

  async #list(): Promise<void> {
    if (this.#subscribedOn !== this.#connection) await this.#subscribe();
    const { heard } = this.#state;
    const { jobs } = await this.#bridge.ask('list', {});
    this.#change({ type: 'listed', lines: jobs, heard });
    // What was said of these was too old to be shown: their speed, which no event tells, is still not known.
    if (jobs.some(({ job }) => this.#state.heard[job] !== heard[job])) this.#isListStale = true;
    await this.#learnEnds(new Set(jobs.map(({ job }) => job)));
  }

  /** Jobs that have ended while nobody listened. */
  async #learnEnds(listed: ReadonlySet<string>): Promise<void> {
    const open = Object.values(this.#state.jobs).filter((view) => stageOf(view) !== 'ended');
    for (const { job } of open.filter((view) => !listed.has(view.job) && !this.#withoutPast.has(view.job)))
      await this.#learnEnd(job);
  }

  async #learnEnd(job: string): Promise<void> {
    const { heard } = this.#state;
    const { events } = await this.#bridge.ask('logs', { job }).catch((error: unknown) => {
      if (error instanceof Refused && untold.includes(error.refusal.code)) return { events: [] };
      throw error;
    });
    // It has been heard of meanwhile.
    if (this.#state.heard[job] !== heard[job]) return;
    for (const event of events) this.#change({ type: 'past', event });
    if (events.length > 0) return;
    this.#withoutPast.add(job);
    this.#change({ type: 'gone', job });
  }

  /**
   * Until the disks are confirmed, and not while one of them is being taken. One look at a time: a change that comes
   * meanwhile makes another one follow.
   */
  async refreshDevices(): Promise<void> {
    const { service, place } = this.#state;
    const isChoosing = place.at !== 'start' && place.at !== 'job' && !isBusy(this.#state, 'start');
    if (service.state !== 'connected' || !isChoosing) return;
    this.#devicesAreStale = true;
    if (isBusy(this.#state, 'devices')) return;
    await this.#during('devices', async () => {
      while (this.#devicesAreStale) {
        this.#devicesAreStale = false;
        this.#change({ type: 'devices', devices: await this.#bridge.ask('devices', {}) });
      }
    });
  }

  /** Disks are chosen from a list of now. */
  go(place: Place): void {
    this.#change({ type: 'placed', place });
    if (place.at === 'source' || place.at === 'destination') void this.refreshDevices();
  }

  /** What makes another plan is planned at once, where the plan is shown. */
  async choose(choice: Partial<Choice>): Promise<void> {
    this.#change({ type: 'chosen', choice });
    if (this.#state.place.at === 'plan') await this.#planWhereNone();
  }

  /** From the beginning, with nothing chosen. */
  beginAnew(): void {
    this.#change({ type: 'chosen', choice: firstChoice });
    this.go({ at: 'source' });
  }

  async showPlan(): Promise<void> {
    this.go({ at: 'plan' });
    await this.#planWhereNone();
  }

  async #planWhereNone(): Promise<void> {
    const question = questionOf(this.#state);
    if (question === null || this.#state.planned !== null) return;
    const key = questionKey(question);
    const making = this.#plans.get(key) ?? this.#plan(question).finally(() => this.#plans.delete(key));
    this.#plans.set(key, making);
    await making;
  }

  /** What is answered or refused after something else was chosen is of no interest any more. */
  async #plan(question: PlanQuestion): Promise<void> {
    const act = async (): Promise<void> => {
      const planned = await this.#bridge.ask('plan', question.asked);
      this.#change({ type: 'planned', question, planned });
    };
    await this.#during('plan', act, () => questionKey(question) === questionKey(questionOf(this.#state)));
  }

  /**
   * Erases the destination of the plan that the person saw, and of no other.
   *
   * @param token of that plan; it holds for one start
   * @param passphrase of the LUKS container on the source; not kept
   */
  async start(token: string, passphrase: string | null): Promise<void> {
    const { planned, choice } = this.#state;
    if (planned?.token !== token || isBusy(this.#state, 'start')) return;
    const asked = questionKey(questionOf(this.#state));
    await this.#during('start', async () => {
      const { job, first } = await this.#bridge.ask('start', {
        ...{ token, speed: choice.speed, hold: true, units: [...choice.units] },
        ...(passphrase === null ? {} : { passphrase: base64Of(passphrase) }),
      });
      if (first.event === 'failed') throw new Refused(first);
      this.#showStarted(job, asked);
      await this.refreshJobs();
    });
    if (this.#state.refusals.start !== undefined) await this.#lookAgain();
  }

  /** A password may have been waited for: who has chosen other disks meanwhile, or looks at another move, stays there. */
  #showStarted(job: string, asked: string): void {
    if (questionKey(questionOf(this.#state)) !== asked) return;
    const { at } = this.#state.place;
    this.#change({ type: 'chosen', choice: firstChoice });
    if (at !== 'start' && at !== 'job') this.go({ at: 'job', job });
  }

  /** After a refusal: at what the person is shown now. */
  async #lookAgain(): Promise<void> {
    const { at } = this.#state.place;
    if (at === 'plan') await this.#planWhereNone();
    else if (at === 'destination') await this.refreshDevices();
    else if (at === 'start') await this.refreshJobs();
  }

  async recover(job: string, how: { readonly goesBack: boolean }): Promise<void> {
    if (isBusy(this.#state, `recover:${job}`)) return;
    const { place } = this.#state;
    await this.#during(`recover:${job}`, async () => {
      const { first } = await this.#bridge.ask('recover', { job, hold: true, ...how });
      if (first.event === 'failed') throw new Refused(first);
      // It may have taken minutes, and the person may be elsewhere by now.
      if (this.#state.place === place) this.go({ at: 'job', job });
      await this.refreshJobs();
    });
  }

  async command(job: string, command: JobCommand): Promise<void> {
    await this.#steer(job, () => this.#bridge.ask(command, { job }));
  }

  async setSpeed(job: string, speed: Speed): Promise<void> {
    await this.#steer(job, () => this.#bridge.ask('speed', { job, speed }));
  }

  /** One command at a time: a second one was meant for what the first has changed. */
  async #steer(job: string, act: () => Promise<JobStatus>): Promise<void> {
    if (isBusy(this.#state, `job:${job}`)) return;
    const { heard } = this.#state;
    await this.#during(`job:${job}`, async () => this.#change({ type: 'status', status: await act(), heard }));
    // Whatever it said, something has happened since.
    if (this.#state.heard[job] !== heard[job]) await this.refreshJobs();
  }

  async makeReport(job: string, names: Readonly<Record<'technician' | 'customer', string>>): Promise<void> {
    const given = Object.fromEntries(Object.entries(names).filter(([, name]) => name.trim() !== ''));
    await this.#during('report', async () => {
      this.#change({ type: 'report', report: await this.#bridge.ask('report', { job, ...given }) });
    });
  }

  /** @param isWanted whether its refusal still says something about what is shown */
  async #during(errand: Errand, act: () => Promise<void>, isWanted = (): boolean => true): Promise<void> {
    const end = (refusal: Refusal | null): void => {
      const shown = isWanted() ? refusal : (this.#state.refusals[errand] ?? null);
      this.#change({ type: 'answered', errand, refusal: shown });
    };
    this.#change({ type: 'asked', errand });
    try {
      await act();
      end(null);
    } catch (error) {
      end(error instanceof Refused ? error.refusal : refusalOf(error));
      if (!(error instanceof Refused)) throw error;
    }
  }
}

function base64Of(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
