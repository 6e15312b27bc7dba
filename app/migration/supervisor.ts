/**
 * Starts a job process (job-process.ts), gives it its order, passes on what it reports, and says how it has
 * ended. Whoever runs a job owns one: `diskferry migrate` in its terminal, or the service.
 *
 * The job process has a session of its own: closing the terminal or killing the supervisor never touches it.
 * Signals that are meant for the job are passed on by `undo`.
 *
 * When it dies, another one takes over where that can be: the kernel holds what consumers ask for until the successor
 * serves it (DESIGN 5.3). Of a ublk device it does so by itself, and nobody may keep any of it; over FUSE the supervisor
 * keeps /dev/fuse and the virtual device open, over nbd the device. One that dies again and again is given up; then its
 * users get errors, or over ublk wait until `recover` ends it.
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { buildId } from '../base/build-id.ts';
import { builtFile } from '../base/built-file.ts';
import { DiskferryError, messageOf } from '../base/error.ts';
import type { DataPlace } from '../contract/advice.ts';
import type { JobEvent, JobEventName } from '../contract/events.ts';
import { inOwnSession } from '../devices/own-session.ts';
import { canBeTakenOver, openFuse } from '../engine/fuse-device.ts';
import { hardenedNode } from '../engine/hardening.ts';
import { LiveFiles } from '../engine/live-files.ts';
import { canNbdBeTakenOver, disconnectAbandoned } from '../engine/nbd-kernel-device.ts';
import { canUblkBeTakenOver } from '../engine/ublk-disk.ts';
import type { LastEvent } from './event-log.ts';
import { isLast } from './event-log.ts';
import { failedEvent } from './failed-event.ts';
import type {
  AnyOrder,
  JobOrder,
  JobProcessMessage,
  RecoverOrder,
  SupervisorMessage,
} from './job-channel.ts';
import { jobOf } from './job-channel.ts';

export type NewOrder = Omit<JobOrder, 'canBeTakenOver' | 'takesOver'>;
export type SupervisedOrder = NewOrder | RecoverOrder;

export interface SupervisorOptions {
  readonly order: SupervisedOrder;
  /** Each in its order, and the last one before `ended` resolves. */
  readonly onEvent: (event: JobEvent) => void;
}

