/**
 * The worker's loop: wait on the ring, complete what finished, take new requests, decide, submit. It blocks in the
 * native call and nowhere else; control messages come in when the eventfd in the ring wakes it.
 *
 * Owns the ring, the pool and the parts that live in them; runs until told to stop. A broken assumption in the
 * router ends the loop before anything is acknowledged; one in the copy loop stops copying, and serving goes on.
 */
import { BufferPool } from '../base/buffer-pool.ts';
import { assert } from '../base/error.ts';
import type { Extent } from '../base/units.ts';
import { blockBytes } from '../base/units.ts';
import type { CopyFailure } from '../copy/copy-loop.ts';
import { CopyLoop, copyPoolBytes } from '../copy/copy-loop.ts';
import { Pace, piecesMax } from '../copy/pace.ts';
import { BlocksToCopy, BlocksToReturn } from '../copy/pending-blocks.ts';
import type { PendingBlocks } from '../copy/pending-blocks.ts';
import { source } from '../devices/disk-io.ts';
import { RingDiskIo, diskIoPoolBytes } from '../devices/ring-disk-io.ts';
import { FlagMap } from '../flags/flag-map.ts';
import { RangesInFlight } from '../flags/ranges-in-flight.ts';
import type { Frontend } from '../frontends/frontend.ts';
import { FuseFrontend } from '../frontends/fuse/fuse-frontend.ts';
import { nbdPoolBytes } from '../frontends/nbd/connection.ts';
import { NbdFrontend } from '../frontends/nbd/nbd-frontend.ts';
import { addon } from '../../native/binding.ts';
import { Ring, tagOf } from '../../native/ring.ts';
import { ConsumerMeter } from '../router/consumer-meter.ts';
import { RequestTable, requestSlotBytes } from '../router/request.ts';
import { Router } from '../router/router.ts';
import type { ControlMessage, FrontendChoice, WorkerMessage, WorkerSetting } from './messages.ts';
import { ProgressCells } from './progress-cells.ts';

/** Consumer requests in flight (invariant 10). */
const requestSlots = 96;
/** The loop wakes at least this often, so that progress stays fresh. */
const turnUsMax = 500_000;

const pollIn = 1;

const owner = { wake: 1, disks: 2, frontend: 3 } as const;
const ownerShift = 24;
const indexMask = (1 << ownerShift) - 1;

export interface Mailbox {
  /** The next message from the control thread, or undefined when there is none. */
  receive(): ControlMessage | undefined;
  post(message: WorkerMessage): void;
  /** Takes the wake-up out of the eventfd, which has become readable. */
  clearWake(): void;
}

export class EngineLoop {
  readonly #setting: WorkerSetting;
  readonly #mailbox: Mailbox;
  readonly #ring: Ring;
  readonly #flags: FlagMap;
  readonly #written: FlagMap;
  readonly #ranges: RangesInFlight;
  readonly #io: RingDiskIo;
  readonly #router: Router;
  readonly #pace: Pace;
  readonly #copy: CopyLoop;
  readonly #frontend: Frontend;
  readonly #requests: RequestTable;
  readonly #progress: ProgressCells;
  readonly #pool: BufferPool;
  readonly #copyBuffers: number;
  #return: CopyLoop | undefined;
  #skippedBytes = 0;
  #hasReportedCopyEnd = false;
  #isFrontendAwaited = false;
  #isStopping = false;

