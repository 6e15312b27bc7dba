/**
 * Follows all jobs beside the window, so that a person hears how a move has ended, or that it waits for them, also
 * when the window is closed or behind others. While a move runs, the app stays without a window.
 *
 * What was before the app came is not told again; what happens while there is no connection is told afterwards.
 */
import { ServiceBridge } from '../app/client/service-bridge.ts';
import type { BridgeMessage } from '../app/contract/bridge.ts';
import type { JobEvent } from '../app/contract/events.ts';
import type { ServiceResult } from '../app/contract/service.ts';
import type { JobSubject, Notice } from './job-notices.ts';
import { crossedNotice, diedNotice, hasCrossed, noticeOf } from './job-notices.ts';

/** A job that need not wait goes on at once. */
const crossedMs = 1000;
const retryMs = 5000;

export interface JobWatchOptions {
  readonly socketPath: string;
  readonly notify: (notice: Notice) => void;
  /** The last of the running jobs has ended. */
  readonly onIdle: () => void;
}

interface Followed extends JobSubject {
  readonly lastMs: number;
}

export class JobWatch {
  readonly #options: JobWatchOptions;
  readonly #bridge: ServiceBridge;
  readonly #running = new Map<string, Followed>();
  readonly #timers = new Set<NodeJS.Timeout>();
  /** While the past is being told, what happens meanwhile waits: it comes after it. */
  #heldBack: JobEvent[] | undefined;
  /** What was before is not told again. */
  #hasBegun = false;

  constructor(options: JobWatchOptions) {
    this.#options = options;
    this.#bridge = new ServiceBridge({ socketPath: options.socketPath, tell: (message) => this.#hear(message) });
  }

  get isIdle(): boolean {
    return this.#running.size === 0;
  }

  close(): void {
    this.#bridge.close();
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #hear(message: BridgeMessage): void {
    if (message.kind === 'event') {
      if (this.#heldBack === undefined) this.#follow(message.event);
      else this.#heldBack.push(message.event);
    }
    const isNew = message.kind === 'service' && message.service.state === 'connected';
    if (isNew || message.kind === 'streamEnded') void this.#subscribe();
  }

  async #subscribe(): Promise<void> {
    const heldBack: JobEvent[] = [];
    this.#heldBack = heldBack;
    const answer = await this.#bridge.ask({ name: 'subscribe', parameters: { job: null } });
    // Another connection has come meanwhile: what it is told holds.
    if (this.#heldBack !== heldBack) return;
    this.#heldBack = undefined;
    if (answer.outcome === 'done') await this.#catchUp((answer.result as ServiceResult<'subscribe'>).events, heldBack);
    // Nobody is asked for a password by the clock.
    else if (answer.refusal.code !== 'not-authorised') this.#later(retryMs, () => void this.#subscribe());
  }

  async #catchUp(events: readonly JobEvent[], since: readonly JobEvent[]): Promise<void> {
    const isNews = this.#hasBegun;
    this.#hasBegun = true;
    const heard = new Set(events.map(({ job }) => job));
    const gone = [...this.#running.keys()].filter((job) => !heard.has(job));
    for (const job of heard) this.#learnPast(events.filter((event) => event.job === job), isNews);
    for (const event of since) this.#follow(event);
    for (const job of gone) await this.#learnEnd(job);
  }

  /** Of what has happened since it was heard last, the newest that a person must know. */
  #learnPast(events: readonly JobEvent[], isNews: boolean): void {
    const [first] = events;
    if (first === undefined) return;
    const lastMs = this.#running.get(first.job)?.lastMs ?? 0;
    for (const event of events) this.#note(event);
    const news = events.filter(({ timeMs }) => isNews && timeMs > lastMs);
    const subject = this.#subjectOf(first.job);
    const last = news.findLast((event) => noticeOf(event, subject) !== null || hasCrossed(event, subject.plan));
    if (last !== undefined) this.#tell(last);
    const end = events.find(isEnd);
    if (end !== undefined) this.#leave(end.job);
  }

  /** Of a job that has ended, or died, while there was no connection. */
  async #learnEnd(job: string): Promise<void> {
    const logs = await this.#bridge.ask({ name: 'logs', parameters: { job } });
    const events = logs.outcome === 'done' ? (logs.result as ServiceResult<'logs'>).events : [];
    const end = events.find(isEnd);
    if (end !== undefined) {
      this.#follow(end);
      return;
    }
    const state = await this.#stateOf(job);
    // It may serve its volume all the same.
    if (state !== undefined && state !== 'died') return;
    if (state === 'died') this.#options.notify(diedNotice(this.#subjectOf(job).source));
    this.#leave(job);
  }

  async #stateOf(job: string): Promise<ServiceResult<'list'>['jobs'][number]['state'] | undefined> {
    const list = await this.#bridge.ask({ name: 'list', parameters: {} });
    const jobs = list.outcome === 'done' ? (list.result as ServiceResult<'list'>).jobs : [];
    return jobs.find((line) => line.job === job)?.state;
  }

  #follow(event: JobEvent): void {
    this.#note(event);
    this.#tell(event);
    if (isEnd(event)) this.#leave(event.job);
  }

  #note({ job, timeMs, ...event }: JobEvent): void {
    const { source, plan } = event.event === 'planned' ? { source: event.plan.source.path, plan: event.plan } : this.#subjectOf(job);
    if (event.event === 'planned' || this.#running.has(job)) this.#running.set(job, { source, plan, lastMs: timeMs });
  }

  #tell(event: JobEvent): void {
    const subject = this.#subjectOf(event.job);
    const notice = noticeOf(event, subject);
    if (notice !== null) this.#options.notify(notice);
    if (hasCrossed(event, subject.plan)) this.#later(crossedMs, () => void this.#tellIfWaiting(event.job));
  }

  /** Nobody has to be told of a job that cuts over by itself. */
  async #tellIfWaiting(job: string): Promise<void> {
    if ((await this.#stateOf(job)) === 'synchronized') this.#options.notify(crossedNotice(this.#subjectOf(job).source));
  }

  #subjectOf(job: string): JobSubject {
    return this.#running.get(job) ?? { source: job, plan: null };
  }

  #leave(job: string): void {
    if (this.#running.delete(job) && this.isIdle) this.#options.onIdle();
  }

  #later(delayMs: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, delayMs);
    this.#timers.add(timer);
  }
}

function isEnd({ event }: JobEvent): boolean {
  return event === 'finished' || event === 'undone' || event === 'failed';
}
