/**
 * The parts of an engine that are simulated, put together as app/engine/engine-loop.ts does: the real router,
 * flags, ranges and copy loop, over disks in memory and without a ring. It turns like the engine's loop: let
 * the copy loop start pieces, wait, let what finished happen.
 */
import { blockBytes, sectorBytes } from '../../app/base/units.ts';
import { CopiedBlocks } from '../../app/copy/copied-blocks.ts';
import { CopyLoop, copyPoolBytes } from '../../app/copy/copy-loop.ts';
import type { Speed } from '../../app/copy/pace.ts';
import { Pace, piecesMax } from '../../app/copy/pace.ts';
import type { PendingBlocks } from '../../app/copy/pending-blocks.ts';
import { BlocksToCopy } from '../../app/copy/pending-blocks.ts';
import { MaskChange, maskChangePoolBytes, maskChangeRanges } from '../../app/engine/mask-change.ts';
import type { WantedMask } from '../../app/engine/mask-change.ts';
import { Undo } from '../../app/engine/undo.ts';
import { Verification } from '../../app/engine/verification.ts';
import { destination } from '../../app/devices/disk-io.ts';
import { MaskedDiskIo, maskedIoPoolBytes } from '../../app/devices/masked-disk-io.ts';
import { crossedPrefixBytes, markDirect } from '../../app/flags/crossed-prefix.ts';
import type { JobPhase } from '../../app/journal/job-phase.ts';
import { Journal, journalPoolBytes, logBytesLeast } from '../../app/journal/journal.ts';
import type { JournalIdentity } from '../../app/journal/layout.ts';
import { unitBytes } from '../../app/journal/layout.ts';
import { runKinds } from '../../app/journal/record.ts';
import type { RoundJournal } from '../../app/journal/round-journal.ts';
import { NoJournal } from '../../app/journal/round-journal.ts';
import type { RecoveredJournal } from '../../app/journal/recovery.ts';
import { FlagMap } from '../../app/flags/flag-map.ts';
import { RangesInFlight } from '../../app/flags/ranges-in-flight.ts';
import { UnreadableBlocks } from '../../app/flags/unreadable-blocks.ts';
import { ConsumerMeter, consumerMeterBytes } from '../../app/router/consumer-meter.ts';
import { RequestTable, requestSlotBytes } from '../../app/router/request.ts';
import { Router } from '../../app/router/router.ts';
import type { Faults } from './faults.ts';
import type { Scenario, SectorRange } from './scenario.ts';
import { requestSlotsMax } from './scenario.ts';
import type { Scheduler } from './scheduler.ts';
import { SimContents } from './sim-contents.ts';
import type { SimDiskIo } from './sim-disk-io.ts';
import type { SimGuard } from './sim-guard.ts';
import type { SimJournal } from './sim-journal.ts';
import type { SimPool } from './sim-pool.ts';

/** More than the requests and pieces have under way at once. */
const operationsMax = 4096;
const journalRunsMax = 1000;
export const simPoolBytes =
  requestSlotsMax * requestSlotBytes +
  copyPoolBytes +
  journalPoolBytes(journalRunsMax) +
  maskedIoPoolBytes +
  maskChangePoolBytes;

export function logBytesOf({ journal }: Scenario): number {
  return journal === null ? unitBytes : logBytesLeast(journal.runsMax) + journal.extraLogUnits * unitBytes;
}

/** The loop wakes at least this often. */
const turnUsMax = 500_000;

export interface SimEngineOptions {
  readonly scenario: Scenario;
  readonly pool: SimPool;
  readonly io: SimDiskIo;
  readonly guard: SimGuard;
  readonly faults: Faults;
  readonly journalStore: SimJournal;
  readonly identity: JournalIdentity;
  readonly scheduler: Scheduler;
  /** While copying, for verifying. */
  readonly takesHashes: boolean;
  /** Where the job goes on. */
  readonly start: Omit<RecoveredJournal, 'kind'>;
}

export class SimEngine {
  readonly flags: FlagMap;
  readonly ranges: RangesInFlight;
  /** Of the source. */
  readonly unreadable: UnreadableBlocks;
  readonly requests: RequestTable;
  readonly router: Router;
  readonly copy: CopyLoop;
  readonly undo: Undo;
  readonly copied: CopiedBlocks;
  readonly verification: Verification;
  readonly journal: RoundJournal;
  readonly #scenario: Scenario;
  readonly #io: SimDiskIo;
  readonly #masked: MaskedDiskIo;
  readonly #maskChange: MaskChange;
  readonly #scheduler: Scheduler;
  readonly #written: FlagMap;
  readonly #pace: Pace;
  readonly #undoPace: Pace;
  readonly #copyBuffers: number;