  constructor(setting: WorkerSetting, mailbox: Mailbox) {
    this.#setting = setting;
    this.#mailbox = mailbox;
    const { sizeBytes, logicalBlockBytes } = setting.geometry;
    const frontendBytes = setting.frontend.kind === 'nbd-socket' ? nbdPoolBytes : 0;
    const poolBytes = requestSlots * requestSlotBytes + copyPoolBytes + diskIoPoolBytes + frontendBytes;
    this.#pool = new BufferPool(poolBytes, (view) => addon().misalignmentBytes(view));
    this.#ring = new Ring(this.#pool);
    this.#requests = new RequestTable(requestSlots, this.#pool);
    this.#copyBuffers = this.#pool.reserve(copyPoolBytes);
    const blockCount = Math.ceil(sizeBytes / blockBytes);
    this.#flags = new FlagMap(blockCount);
    this.#written = new FlagMap(blockCount);
    this.#ranges = new RangesInFlight(requestSlots + piecesMax);
    this.#io = new RingDiskIo({
      ring: this.#ring,
      ringOwner: owner.disks,
      pool: this.#pool,
      sourceFd: setting.sourceFd,
      destinationFd: setting.destinationFd,
    });
    const meter = new ConsumerMeter(setting.consumerCells);
    this.#progress = new ProgressCells(setting.progressCells);
    this.#router = new Router({
      sizeBytes,
      logicalBlockBytes,
      requests: this.#requests,
      pool: this.#pool,
      io: this.#io,
      flags: this.#flags,
      written: this.#written,
      ranges: this.#ranges,
      meter,
      clockUs: this.#ring.clockUs,
    });
    this.#pace = new Pace(setting.speed, meter);
    this.#copy = this.#copyLoop(new BlocksToCopy(this.#flags), this.#pace);
    this.#frontend = this.#makeFrontend(setting.frontend, this.#router);
    this.#router.connect(this.#frontend);
  }

  run(): void {
    this.#postWakePoll();
    this.#mailbox.post({ kind: 'ready' });
    while (!this.#isStopping || this.#io.inFlight > 0) {
      this.#frontend.prepareTurn();
      this.#copy.pump();
      this.#return?.pump();
      this.#report();
      const count = this.#ring.submitAndWait(1, this.#turnUs());
      for (let index = 0; index < count; index += 1) this.#dispatch(index);
    }
    this.#ring.close();
    this.#mailbox.post({ kind: 'stopped' });
  }

  #turnUs(): number {
    if (this.#copy.state !== 'running') return turnUsMax;
    const restUs = Math.ceil(this.#pace.restMs(this.#ring.clockUs[0] as number) * 1000);
    return restUs > 0 ? Math.min(restUs, turnUsMax) : turnUsMax;
  }

  #dispatch(index: number): void {
    const tag = this.#ring.completionTag(index);
    const result = this.#ring.completionResult(index);
    switch (tag >>> ownerShift) {
      case owner.disks:
        this.#io.ringDone(tag & indexMask, result);
        break;
      case owner.frontend:
        this.#frontend.ringDone(tag & indexMask, result);
        break;
      default:
        this.#mailbox.clearWake();
        this.#takeMessages();
        this.#postWakePoll();
    }
  }

  #postWakePoll(): void {
    this.#ring.poll(this.#setting.wakeFd, pollIn, tagOf(owner.wake, 0));
  }

  #takeMessages(): void {
    for (let message = this.#mailbox.receive(); message !== undefined; message = this.#mailbox.receive()) {
      this.#obey(message);
    }
  }

  #obey(message: ControlMessage): void {
    switch (message.kind) {
      case 'skip':
        this.#skip(message.extents);
        break;
      case 'start-copy':
        this.#copy.start();
        this.#hasReportedCopyEnd = false;
        break;
      case 'pause':
        this.#copy.pause();
        break;
      case 'speed':
        this.#pace.speed = message.speed;
        break;
      case 'flush-destination':
        this.#router.flushDestination((errno) => this.#mailbox.post({ kind: 'flushed', errno }));
        break;
      case 'close-frontend':
        this.#frontend.stopAccepting();
        this.#isFrontendAwaited = true;
        break;
      case 'return-written':
        this.#startReturn(message.sourceFd);
        break;
      case 'stop':
        this.#copy.pause();
        this.#isStopping = true;
        break;
    }
  }

  /** Only whole blocks inside the extents: a partial one belongs in part to somebody who relies on it. */
  #skip(extents: readonly Extent[]): void {
    const { sizeBytes } = this.#setting.geometry;
    for (const { offsetBytes, lengthBytes } of extents) {
      const end = offsetBytes + lengthBytes;
      const firstBlock = Math.ceil(offsetBytes / blockBytes);
      const endBlock = end >= sizeBytes ? this.#flags.blockCount : Math.floor(end / blockBytes);
      if (firstBlock >= endBlock) continue;
      const blocks = this.#flags.setRange(firstBlock, endBlock);
      this.#skippedBytes += blocks * blockBytes;
    }
    this.#mailbox.post({ kind: 'skipped' });
  }

  #startReturn(sourceFd: number): void {
    assert(this.#frontend.isClosed && this.#copy.isIdle, 'nothing reaches the disks while blocks go back');
    this.#io.useFd(source, sourceFd);
    const fullSpeed = new Pace('full', { inFlight: 0, requests: 0 });
    this.#return = this.#copyLoop(new BlocksToReturn(this.#written), fullSpeed);
    this.#return.start();
  }

  /** What changed since the last turn, told once. */
  #report(): void {
    this.#writeProgress();
    if (!this.#hasReportedCopyEnd) this.#reportCopyEnd();
    if (this.#isFrontendAwaited && this.#frontend.isClosed && this.#copy.isIdle) {
      this.#isFrontendAwaited = false;
      this.#mailbox.post({ kind: 'frontend-closed' });
    }
    if (this.#return !== undefined) this.#reportReturnEnd(this.#return);
  }

  #reportCopyEnd(): void {
    const { state, failure } = this.#copy;
    if (state === 'complete') this.#mailbox.post({ kind: 'synchronized' });
    else if (state === 'failed' && failure !== undefined) this.#mailbox.post({ kind: 'copy-failed', failure });
    else return;
    this.#hasReportedCopyEnd = true;
  }

  #reportReturnEnd(loop: CopyLoop): void {
    if (loop.state === 'complete') {
      this.#return = undefined;
      this.#flushSource((errno) => {
        if (errno === 0) this.#mailbox.post({ kind: 'returned' });
        else this.#mailbox.post({ kind: 'return-failed', failure: flushFailure(errno) });
      });
    } else if (loop.state === 'failed' && loop.failure !== undefined && loop.isIdle) {
      this.#return = undefined;
      this.#mailbox.post({ kind: 'return-failed', failure: loop.failure });
    }
  }

  #writeProgress(): void {
    const { sizeBytes } = this.#setting.geometry;
    this.#progress.copiedBytes = this.#copy.carriedBytes;
    this.#progress.skippedBytes = this.#skippedBytes;
    this.#progress.pendingBytes = Math.min(sizeBytes, this.#flags.clearCount * blockBytes);
    this.#progress.writtenBytes = Math.min(sizeBytes, this.#written.setCount * blockBytes);
    this.#progress.isCopying = this.#copy.state === 'running';
    this.#progress.clientCount = this.#frontend.clientCount;
  }

  #flushSource(done: (errno: number) => void): void {
    this.#io.flush(source, { diskOperationDone: (_tag, result) => done(result) }, 0);
  }

  #copyLoop(pending: PendingBlocks, pace: Pace): CopyLoop {
    return new CopyLoop({
      pending,
      pace,
      sizeBytes: this.#setting.geometry.sizeBytes,
      io: this.#io,
      ranges: this.#ranges,
      buffers: this.#copyBuffers,
      clockUs: this.#ring.clockUs,
    });
  }

  #makeFrontend(choice: FrontendChoice, router: Router): Frontend {
    const setting = {
      ring: this.#ring,
      ringOwner: owner.frontend,
      pool: this.#pool,
      requests: this.#requests,
      handler: router,
      geometry: this.#setting.geometry,
    };
    switch (choice.kind) {
      case 'fuse':
        return new FuseFrontend(setting, choice.fuseFd);
      case 'nbd-socket':
        return new NbdFrontend(setting, choice.listenFd);
    }
  }
}

function flushFailure(errno: number): CopyFailure {
  return { operation: 'write', offsetBytes: 0, lengthBytes: 0, errno };
}