/** So many successors within so long; then whatever kills them is not by chance. */
const successorsMax = 3;
const successorsMs = 60_000;

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #fuseFd: number | undefined;
  readonly #canBeTakenOver: boolean;
  /** Who waits for a dead device of nbd has no limit otherwise. */
  readonly #endsNbd: boolean;
  readonly #ended: Promise<LastEvent>;
  readonly #seen = new Set<JobEventName>();
  /** When those of late were started. */
  #successorsMs: number[] = [];
  #child: ChildProcess;
  #order: AnyOrder;
  #keptFd: number | undefined;
  #isReady = false;
  #isUndoWanted = false;
  #last: LastEvent | undefined;

  /** The order's passphrase is wiped here once it has been handed on. */
  static start(options: SupervisorOptions): Supervisor {
    return new Supervisor(options);
  }

  private constructor(options: SupervisorOptions) {
    this.#options = options;
    const { order } = options;
    const frontend = frontendToTakeOver(order);
    this.#fuseFd = frontend === 'fuse' ? openShared() : undefined;
    this.#canBeTakenOver = frontend === 'fuse' ? this.#fuseFd !== undefined : frontend !== undefined;
    this.#endsNbd = frontend === 'nbd';
    this.#order = 'request' in order ? { ...order, canBeTakenOver: this.#canBeTakenOver } : order;
    this.#child = this.#spawn();
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

  /** Resolves when the job has ended, with what it said last, or with what there is to say of its death. */
  ended(): Promise<LastEvent> {
    return this.#ended;
  }

  #spawn(): ChildProcess {
    this.#isReady = false;
    // The name is there for whoever looks at the list of processes.
    const child = inOwnSession((own) =>
      fork(builtFile('app/migration/job-process.js'), [jobOf(this.#order)], {
        ...own,
        ...hardenedNode(),
        serialization: 'advanced',
        stdio: ['ignore', 'ignore', 'inherit', 'ipc', this.#fuseFd ?? 'ignore'],
      }),
    );
    child.on('message', (message: JobProcessMessage) => this.#take(message));
    return child;
  }

  async #follow(): Promise<LastEvent> {
    try {
      for (;;) {
        const how = await endOf(this.#child);
        if (this.#last !== undefined) return this.#last;
        if (!('request' in this.#order) || !this.#mayTakeOver()) return this.#death(how);
        this.#order = { ...this.#order, takesOver: { why: how } };
        try {
          this.#child = this.#spawn();
        } catch (error) {
          // As while the program is being replaced.
          return this.#death(`${how}; nobody could take over: ${messageOf(error)}`);
        }
      }
    } finally {
      await this.#giveUp(jobOf(this.#order));
      // Who waits for a device that nobody serves any more gets errors now.
      this.#keep(null);
      if (this.#fuseFd !== undefined) closeSync(this.#fuseFd);
    }
  }

  /**
   * Also after a successor that was refused: a device that the live files name would be taken for one that is waited for.
   * But not the fence of a request that is still with a disk: `recover` asks it, and removes it later.
   */
  async #giveUp(job: string): Promise<void> {
    if (!LiveFiles.isHeld(job)) LiveFiles.discard(job);
    if (!this.#endsNbd) return;
    try {
      await disconnectAbandoned(job);
    } catch {
      // The kernel's own limit ends the wait then.
    }
  }

  #mayTakeOver(): boolean {
    const nowMs = performance.now();
    this.#successorsMs = this.#successorsMs.filter((startMs) => nowMs - startMs < successorsMs);
    const isServed = this.#seen.has('attached') && !this.#seen.has('committed');
    if (!this.#canBeTakenOver || !isServed || this.#successorsMs.length >= successorsMax) return false;
    this.#successorsMs.push(nowMs);
    return true;
  }

  #take(message: JobProcessMessage): void {
    switch (message.kind) {
      case 'ready':
        this.#start();
        break;
      case 'keep':
        this.#keep(message.device);
        this.#send({ kind: 'kept' });
        break;
      case 'event':
        this.#tell(message.event);
    }
  }

  #tell(event: JobEvent): void {
    this.#seen.add(event.event);
    if (isLast(event)) this.#last = event;
    this.#options.onEvent(event);
  }

  #start(): void {
    this.#isReady = true;
    this.#send({ kind: 'start', order: this.#order, build: buildId });
    if ('request' in this.#order) this.#order.passphrase?.fill(0);
    if (this.#isUndoWanted) this.#send({ kind: 'undo' });
  }

  /** When it cannot be held the job runs as well; it only dies harder. */
  #keep(device: string | null): void {
    if (this.#keptFd !== undefined) closeSync(this.#keptFd);
    this.#keptFd = undefined;
    try {
      if (device !== null) this.#keptFd = openSync(device, 'r');
    } catch {
      this.#keptFd = undefined;
    }
  }

  /** Its end says why it cannot be told anything. */
  #send(message: SupervisorMessage): void {
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }

  #death(how: string): LastEvent {
    const job = jobOf(this.#order);
    const often = this.#successorsMs.length >= successorsMax ? ', and so did those that took over' : '';
    const error = new DiskferryError('engine-died', `${job}: the job's process has died: ${how}${often}`);
    const event = failedEvent(error, { job, dataIs: this.#dataPlace() });
    this.#options.onEvent(event);
    return event;
  }

  /** Before the plan is told no disk has been touched. */
  #dataPlace(): DataPlace {
    if (this.#seen.has('committed')) return 'destination';
    const isBegun = this.#seen.has('planned') || !('request' in this.#options.order);
    return isBegun ? 'both' : 'untouched';
  }
}

/** How it has ended. With the channel empty: 'exit' may come before the last message. */
function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(messageOf(error)));
    child.once('close', (exitCode, signal) => resolve(signal ?? `exit code ${String(exitCode)}`));
  });
}

/** Where a successor can take over, with the users staying as they are. */
function frontendToTakeOver(order: SupervisedOrder): 'fuse' | 'nbd' | 'ublk' | undefined {
  if (!('request' in order)) return undefined;
  const { frontend, mappedUsers } = order.request.plan;
  // A LUKS container's key, for its table to be loaded again, is with the process that had it, whoever opened it.
  if (order.passphrase !== undefined || mappedUsers.some(({ tokenKey }) => tokenKey !== undefined)) return undefined;
  if (frontend === 'fuse' && canBeTakenOver()) return 'fuse';
  if (frontend === 'ublk' && canUblkBeTakenOver()) return 'ublk';
  return frontend === 'nbd' && canNbdBeTakenOver() ? 'nbd' : undefined;
}

function openShared(): number | undefined {
  try {
    return openFuse();
  } catch {
    // The job says what is the matter with it.
    return undefined;
  }
}
