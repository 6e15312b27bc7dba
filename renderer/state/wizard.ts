/**
 * What the wizard does: it hears the host, asks the service, and tells the store. Works without React and without
 * a browser; screens call its methods and show the store's state.
 *
 * Whatever is asked shows as busy until it is answered, and a refusal shows where it was asked. Errors that are
 * not refusals are faults of ours: they are shown in the same place, and thrown on.
 */
import type { StoreApi } from 'zustand/vanilla';
import { createStore } from 'zustand/vanilla';
import type { BridgeMessage, BridgeRequestName } from '../../app/contract/bridge.ts';
import { refusalOf } from '../../app/contract/bridge.ts';
import type { JobEvent } from '../../app/contract/events.ts';
import type { Speed } from '../../app/contract/plan.ts';
import type { ServiceInput, ServiceResult } from '../../app/contract/service.ts';
import { Refused } from '../bridge/bridge.ts';
import { stageOf } from './job-view.ts';
import type { Change, Choice, Errand, Place, WizardState } from './wizard-state.ts';
import { firstChoice, firstState, isBusy, reduce } from './wizard-state.ts';

/** As `Bridge` does it. */
export interface Asker {
  ask<Name extends BridgeRequestName>(name: Name, parameters: ServiceInput<Name>): Promise<ServiceResult<Name>>;
  startService(): Promise<void>;
  listen(onMessage: (message: BridgeMessage) => void): void;
}

/** Commands that take nothing but the job. */
export type JobCommand = 'pause' | 'resume' | 'verify' | 'retry' | 'acceptUnreadable' | 'cutover' | 'undo';

