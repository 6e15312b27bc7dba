/**
 * The worker's loop: wait on the ring, complete what finished, take new requests, decide, submit. It blocks
 * in the native call and nowhere else, and not even there while a consumer is best served by looking again
 * (busy-wait.ts); control messages come in when the eventfd in the ring wakes it.
 *
 * Owns the ring, the pool and the parts that live in them; runs until told to stop. A broken assumption in
 * the router ends the loop before anything is acknowledged; one in the copy loop stops copying, and serving
 * goes on.
 */
import { closeSync } from 'node:fs';
import { BufferPool } from '../base/buffer-pool.ts';
import type { Extent } from '../base/units.ts';
import { blockBytes } from '../base/units.ts';
import { PoolContents } from '../copy/block-contents.ts';
import { CopiedBlocks } from '../copy/copied-blocks.ts';
import { CopyLoop, copyPoolBytes } from '../copy/copy-loop.ts';
import { Pace, piecesMax } from '../copy/pace.ts';
import { BlocksToCopy } from '../copy/pending-blocks.ts';
import type { PendingBlocks } from '../copy/pending-blocks.ts';
import { source } from '../devices/disk-io.ts';
import { RingDiskIo, diskIoPoolBytes } from '../devices/ring-disk-io.ts';
import { crossedPrefixBytes, markDirect } from '../flags/crossed-prefix.ts';
import { FlagMap } from '../flags/flag-map.ts';
import { RangesInFlight } from '../flags/ranges-in-flight.ts';
import type { UnreadableExtents } from '../flags/unreadable-blocks.ts';
import { UnreadableBlocks } from '../flags/unreadable-blocks.ts';
import type { JobPhase } from '../journal/job-phase.ts';
import { jobPhases } from '../journal/job-phase.ts';
import { Journal, journalPoolBytes } from '../journal/journal.ts';
import { runKinds } from '../journal/record.ts';
import type { PhaseJournal } from '../journal/round-journal.ts';
import { NoJournal } from '../journal/round-journal.ts';
import type { Frontend } from '../frontends/frontend.ts';
import { addon } from '../../native/binding.ts';
import { Ring, pollIn, tagOf } from '../../native/ring.ts';
import { ConsumerMeter } from '../router/consumer-meter.ts';
import { RequestTable, requestSlotBytes } from '../router/request.ts';
import type { DurabilityLoss } from '../router/flush-rounds.ts';
import { Router } from '../router/router.ts';
import { BusyWait } from './busy-wait.ts';
import { GuardedDisks, guardedDisksPoolBytes } from './guarded-disks.ts';
import { frontendPoolBytes, makeFrontend } from './make-frontend.ts';
import { LiveMap } from './live-map.ts';
import { maskChangeRanges } from './mask-change.ts';
import type { ControlMessage, WorkerMessage, WorkerSetting } from './messages.ts';
import { PlaceSurvey } from './place-survey.ts';
import { ProgressCells } from './progress-cells.ts';
import { Undo } from './undo.ts';
import { Verification } from './verification.ts';