  constructor(options: SimEngineOptions) {
    const { scenario, pool, io, guard, faults, journalStore, identity, scheduler, takesHashes, start } = options;
    const { sectorCount, logicalBlockBytes, requestSlots, speed } = scenario;
    const sizeBytes = sectorCount * sectorBytes;
    this.#scenario = scenario;
    this.#io = io;
    this.#scheduler = scheduler;
    this.requests = new RequestTable(requestSlots, pool);
    this.#copyBuffers = pool.reserve(copyPoolBytes);
    this.flags = start.flags;
    this.#written = start.written;
    this.journal =
      scenario.journal === null
        ? new NoJournal()
        : new Journal({
            io: journalStore,
            pool,
            identity,
            logBytes: logBytesOf(scenario),
            position: start.position,
            phase: start.phase,
            flags: this.flags,
            written: this.#written,
            runsMax: scenario.journal.runsMax,
          });
    const contents = new SimContents(pool);
    this.copied = new CopiedBlocks({
      map: new FlagMap(this.flags.blockCount),
      sizeBytes,
      contents: takesHashes ? contents : undefined,
    });
    this.ranges = new RangesInFlight(requestSlots + piecesMax + maskChangeRanges);
    this.unreadable = new UnreadableBlocks(this.flags.blockCount);
    const { places } = guard;
    const shared = { pool, io, places, logicalBlockBytes };
    this.#masked = new MaskedDiskIo({ ...shared, operationsMax });
    this.#maskChange = new MaskChange({
      ...{ ...shared, masked: this.#masked, ranges: this.ranges },
      durableWriteFailed: (disk, result) => {
        if (disk === destination) faults.lost();
        this.router.durableWriteFailed(disk, result);
      },
      mayHaveLost: (disk) => this.router.mayHaveLost(disk),
    });
    io.name(this.#masked, 'guard');
    io.name(this.#maskChange, 'mask change');
    const meter = new ConsumerMeter(new SharedArrayBuffer(consumerMeterBytes));
    this.router = new Router({
      sizeBytes,
      logicalBlockBytes,
      requests: this.requests,
      pool,
      io: this.#masked,
      flags: this.flags,
      written: this.#written,
      copied: this.copied.map,
      ranges: this.ranges,
      unreadable: this.unreadable,
      journal: this.journal,
      meter,
      clockUs: scheduler.clockUs,
    });
    io.name(this.router, 'router');
    this.#pace = new Pace(speed, meter);
    io.name(this.router.mirror, 'mirror');
    const toCopy = new BlocksToCopy(this.flags, this.journal, this.unreadable);
    this.copy = this.#copyLoop(toCopy, this.#pace, 'copy', this.copied);
    this.verification = new Verification({
      copied: this.copied,
      written: this.#written,
      sizeBytes,
      contents,
      io: this.#masked,
      ranges: this.ranges,
      buffers: this.#copyBuffers,
      pace: this.#pace,
      clockUs: scheduler.clockUs,
      router: this.router,
      isSuccessor: false,
    });
    this.#undoPace = new Pace(speed, meter);
    const makeLoop = (pending: PendingBlocks): CopyLoop => this.#copyLoop(pending, this.#undoPace, 'undo');
    const isStill = (): boolean => this.copy.isIdle && this.verification.isIdle;
    this.undo = new Undo({ isStill, router: this.router, written: this.#written, makeLoop });
  }

  /** Flags whole blocks that nobody relies on. */
  skip({ firstSector, sectorCount }: SectorRange): void {
    const first = (firstSector * sectorBytes) / blockBytes;
    const end = Math.ceil(((firstSector + sectorCount) * sectorBytes) / blockBytes);
    if (this.flags.setRange(first, end) > 0) this.journal.note(runKinds.flagged, first, end);
  }

  /** `done` when it is durable, or cannot be. */
  enter(phase: JobPhase, done: (result: number) => void): void {
    if (this.journal instanceof Journal) this.journal.enter(phase, done);
    else done(0);
  }

  /** `done` gets the length of the extent that may go direct; 0 when the flush has failed. */
  graduate(done: (lengthBytes: number) => void): void {
    const lengthBytes = crossedPrefixBytes(this.flags, this.#scenario.sectorCount * sectorBytes);
    this.router.flushDestination((result) => {
      if (result === 0) markDirect({ written: this.#written, copied: this.copied.map }, lengthBytes);
      if (result === 0) this.router.expectUnseenWrites();
      done(result === 0 ? lengthBytes : 0);
    });
  }

  /** `done` gets 0 when the disk is so, durably. */
  changeMask(wanted: WantedMask, done: (result: number) => void): void {
    this.#io.allowIdentity(wanted.disk, true);
    this.#maskChange.start(wanted, (result) => {
      if (result === 0) this.#io.allowIdentity(wanted.disk, !wanted.isMasked);
      done(result);
    });
  }

  setSpeed(speed: Speed): void {
    this.#pace.speed = speed;
    this.#undoPace.speed = speed;
  }

  turn(): void {
    this.router.pump();
    this.copy.pump();
    this.verification.pump();
    this.undo.pump();
    this.#scheduler.wait(this.#turnUs(), this.#scenario.turnUs);
  }

  #turnUs(): number {
    const isCopying = this.copy.state === 'running' || this.verification.isRunning;
    if (!isCopying && !this.undo.isReturning) return turnUsMax;
    const restUs = (isCopying ? this.#pace : this.#undoPace).restUs(this.#scheduler.clockUs);
    return restUs > 0 ? Math.min(restUs, turnUsMax) : turnUsMax;
  }

  #copyLoop(pending: PendingBlocks, pace: Pace, name: string, copied?: CopiedBlocks): CopyLoop {
    const loop = new CopyLoop({
      pending,
      pace,
      copied,
      sizeBytes: this.#scenario.sectorCount * sectorBytes,
      io: this.#masked,
      ranges: this.ranges,
      buffers: this.#copyBuffers,
      clockUs: this.#scheduler.clockUs,
    });
    this.#io.name(loop, name);
    return loop;
  }
}
