/**
 * Starts a job process (job-process.ts), gives it its order, passes on what it reports, and says how it has
 * ended, also when it died. Whoever runs a job owns one: `diskferry migrate` in its terminal, or the service.
 *
 * The job process has a session of its own: closing the terminal or killing the supervisor never touches it.
 * Signals that are meant for the job are passed on by `undo`.
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { DiskferryError, messageOf } from '../base/error.ts';
import type { DataPlace } from '../contract/advice.ts';
import type { JobEvent, JobEventName } from '../contract/events.ts';
import { inOwnSession } from '../devices/own-session.ts';
import type { LastEvent } from './event-log.ts';
import { isLast } from './event-log.ts';
import { failedEvent } from './failed-event.ts';
import type { JobOrder, JobProcessMessage, SupervisorMessage } from './job-channel.ts';

export interface SupervisorOptions {
  readonly order: JobOrder;
  /** Each in its order, and the last one before `ended` resolves. */
  readonly onEvent: (event: JobEvent) => void;
}

const script = import.meta.url.endsWith('.ts') ? '../../build/app/migration/job-process.js' : './job-process.js';
const scriptPath = fileURLToPath(new URL(script, import.meta.url));

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #child: ChildProcess;
  readonly #ended: Promise<LastEvent>;
  readonly #seen = new Set<JobEventName>();
  #isReady = false;
  #isUndoWanted = false;
  #last: LastEvent | undefined;

  /** The order's passphrase is wiped here once it has been handed on. */
  static start(options: SupervisorOptions): Supervisor {
    return new Supervisor(options);
  }

  private constructor(options: SupervisorOptions) {
    this.#options = options;
    // The name is there for whoever looks at the list of processes.
    this.#child = inOwnSession((own) =>
      fork(scriptPath, [options.order.job], {
        ...own,
        serialization: 'advanced',
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      }),
    );
    this.#child.on('message', (message: JobProcessMessage) => this.#take(message));
    this.#ended = this.#follow();
  }

  /** Undefined when it could not be started. */
  get processId(): number | undefined {
    return this.#child.pid;
  }

  /** Goes back to the source as soon as the job can; the job says on stderr what it makes of it. */
  undo(): void {
    this.#isUndoWanted = true;
    if (this.#isReady) this.#send({ kind: 'undo' });
  }

  /** Resolves when the job process has ended, with what it said last, or with what there is to say of its death. */
  ended(): Promise<LastEvent> {
    return this.#ended;
  }

  async #follow(): Promise<LastEvent> {
    const how = await new Promise<string>((resolve) => {
      this.#child.once('error', (error) => resolve(messageOf(error)));
      // With the channel empty: 'exit' may come before the last message.
      this.#child.once('close', (exitCode, signal) => resolve(signal ?? `exit code ${String(exitCode)}`));
    });
    return this.#last ?? this.#death(how);
  }

  #take(message: JobProcessMessage): void {
    if (message.kind === 'ready') {
      this.#start();
      return;
    }
    const { event } = message;
    this.#seen.add(event.event);
    if (isLast(event)) this.#last = event;
    this.#options.onEvent(event);
  }

  #start(): void {
    const { order } = this.#options;
    this.#isReady = true;
    this.#send({ kind: 'start', order });
    order.passphrase?.fill(0);
    if (this.#isUndoWanted) this.#send({ kind: 'undo' });
  }

  /** Its end says why it cannot be told anything. */
  #send(message: SupervisorMessage): void {
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }

  #death(how: string): LastEvent {
    const { job } = this.#options.order;
    const error = new DiskferryError('engine-died', `${job}: the job's process has died: ${how}`);
    const event = failedEvent(error, { job, dataIs: this.#dataPlace() });
    this.#options.onEvent(event);
    return event;
  }

  /** Before the plan is told no disk has been touched. */
  #dataPlace(): DataPlace {
    if (this.#seen.has('committed')) return 'destination';
    return this.#seen.has('planned') ? 'both' : 'untouched';
  }
}
