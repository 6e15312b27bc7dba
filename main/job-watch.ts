/**
 * Follows all jobs beside the window, so that a person hears how a move has ended, or that it waits for a decision,
 * also when the window is closed or behind others. While a move runs, the app stays without a window.
 */
import { ServiceBridge } from '../app/client/service-bridge.ts';
import type { BridgeMessage } from '../app/contract/bridge.ts';
import type { JobEvent } from '../app/contract/events.ts';
import type { ServiceResult } from '../app/contract/service.ts';

export interface JobWatchOptions {
  readonly socketPath: string;
  readonly notify: (notice: Notice) => void;
  /** The last of the running jobs has ended. */
  readonly onIdle: () => void;
}

export interface Notice {
  readonly title: string;
  readonly body: string;
}

export class JobWatch {
  readonly #options: JobWatchOptions;
  readonly #bridge: ServiceBridge;
  /** By job: its source, for the words. */
  readonly #running = new Map<string, string>();

  constructor(options: JobWatchOptions) {
    this.#options = options;
    this.#bridge = new ServiceBridge({ socketPath: options.socketPath, tell: (message) => this.#hear(message) });
  }

  get isIdle(): boolean {
    return this.#running.size === 0;
  }

  close(): void {
    this.#bridge.close();
  }

  #hear(message: BridgeMessage): void {
    if (message.kind === 'event') this.#follow(message.event, true);
    const isNew = message.kind === 'service' && message.service.state === 'connected';
    if (isNew || message.kind === 'streamEnded') void this.#subscribe();
  }

  /** What has been is known already, or was told by another start of the app: it is not told again. */
  async #subscribe(): Promise<void> {
    const answer = await this.#bridge.ask({ name: 'subscribe', parameters: { job: null } });
    if (answer.outcome === 'refused') return;
    const { events } = answer.result as ServiceResult<'subscribe'>;
    const heard = new Set(events.map(({ job }) => job));
    const gone = [...this.#running.keys()].filter((job) => !heard.has(job));
    for (const event of events) this.#follow(event, false);
    for (const job of gone) await this.#learnEnd(job);
  }

  /** Of a job that has ended while there was no connection. */
  async #learnEnd(job: string): Promise<void> {
    const answer = await this.#bridge.ask({ name: 'logs', parameters: { job } });
    const events = answer.outcome === 'done' ? (answer.result as ServiceResult<'logs'>).events : [];
    const end = events.find(isEnd);
    if (end !== undefined) this.#follow(end, true);
    else if (this.#running.delete(job) && this.isIdle) this.#options.onIdle();
  }

  #follow(event: JobEvent, isNews: boolean): void {
    if (event.event === 'planned') this.#running.set(event.job, event.plan.source.path);
    const notice = noticeOf(event, this.#running.get(event.job) ?? event.job);
    if (notice !== null && isNews) this.#options.notify(notice);
    if (isEnd(event) && this.#running.delete(event.job) && this.isIdle) this.#options.onIdle();
  }
}

function isEnd({ event }: JobEvent): boolean {
  return event === 'finished' || event === 'undone' || event === 'failed';
}

/** Null for what nobody must be told at once. */
export function noticeOf(event: JobEvent, source: string): Notice | null {
  switch (event.event) {
    case 'finished':
      return { title: 'The move is complete', body: `${source}: the destination holds the volume now.` };
    case 'undone':
      return { title: 'The move was undone', body: `${source} holds everything that was written.` };
    case 'failed':
      return { title: 'The move has failed', body: event.message };
    case 'decision':
      return { title: 'A move waits for your decision', body: `${event.message}. Do not unplug a disk.` };
    case 'synchronized':
      return { title: 'Everything has crossed', body: `${source}: the move is ready for its cut-over.` };
    default:
      return null;
  }
}