/** Consumer requests in flight (invariant 10). */
const requestSlots = 96;
/** The loop wakes at least this often, so that progress stays fresh. */
const turnUsMax = 500_000;

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
  readonly #copied: CopiedBlocks;
  /** Of the source. */
  readonly #unreadable: UnreadableBlocks;
  readonly #ranges: RangesInFlight;
  readonly #io: RingDiskIo;
  readonly #journal: PhaseJournal;
  readonly #guarded: GuardedDisks;
  readonly #router: Router;
  readonly #pace: Pace;
  readonly #copy: CopyLoop;
  readonly #frontend: Frontend;
  readonly #requests: RequestTable;
  readonly #progress: ProgressCells;
  readonly #pool: BufferPool;
  readonly #copyBuffers: number;
  readonly #undo: Undo;
  readonly #verification: Verification;
  /** The way back is measured for itself: it may be slower, and its writes are durable. */
  readonly #undoPace: Pace;
  readonly #busyWait: BusyWait;
  readonly #liveMap: LiveMap | undefined;
  readonly #survey: PlaceSurvey;
  #phase: JobPhase;
  #skippedBytes = 0;
  #hasReportedCopyEnd = false;
  #isFrontendAwaited = false;
  #isStopping = false;

  constructor(setting: WorkerSetting, mailbox: Mailbox) {
    this.#setting = setting;
    this.#mailbox = mailbox;
    const { sizeBytes, logicalBlockBytes } = setting.geometry;
    const frontendBytes = frontendPoolBytes(setting.frontend);
    const journalBytes = setting.journal === undefined ? 0 : journalPoolBytes();
    const diskBytes = diskIoPoolBytes + guardedDisksPoolBytes;
    const poolBytes = requestSlots * requestSlotBytes + copyPoolBytes + diskBytes + frontendBytes + journalBytes;
    this.#pool = new BufferPool(poolBytes, (view) => addon().misalignmentBytes(view));
    this.#ring = new Ring(this.#pool);
    this.#requests = new RequestTable(requestSlots, this.#pool);
    this.#copyBuffers = this.#pool.reserve(copyPoolBytes);
    const blockCount = Math.ceil(sizeBytes / blockBytes);
    const recovered = setting.journal?.maps;
    this.#flags = FlagMap.from(blockCount, recovered?.flags);
    this.#written = FlagMap.from(blockCount, recovered?.written);
    this.#liveMap = this.#startLiveMap();
    const contents = new PoolContents(this.#pool, addon().addBlockHashes);
    this.#copied = new CopiedBlocks({
      map: new FlagMap(blockCount),
      sizeBytes,
      contents: setting.verifies === true ? contents : undefined,
    });
    this.#unreadable = new UnreadableBlocks(blockCount);
    const maps = { flags: this.#flags, written: this.#written, unreadable: this.#unreadable };
    this.#survey = new PlaceSurvey({ ...maps, cells: setting.placeCells });
    this.#ranges = new RangesInFlight(requestSlots + piecesMax + maskChangeRanges);
    this.#io = new RingDiskIo({
      ring: this.#ring,
      ringOwner: owner.disks,
      pool: this.#pool,
      sourceFd: setting.sourceFd,
      destinationFd: setting.destinationFd,
      journalFd: setting.journal?.fd,
    });
    this.#journal = this.#makeJournal();
    this.#phase = setting.journal?.phase ?? jobPhases.copying;
    this.#guarded = new GuardedDisks({
      ...{ io: this.#io, pool: this.#pool, ranges: this.#ranges, geometry: setting.geometry },
      durableWriteFailed: (disk, result) => this.#router.durableWriteFailed(disk, result),
      mayHaveLost: (disk) => this.#router.mayHaveLost(disk),
    });
    const meter = new ConsumerMeter(setting.consumerCells);
    this.#progress = new ProgressCells(setting.progressCells);
    this.#router = new Router({
      sizeBytes,
      logicalBlockBytes,
      requests: this.#requests,
      pool: this.#pool,
      io: this.#guarded.io,
      ...maps,
      copied: this.#copied.map,
      ranges: this.#ranges,
      journal: this.#journal,
      meter,
      clockUs: this.#ring.clockUs,
      durabilityLost: (loss) => this.#durabilityLost(loss),
    });
    this.#pace = new Pace(setting.speed, meter.everything);
    this.#busyWait = new BusyWait(meter);
    const toCopy = new BlocksToCopy(this.#flags, this.#journal, this.#unreadable);
    this.#copy = this.#copyLoop(toCopy, this.#pace, this.#copied);
    this.#verification = new Verification({
      copied: this.#copied,
      written: this.#written,
      sizeBytes,
      contents,
      io: this.#guarded.io,
      ranges: this.#ranges,
      buffers: this.#copyBuffers,
      pace: this.#pace,
      clockUs: this.#ring.clockUs,
      router: this.#router,
      isSuccessor: setting.live?.isTakenOver === true,
    });
    this.#undoPace = new Pace(setting.speed, meter);
    this.#undo = new Undo({
      isStill: () => this.#copy.isIdle && this.#verification.isIdle,
      router: this.#router,
      written: this.#written,
      makeLoop: (pending) => this.#copyLoop(pending, this.#undoPace),
    });
    this.#frontend = makeFrontend(setting.frontend, {
      ...{ ring: this.#ring, ringOwner: owner.frontend, pool: this.#pool, requests: this.#requests },
      ...{ handler: this.#router, geometry: setting.geometry },
    });
    this.#router.connect(this.#frontend);
    this.#followLiveMap();
  }

  run(): void {
    this.#postWakePoll();
    this.#mailbox.post({ kind: 'ready', ringFd: this.#ring.duplicate() });
    while (!this.#isStopping || this.#io.inFlight > 0) {
      this.#frontend.prepareTurn();
      this.#router.pump();
      this.#copy.pump();
      this.#verification.pump();
      this.#undo.pump();
      this.#survey.pump(this.#ring.clockUs);
      this.#report();
      const count = this.#wait();
      for (let index = 0; index < count; index += 1) this.#dispatch(index);
    }
    this.#ring.close();
    this.#liveMap?.close();
    this.#mailbox.post({ kind: 'stopped' });
  }

  /** Returns the number of completions, which may be none. */
  #wait(): number {
    if (this.#busyWait.looksAgain(this.#ring.clockUs)) return this.#ring.submitAndLook();
    return this.#ring.submitAndWait(1, this.#turnUs());
  }

  #turnUs(): number {
    const isCopying = this.#copy.state === 'running' || this.#verification.isRunning;
    const turnUs = this.#survey.restUs(turnUsMax);
    if (!isCopying && !this.#undo.isReturning) return turnUs;
    const restUs = (isCopying ? this.#pace : this.#undoPace).restUs(this.#ring.clockUs);
    return restUs > 0 ? Math.min(restUs, turnUs) : turnUs;
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
      case 'accept-unreadable':
        (this.#router.mirror.isOn ? this.#undo : this.#copy).acceptUnreadable();
        this.#hasReportedCopyEnd = false;
        break;
      case 'pause':
        this.#copy.pause();
        break;
      case 'speed':
        this.#pace.speed = message.speed;
        this.#undoPace.speed = message.speed;
        break;
      case 'flush-destination':
        this.#router.flushDestination((errno) => this.#mailbox.post({ kind: 'flushed', errno }));
        break;
      case 'graduate':
        this.#graduate(message.leastBytes);
        break;
      case 'verify':
        this.#verification.start();
        break;
      case 'change-mask':
        this.#guarded.changeMask(message, (errno) => this.#mailbox.post({ kind: 'mask-changed', errno }));
        break;
      case 'close-frontend':
        this.#frontend.stopAccepting();
        this.#isFrontendAwaited = true;
        break;
      case 'enter-phase':
        this.#enter(message.phase, (errno) => this.#mailbox.post({ kind: 'phase-entered', errno }));
        break;
      case 'return-written':
        this.#copy.pause();
        this.#verification.stop();
        this.#returnWritten(message.sourceFd);
        break;
      case 'stop':
        this.#copy.pause();
        this.#verification.stop();
        this.#undo.stop();
        this.#isStopping = true;
        break;
    }
  }

  /**
   * The source may be written only when the journal says so durably (invariant 5). When it has said already
   * that the source is the truth, somebody may be writing there past us, and it never says less again.
   */
  #returnWritten(sourceFd: number): void {
    const begin = (errno: number): void => {
      if (this.#isStopping) return;
      if (errno !== 0) {
        const failure = { operation: 'journal', errno } as const;
        this.#mailbox.post({ kind: 'return-failed', failure, unreadable: this.#listed(this.#undo.unreadable) });
        return;
      }
      this.#io.useFd(source, sourceFd);
      this.#undo.start();
    };
    const isSaid = this.#phase === jobPhases.undoing || this.#phase === jobPhases.undone;
    if (isSaid) begin(0);
    else this.#enter(jobPhases.undoing, begin);
  }

  #enter(phase: JobPhase, done: (errno: number) => void): void {
    this.#journal.enter(phase, (errno) => {
      if (errno === 0) this.#phase = phase;
      done(errno);
    });
  }

  /** Only whole blocks inside the extents: a partial one belongs in part to somebody who relies on it. */
  #skip(extents: readonly Extent[]): void {
    const { sizeBytes } = this.#setting.geometry;
    for (const { offsetBytes, lengthBytes } of extents) {
      const end = offsetBytes + lengthBytes;
      const firstBlock = Math.ceil(offsetBytes / blockBytes);
      const endBlock = end >= sizeBytes ? this.#flags.blockCount : Math.floor(end / blockBytes);
      if (firstBlock >= endBlock) continue;
      this.#survey.noteFree(firstBlock, endBlock);
      const blocks = this.#flags.setRange(firstBlock, endBlock);
      if (blocks > 0) this.#journal.note(runKinds.flagged, firstBlock, endBlock);
      this.#skippedBytes += blocks * blockBytes;
    }
    this.#mailbox.post({ kind: 'skipped' });
  }

  #graduate(leastBytes: number): void {
    const lengthBytes = crossedPrefixBytes(this.#flags, this.#setting.geometry.sizeBytes);
    if (lengthBytes < leastBytes) {
      this.#mailbox.post({ kind: 'graduated', lengthBytes: 0, errno: 0 });
      return;
    }
    this.#router.flushDestination((errno) => {
      if (errno === 0) markDirect({ written: this.#written, copied: this.#copied.map }, lengthBytes);
      if (errno === 0) this.#router.expectUnseenWrites();
      this.#mailbox.post({ kind: 'graduated', lengthBytes: errno === 0 ? lengthBytes : 0, errno });
    });
  }

  /** What was copied would not be durable either. */
  #durabilityLost(loss: DurabilityLoss): void {
    this.#copy.pause();
    this.#mailbox.post({ kind: 'durability-lost', loss });
  }

  /** What changed since the last turn, told once. */
  #report(): void {
    this.#writeProgress();
    if (!this.#hasReportedCopyEnd) this.#reportCopyEnd();
    if (this.#isFrontendAwaited && this.#frontend.isClosed && this.#copy.isIdle) {
      this.#isFrontendAwaited = false;
      this.#mailbox.post({ kind: 'frontend-closed' });
    }
    const verifyEnd = this.#verification.takeEnd();
    if (verifyEnd !== undefined) this.#mailbox.post(verifyEnd);
    const undoEnd = this.#undo.takeEnd();
    if (undoEnd?.kind === 'return-failed')
      this.#mailbox.post({ ...undoEnd, unreadable: this.#listed(this.#undo.unreadable) });
    else if (undoEnd !== undefined) this.#mailbox.post(undoEnd);
  }

  #reportCopyEnd(): void {
    const { state, failure } = this.#copy;
    if (state === 'complete') this.#mailbox.post({ kind: 'synchronized' });
    else if (state === 'failed' && failure !== undefined)
      this.#mailbox.post({ kind: 'copy-failed', failure, unreadable: this.#listed(this.#unreadable) });
    else return;
    this.#hasReportedCopyEnd = true;
  }

  #listed(unreadable: UnreadableBlocks): UnreadableExtents {
    return unreadable.list(this.#setting.geometry.sizeBytes);
  }

  #writeProgress(): void {
    const { sizeBytes } = this.#setting.geometry;
    this.#progress.copiedBytes = this.#copy.carriedBytes;
    this.#progress.skippedBytes = this.#skippedBytes;
    this.#progress.pendingBytes = Math.min(sizeBytes, this.#flags.clearCount * blockBytes);
    this.#progress.writtenBytes = Math.min(sizeBytes, this.#written.setCount * blockBytes);
    this.#progress.verifiedBytes = this.#verification.doneBytes;
    this.#progress.unreadableBytes = Math.min(sizeBytes, this.#unreadable.count * blockBytes);
    this.#progress.isCopying = this.#copy.state === 'running';
    this.#progress.clientCount = this.#frontend.clientCount;
  }

  /** Before anything is submitted: from then on the fence holds until the ring's last request has ended. */
  #startLiveMap(): LiveMap | undefined {
    const { live } = this.#setting;
    if (live === undefined) return undefined;
    this.#ring.registerFile(live.fenceFd);
    closeSync(live.fenceFd);
    return new LiveMap(live, { flags: this.#flags, written: this.#written });
  }

  #followLiveMap(): void {
    const [map, router, live] = [this.#liveMap, this.#router, this.#setting.live];
    if (map === undefined) return;
    if (live?.isTakenOver === true) router.goOnAfter(map.failure, live.isDirect);
    this.#ring.beforeHandOver = () => map.publish(router.flushFailure);
  }

  #makeJournal(): PhaseJournal {
    const { journal } = this.#setting;
    if (journal === undefined) return new NoJournal();
    const { identity, logBytes, position, phase, isBehind } = journal;
    return new Journal({
      ...{ identity, logBytes, position, phase, isBehind },
      io: this.#io,
      pool: this.#pool,
      flags: this.#flags,
      written: this.#written,
    });
  }

  #copyLoop(pending: PendingBlocks, pace: Pace, copied?: CopiedBlocks): CopyLoop {
    return new CopyLoop({
      pending,
      pace,
      copied,
      sizeBytes: this.#setting.geometry.sizeBytes,
      io: this.#guarded.io,
      ranges: this.#ranges,
      buffers: this.#copyBuffers,
      clockUs: this.#ring.clockUs,
    });
  }
}
