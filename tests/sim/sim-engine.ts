/**
 * The parts of an engine that are simulated, put together as app/engine/engine-loop.ts does: the real router,
 * flags, ranges and copy loop, over disks in memory and without a ring. It turns like the engine's loop: let
 * the copy loop start pieces, wait, let what finished happen.
 */
import { blockBytes, sectorBytes } from '../../app/base/units.ts';
import { CopyLoop, copyPoolBytes } from '../../app/copy/copy-loop.ts';
import { Pace, piecesMax } from '../../app/copy/pace.ts';
import type { PendingBlocks } from '../../app/copy/pending-blocks.ts';
import { BlocksToCopy, BlocksToReturn } from '../../app/copy/pending-blocks.ts';
import { source } from '../../app/devices/disk-io.ts';
import { FlagMap } from '../../app/flags/flag-map.ts';
import { RangesInFlight } from '../../app/flags/ranges-in-flight.ts';
import { ConsumerMeter, consumerMeterBytes } from '../../app/router/consumer-meter.ts';
import { RequestTable, requestSlotBytes } from '../../app/router/request.ts';
import { Router } from '../../app/router/router.ts';
import type { Scenario, SectorRange } from './scenario.ts';
import { requestSlotsMax } from './scenario.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimDiskIo } from './sim-disk-io.ts';
import type { SimPool } from './sim-pool.ts';

export const simPoolBytes = requestSlotsMax * requestSlotBytes + copyPoolBytes;

/** The loop wakes at least this often. */
const turnUsMax = 500_000;

export interface SimEngineOptions {
  readonly scenario: Scenario;
  readonly pool: SimPool;
  readonly io: SimDiskIo;
  readonly scheduler: Scheduler;
}

export class SimEngine {
  readonly flags: FlagMap;
  readonly ranges: RangesInFlight;
  readonly requests: RequestTable;
  readonly router: Router;
  readonly pace: Pace;
  readonly copy: CopyLoop;
  readonly #scenario: Scenario;
  readonly #io: SimDiskIo;
  readonly #scheduler: Scheduler;
  readonly #written: FlagMap;
  readonly #copyBuffers: number;
  #return: CopyLoop | undefined;

  constructor({ scenario, pool, io, scheduler }: SimEngineOptions) {
    const { sectorCount, logicalBlockBytes, requestSlots, speed } = scenario;
    const sizeBytes = sectorCount * sectorBytes;
    this.#scenario = scenario;
    this.#io = io;
    this.#scheduler = scheduler;
    this.requests = new RequestTable(requestSlots, pool);
    this.#copyBuffers = pool.reserve(copyPoolBytes);
    this.flags = new FlagMap(Math.ceil(sizeBytes / blockBytes));
    this.#written = new FlagMap(this.flags.blockCount);
    this.ranges = new RangesInFlight(requestSlots + piecesMax);
    const meter = new ConsumerMeter(new SharedArrayBuffer(consumerMeterBytes));
    this.router = new Router({
      sizeBytes,
      logicalBlockBytes,
      requests: this.requests,
      pool,
      io,
      flags: this.flags,
      written: this.#written,
      ranges: this.ranges,
      meter,
      clockUs: scheduler.clockUs,
    });
    io.name(this.router, 'router');
    this.pace = new Pace(speed, meter);
    this.copy = this.#copyLoop(new BlocksToCopy(this.flags), this.pace, 'copy');
  }

  /** Flags whole blocks that nobody relies on. */
  skip({ firstSector, sectorCount }: SectorRange): void {
    const firstByte = firstSector * sectorBytes;
    this.flags.setRange(firstByte / blockBytes, Math.ceil((firstByte + sectorCount * sectorBytes) / blockBytes));
  }

  /** Undo: starts to carry back what was written. The consumer is gone and the copy loop idle. */
  startReturn(): CopyLoop {
    const unhindered = new Pace('full', { inFlight: 0, requests: 0 });
    this.#return = this.#copyLoop(new BlocksToReturn(this.#written), unhindered, 'undo');
    this.#return.start();
    return this.#return;
  }

  flushSource(done: (result: number) => void): void {
    this.#io.flush(source, { diskOperationDone: (_tag, result) => done(result) }, 0);
  }

  turn(): void {
    this.copy.pump();
    this.#return?.pump();
    this.#scheduler.wait(this.#turnUs(), this.#scenario.turnUs);
  }

  #turnUs(): number {
    const restUs = this.copy.state === 'running' ? this.pace.restMs(this.#scheduler.nowUs) * 1000 : 0;
    return restUs > 0 ? Math.min(restUs, turnUsMax) : turnUsMax;
  }

  #copyLoop(pending: PendingBlocks, pace: Pace, name: string): CopyLoop {
    const loop = new CopyLoop({
      pending,
      pace,
      sizeBytes: this.#scenario.sectorCount * sectorBytes,
      io: this.#io,
      ranges: this.ranges,
      buffers: this.#copyBuffers,
      clockUs: this.#scheduler.clockUs,
    });
    this.#io.name(loop, name);
    return loop;
  }
}
