/**
 * The control side of an engine: starts the worker thread, passes commands to it, and turns its answers
 * into promises. Owned by a migration; one engine serves one job. Never touches the disks itself.
 *
 * If the worker dies, every promise that waits and `died` reject with `engine-died`: the virtual device then
 * answers nothing any more, and the owner must say so.
 *
 * The worker's ring is held here beyond its thread's end, and let go before anybody hears of that end. When a
 * ring goes, the kernel takes back what a server of ublk has in flight; but from a thread that still runs, it
 * may once more hand it a request meanwhile (6.12: ublk_uring_cmd_cancel_fn does so after it has taken back
 * the others), and whoever then stops the device waits for the answer for ever, and cannot be killed:
 *
 *   worker     throws ─ gives up what it had ─ ends
 *   here                                          the ring is closed ─ `died` ─ (the owner) the device is stopped
 */
import { closeSync, writeSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { Worker } from 'node:worker_threads';
import { builtFile } from '../base/built-file.ts';
import { DiskferryError, messageOf, present } from '../base/error.ts';
import { blockBytes } from '../base/units.ts';
import type { Extent } from '../base/units.ts';
import type { CopyFailure } from '../copy/copy-failure.ts';
import type { VerifyResult } from '../copy/verify-loop.ts';
import type { Speed } from '../copy/pace.ts';
import { destination, source } from '../devices/disk-io.ts';
import { readIoCounts } from '../devices/io-counts.ts';
import type { JobPhase } from '../journal/job-phase.ts';
import { addon } from '../../native/binding.ts';
import type { UnreadableExtents } from '../flags/unreadable-blocks.ts';
import { ConsumerMeter, consumerMeterBytes } from '../router/consumer-meter.ts';
import type { ConsumerSnapshot } from '../router/consumer-meter.ts';
import type { DurabilityLoss } from '../router/flush-rounds.ts';
import type { WantedMask } from './mask-change.ts';
import type { ControlMessage, WorkerMessage, WorkerSetting } from './messages.ts';
import type { EngineProgress } from './progress-cells.ts';
import type { UndoFailure } from './undo.ts';
import { placeCellsBytes, readPlaces } from './place-survey.ts';
import type { PlaceLevels } from './place-survey.ts';
import { ProgressCells, progressCellsBytes } from './progress-cells.ts';
import { UnreadableError } from './unreadable-error.ts';

export interface DiskNames {
  readonly source: string;
  readonly destination: string;
}
/** For an engine without one. */
const noJournalName = 'the journal';
export type EngineSetting = Omit<WorkerSetting, 'wakeFd' | 'consumerCells' | 'progressCells' | 'placeCells'> & {
  /** For messages. */
  readonly names: DiskNames & { readonly journal?: string };
};
type MessageKind = WorkerMessage['kind'];
type MessageOf<Kind extends MessageKind> = Extract<WorkerMessage, { kind: Kind }>;
type Listener = (message: WorkerMessage | Error) => void;

/** While copying, well within the time for which the pace takes a silent consumer for busy. */
const directLookMs = { copying: 10, otherwise: 500 } as const;
const wakeOnce = new Uint8Array(new BigUint64Array([1n]).buffer);

export class Engine {
  readonly #worker: Worker;
  readonly #wakeFd: number;
  readonly #names: DiskNames & { readonly journal: string };
  readonly #meter: ConsumerMeter;
  readonly #progress: ProgressCells;
  readonly #placeCells = new SharedArrayBuffer(placeCellsBytes);
  readonly #blockCount: number;
  readonly #listeners = new Set<Listener>();
  #ringFd: number | undefined;
  #error: unknown;
  #death: DiskferryError | undefined;
  /** Nothing can be made durable any more, and why. */
  #flushFailure: DiskferryError | undefined;
  #isStopped = false;

  /** Resolves when the worker serves its frontend. */
  static async start(setting: EngineSetting): Promise<Engine> {
    const engine = new Engine(setting);
    await engine.#next('ready');
    return engine;
  }

  private constructor(setting: EngineSetting) {
    const consumerCells = new SharedArrayBuffer(consumerMeterBytes);
    const progressCells = new SharedArrayBuffer(progressCellsBytes);
    this.#meter = new ConsumerMeter(consumerCells);
    this.#progress = new ProgressCells(progressCells);
    this.#names = { journal: noJournalName, ...setting.names };
    this.#wakeFd = addon().eventFd();
    this.#blockCount = Math.ceil(setting.geometry.sizeBytes / blockBytes);
    const cells = { consumerCells, progressCells, placeCells: this.#placeCells };
    const workerData: WorkerSetting = { ...setting, ...cells, wakeFd: this.#wakeFd };
    this.#worker = new Worker(builtFile('app/engine/worker.js'), {
      workerData,
      transferList: mapsOf(setting),
      // The ring opens sockets that Node does not know of; it would warn when the worker closes them.
      trackUnmanagedFds: false,
    });
    this.#worker.on('message', (message: WorkerMessage) => this.#hear(message));
    // Its thread still runs.
    this.#worker.on('error', (error) => (this.#error = error));
    this.#worker.on('exit', () => this.#die());
  }

  get progress(): EngineProgress {
    return this.#progress.read();
  }

  /** What is where on the volume, as it was within the last second or two. */
  get places(): PlaceLevels {
    return readPlaces(this.#placeCells, this.#blockCount);
  }

  get consumer(): ConsumerSnapshot {
    return this.#meter.snapshot();
  }

  /**
   * What consumers do on this device (`majorMinor`) counts as theirs too, and copying makes way for it, until
   * released.
   */
  countDirect(majorMinor: string): () => void {
    let timer: NodeJS.Timeout | undefined;
    const look = (): void => {
      this.#meter.setDirect(readIoCounts(majorMinor));
      timer = setTimeout(look, this.progress.isCopying ? directLookMs.copying : directLookMs.otherwise);
      timer.unref();
    };
    look();
    return () => {
      clearTimeout(timer);
      this.#meter.setDirect({ ...readIoCounts(majorMinor), inFlight: 0 });
    };
  }

  /** Rejects when the worker dies; stays pending otherwise. */
  async died(): Promise<never> {
    await this.#next('stopped');
    throw new DiskferryError('engine-died', 'the engine has stopped');
  }

  /** Rejects when nothing can be made durable any more or the worker dies; stays pending otherwise. */
  async fails(): Promise<never> {
    if (this.#flushFailure !== undefined) throw this.#flushFailure;
    const { kind } = await this.#next('stopped', 'durability-lost');
    if (kind === 'durability-lost') throw this.#whyNothingLasts();
    throw new DiskferryError('engine-died', 'the engine has stopped');
  }

  /** Flags extents that nobody relies on, so that they are not copied. Before the virtual device is used. */
  async skip(extents: readonly Extent[]): Promise<void> {
    await this.#ask({ kind: 'skip', extents }, 'skipped');
  }

  /** Starts or resumes copying. */
  startCopy(): void {
    this.#send({ kind: 'start-copy' });
  }

  /** What could not be read, when nothing else is left, is done with. Answered like what had failed. */
  acceptUnreadable(): void {
    this.#send({ kind: 'accept-unreadable' });
  }

  pauseCopy(): void {
    this.#send({ kind: 'pause' });
  }

  setSpeed(speed: Speed): void {
    this.#send({ kind: 'speed', speed });
  }

  /**
   * Resolves when every block has crossed; rejects when copying has failed, or nothing can be made durable any
   * more. Serving goes on either way.
   */
  async synchronized(): Promise<void> {
    const message = await Promise.race([this.#next('synchronized', 'copy-failed'), this.fails()]);
    if (message.kind === 'copy-failed')
      throw copyError(message, { from: 'source', to: 'destination', names: this.#names });
  }

  /**
   * Makes everything on the destination durable. Once failed, always failed: a lost write is reported only
   * once.
   */
  async flushDestination(): Promise<void> {
    if (this.#flushFailure !== undefined) throw this.#flushFailure;
    const { errno } = await this.#ask({ kind: 'flush-destination' }, 'flushed');
    if (errno !== 0) throw this.#whyNothingLasts();
  }

  /**
   * What has crossed completely from the disk's start, if it is at least so long, else 0: durable, and
   * counted as written by the consumer, so that it may be served past the engine. Throws what
   * `flushDestination` throws.
   */
  async graduate(leastBytes: number): Promise<number> {
    if (this.#flushFailure !== undefined) throw this.#flushFailure;
    const { lengthBytes, errno } = await this.#ask({ kind: 'graduate', leastBytes }, 'graduated');
    if (errno !== 0) throw this.#whyNothingLasts();
    return lengthBytes;
  }

  /**
   * Reads the destination back, past all caches, and compares it with what was copied; repairs what it can.
   * Only when everything has crossed. Stays pending when an undo stops it. Throws what `flushDestination`
   * throws.
   */
  async verify(): Promise<VerifyResult> {
    if (this.#flushFailure !== undefined) throw this.#flushFailure;
    this.#send({ kind: 'verify' });
    const message = await this.#next('verified', 'verify-failed');
    if (message.kind === 'verified') return message.result;
    if (message.errno !== 0) throw this.#whyNothingLasts();
    throw new DiskferryError('verification-failed', `verifying has stopped: ${message.message}`);
  }

  /** What the job is about from now on is durable when this resolves. Throws `journal-failed`. */
  async enterPhase(phase: JobPhase): Promise<void> {
    const { errno } = await this.#ask({ kind: 'enter-phase', phase }, 'phase-entered');
    if (errno !== 0) throw journalError(this.#names.journal, errno);
  }

  /**
   * Makes a disk known as the volume, durably, while it is served; may be called again. Throws `mask-failed`.
   */
  async unmask(disk: keyof DiskNames): Promise<void> {
    await this.#changeMask(disk, { isMasked: false });
  }

  /** The same as far as the disk can be read. */
  async unmaskReadable(disk: keyof DiskNames): Promise<void> {
    await this.#changeMask(disk, { isMasked: false, skipsUnreadable: true });
  }

  /** The other way round, as far as the disk can be read. */
  async mask(disk: keyof DiskNames): Promise<void> {
    await this.#changeMask(disk, { isMasked: true, skipsUnreadable: true });
  }

  async #changeMask(disk: keyof DiskNames, how: Omit<WantedMask, 'disk'>): Promise<void> {
    const wanted = { disk: disk === 'source' ? source : destination, ...how } as const;
    const { errno } = await this.#ask({ kind: 'change-mask', ...wanted }, 'mask-changed');
    if (errno === 0) return;
    const device = this.#names[disk];
    const what = how.isMasked ? 'hiding its identity' : 'giving it its identity back';
    const message = `${device}: ${what} failed: ${getSystemErrorName(errno)}`;
    throw new DiskferryError('mask-failed', message, { context: { device } });
  }

  /** Resolves when no consumer can reach the virtual device any more and nothing is in flight. */
  async closeFrontend(): Promise<void> {
    await this.#ask({ kind: 'close-frontend' }, 'frontend-closed');
  }

  /**
   * Carries what the consumer wrote back to the source and makes it durable there; from now on the consumer's
   * writes go to both disks, and nothing is copied any more. The descriptor stays open until the worker has
   * ended. May be called again.
   */
  async returnWritten(sourceFd: number): Promise<void> {
    this.#send({ kind: 'return-written', sourceFd });
    await this.returned();
  }

  /** The end of the way back that is under way. */
  async returned(): Promise<void> {
    const message = await this.#next('returned', 'return-failed');
    if (message.kind === 'returned') return;
    const { failure, unreadable } = message;
    if (failure.operation === 'journal') throw journalError(this.#names.journal, failure.errno);
    const direction = { from: 'destination', to: 'source', names: this.#names } as const;
    throw copyError({ failure, unreadable }, direction);
  }

  /** Ends the worker when what is in flight has ended. Idempotent, also after the worker's death. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    if (this.#death === undefined) await this.#ask({ kind: 'stop' }, 'stopped');
    this.#isStopped = true;
    await this.#worker.terminate();
    closeSync(this.#wakeFd);
  }

  /** Told by the worker before anything that follows from it. */
  #whyNothingLasts(): DiskferryError {
    return present(this.#flushFailure, 'why nothing can be made durable');
  }

  #send(message: ControlMessage): void {
    if (this.#death !== undefined) return;
    this.#worker.postMessage(message);
    writeSync(this.#wakeFd, wakeOnce);
  }

  async #ask<Kind extends MessageKind>(message: ControlMessage, answer: Kind): Promise<MessageOf<Kind>> {
    const answered = this.#next(answer);
    this.#send(message);
    return answered;
  }

  /** The next message of one of the kinds. */
  #next<Kind extends MessageKind>(...kinds: readonly Kind[]): Promise<MessageOf<Kind>> {
    return new Promise((resolve, reject) => {
      if (this.#death !== undefined) {
        reject(this.#death);
        return;
      }
      const listener: Listener = (message) => {
        if (message instanceof Error) reject(message);
        else if (isOneOf(message, kinds)) resolve(message);
        else return;
        this.#listeners.delete(listener);
      };
      this.#listeners.add(listener);
    });
  }

  #hear(message: WorkerMessage): void {
    if (message.kind === 'ready') this.#ringFd = message.ringFd;
    if (message.kind === 'durability-lost') this.#flushFailure = lossError(message.loss, this.#names);
    this.#tell(message);
  }

  #tell(message: WorkerMessage | Error): void {
    for (const listener of [...this.#listeners]) listener(message);
  }

  #die(): void {
    if (this.#ringFd !== undefined) closeSync(this.#ringFd);
    const cause = this.#error;
    const why = cause === undefined ? 'it ended' : messageOf(cause);
    this.#death = new DiskferryError('engine-died', `the engine's worker has died: ${why}`, { cause });
    this.#tell(this.#death);
  }
}

function isOneOf<Kind extends MessageKind>(
  message: WorkerMessage,
  kinds: readonly Kind[],
): message is MessageOf<Kind> {
  return (kinds as readonly MessageKind[]).includes(message.kind);
}

interface CopyDirection {
  readonly from: keyof DiskNames;
  readonly to: keyof DiskNames;
  readonly names: DiskNames;
}

/** They are the worker's from then on. */
function mapsOf({ journal }: EngineSetting): ArrayBuffer[] {
  if (journal?.maps === undefined) return [];
  return [journal.maps.flags, journal.maps.written].map(({ buffer }) => buffer as ArrayBuffer);
}

function lossError({ place, errno }: DurabilityLoss, names: DiskNames & { readonly journal: string }): DiskferryError {
  if (place === 'journal') return journalError(names.journal, errno);
  const message = `${names.destination}: flush failed: ${getSystemErrorName(errno)}`;
  return new DiskferryError('destination-flush-failed', message);
}

function journalError(path: string, errno: number): DiskferryError {
  const message = `${path}: the journal cannot be written: ${getSystemErrorName(errno)}`;
  return new DiskferryError('journal-failed', message, { context: { path } });
}

interface CopyEnd {
  readonly failure: CopyFailure | UndoFailure;
  readonly unreadable: UnreadableExtents;
}

function copyError({ failure, unreadable }: CopyEnd, { from, to, names }: CopyDirection): DiskferryError {
  switch (failure.operation) {
    case 'bug':
      return new DiskferryError('copy-broken', `copying has stopped: ${failure.message}`);
    case 'flush':
      return new DiskferryError(
        `${to}-write-failed`,
        `${names[to]}: flush failed: ${getSystemErrorName(failure.errno)}`,
      );
    case 'any read':
      return new DiskferryError(
        `${from}-gone`,
        `${names[from]}: nothing can be read from it any more: ${getSystemErrorName(failure.errno)}`,
        { context: { device: names[from], errno: -failure.errno } },
      );
    case 'the last reads':
      return new UnreadableError(from, names[from], unreadable);
    case 'write':
      return writeError(failure, to, names[to]);
  }
}

function writeError(
  { offsetBytes, lengthBytes, errno }: Extract<CopyFailure, { operation: 'write' }>,
  to: keyof DiskNames,
  device: string,
): DiskferryError {
  const what = `write of ${lengthBytes} bytes at ${offsetBytes}`;
  return new DiskferryError(
    `${to}-write-failed`,
    `${device}: ${what} failed: ${getSystemErrorName(errno)}`,
    { context: { device, offsetBytes, lengthBytes, errno: -errno } },
  );
}