export class Wizard {
  readonly store: StoreApi<WizardState>;
  readonly #bridge: Asker;
  /** While the past is being told, what happens meanwhile waits: it comes after it. */
  #heldBack: JobEvent[] | undefined;
  readonly #asksForPast = new Set<string>();
  #devicesAreStale = false;
  #lastPlan = 0;

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
    }
  }

  async #begin(): Promise<void> {
    await this.#during('watch', () => this.#subscribe());
    await this.refreshJobs();
    await this.refreshDevices();
  }

  async #subscribe(): Promise<void> {
    this.#heldBack = [];
    try {
      const { events } = await this.#bridge.ask('subscribe', { job: null, devices: true });
      for (const event of events) this.#change({ type: 'event', event });
    } finally {
      const since = this.#heldBack;
      this.#heldBack = undefined;
      for (const event of since) this.#change({ type: 'event', event });
    }
  }

  async startService(): Promise<void> {
    await this.#during('service', () => this.#bridge.startService());
  }

  /** Called every few seconds as well: another client may have decided, and a job may have died. */
  async refreshJobs(): Promise<void> {
    if (this.#state.service.state !== 'connected') return;
    await this.#during('watch', async () => {
      const { jobs } = await this.#bridge.ask('list', {});
      this.#change({ type: 'listed', lines: jobs });
      await this.#learnEnds(new Set(jobs.map(({ job }) => job)));
    });
  }

  /** Jobs that have ended while nobody listened. */
  async #learnEnds(listed: ReadonlySet<string>): Promise<void> {
    const open = Object.values(this.#state.jobs).filter((view) => stageOf(view) !== 'ended');
    for (const { job } of open.filter((view) => !listed.has(view.job))) {
      if (this.#asksForPast.has(job)) continue;
      this.#asksForPast.add(job);
      try {
        const { events } = await this.#bridge.ask('logs', { job });
        for (const event of events) this.#change({ type: 'event', event });
      } finally {
        this.#asksForPast.delete(job);
      }
    }
  }

  /** Where disks are chosen. One look at a time: a change that comes meanwhile makes another one follow. */
  async refreshDevices(): Promise<void> {
    const { service, place } = this.#state;
    if (service.state !== 'connected' || (place.at !== 'source' && place.at !== 'destination')) return;
    this.#devicesAreStale = true;
    if (isBusy(this.#state, 'devices')) return;
    await this.#during('devices', async () => {
      while (this.#devicesAreStale) {
        this.#devicesAreStale = false;
        this.#change({ type: 'devices', devices: await this.#bridge.ask('devices', {}) });
      }
    });
  }

  go(place: Place): void {
    this.#change({ type: 'placed', place });
  }

  /** What makes another plan is planned at once, where the plan is shown. */
  async choose(choice: Partial<Choice>): Promise<void> {
    this.#change({ type: 'chosen', choice });
    if (this.#state.place.at === 'plan' && this.#state.planned === null) await this.plan();
  }

  /** From the beginning, with nothing chosen. */
  async beginAnew(): Promise<void> {
    this.#change({ type: 'chosen', choice: firstChoice });
    this.go({ at: 'source' });
    await this.refreshDevices();
  }

  /** The token of a plan holds for one start; whoever has been refused plans again. */
  async plan(): Promise<void> {
    const { source, destination, verifies, allowsNoJournal } = this.#state.choice;
    if (source === null || destination === null) return;
    const number = (this.#lastPlan += 1);
    await this.#during('plan', async () => {
      const planned = await this.#bridge.ask('plan', { source, destination, verifies, allowsNoJournal });
      // Of what was chosen before, it is no plan any more.
      if (number === this.#lastPlan) this.#change({ type: 'planned', planned });
    });
  }

  async showPlan(): Promise<void> {
    this.go({ at: 'plan' });
    if (this.#state.planned === null) await this.plan();
  }

  /** @param passphrase of the LUKS container on the source; not kept */
  async start(passphrase: string | null): Promise<void> {
    const { planned, choice } = this.#state;
    if (planned === null) return;
    await this.#during('start', async () => {
      const { job, first } = await this.#bridge.ask('start', {
        ...{ token: planned.token, speed: choice.speed, hold: true, units: [...choice.units] },
        ...(passphrase === null ? {} : { passphrase: base64Of(passphrase) }),
      });
      if (first.event === 'failed') throw new Refused(first);
      this.#change({ type: 'chosen', choice: firstChoice });
      this.go({ at: 'job', job });
      await this.refreshJobs();
    });
    // Whatever was wrong, this token is spent.
    if (this.#state.refusals.start !== undefined) await this.plan();
  }

  async recover(job: string, how: { readonly goesBack: boolean }): Promise<void> {
    await this.#during('start', async () => {
      const { first } = await this.#bridge.ask('recover', { job, hold: true, ...how });
      if (first.event === 'failed') throw new Refused(first);
      this.go({ at: 'job', job });
      await this.refreshJobs();
    });
  }

  async command(job: string, command: JobCommand): Promise<void> {
    await this.#during('job', async () => {
      this.#change({ type: 'status', status: await this.#bridge.ask(command, { job }) });
    });
  }

  async setSpeed(job: string, speed: Speed): Promise<void> {
    await this.#during('job', async () => {
      this.#change({ type: 'status', status: await this.#bridge.ask('speed', { job, speed }) });
    });
  }

  async makeReport(job: string, names: Readonly<Record<'technician' | 'customer', string>>): Promise<void> {
    const given = Object.fromEntries(Object.entries(names).filter(([, name]) => name.trim() !== ''));
    await this.#during('report', async () => {
      this.#change({ type: 'report', report: await this.#bridge.ask('report', { job, ...given }) });
    });
  }

  async #during(errand: Errand, act: () => Promise<void>): Promise<void> {
    this.#change({ type: 'asked', errand });
    try {
      await act();
      this.#change({ type: 'answered', errand, refusal: null });
    } catch (error) {
      const refusal = error instanceof Refused ? error.refusal : refusalOf(error);
      this.#change({ type: 'answered', errand, refusal });
      if (!(error instanceof Refused)) throw error;
    }
  }
}

function base64Of(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
