/**
 * Turns the engine's counters into the `progress` events that people and scripts read. Rates and consumer
 * figures are those of the last interval; the estimate follows a slowly moving rate, so that it does not
 * jump.
 */
import type { JobEventOf, JobPhase } from '../contract/events.ts';
import type { ConsumerSnapshot } from '../router/consumer-meter.ts';
import type { EngineProgress } from '../engine/progress-cells.ts';

/** Weight of the newest interval in the rate that the estimate uses. */
const newestWeight = 0.2;
/** No estimate before this much time: the first seconds say little. */
const warmUpMs = 2000;

type ProgressFields = Omit<JobEventOf<'progress'>, 'event' | 'job' | 'timeMs' | 'directBytes' | 'places'>;

export class ProgressMeter {
  readonly #totalBytes: number;
  #startedMs: number | undefined;
  #lastMs = 0;
  #lastPhase: JobPhase | undefined;
  #lastMovedBytes = 0;
  #lastRemainingBytes = 0;
  #lastConsumer: ConsumerSnapshot | undefined;
  #remainingBytesPerMs: number | undefined;

  constructor(totalBytes: number) {
    this.#totalBytes = totalBytes;
  }

  /** `nowMs` is any clock that does not jump. */
  measure(
    phase: JobPhase,
    nowMs: number,
    engine: EngineProgress,
    consumer: ConsumerSnapshot,
  ): ProgressFields {
    this.#startedMs ??= nowMs;
    const elapsedMs = Math.max(1, nowMs - this.#lastMs);
    const isFirst = this.#lastConsumer === undefined;
    const perSecond = (now: number, before: number): number =>
      isFirst ? 0 : ((now - before) * 1000) / elapsedMs;
    const { movedBytes, remainingBytes } = workOf(phase, engine, this.#totalBytes);
    // What is counted changes with the kind of work.
    if (workKindOf(phase) !== workKindOf(this.#lastPhase)) {
      this.#lastMovedBytes = movedBytes;
      this.#lastRemainingBytes = remainingBytes;
      this.#remainingBytesPerMs = undefined;
    }
    const fields: ProgressFields = {
      phase,
      copiedBytes: engine.copiedBytes,
      redirectedBytes: consumer.writtenBytes,
      skippedBytes: engine.skippedBytes,
      totalBytes: this.#totalBytes,
      pendingBytes: engine.pendingBytes,
      unreadableBytes: engine.unreadableBytes,
      toReturnBytes: engine.writtenBytes,
      verifiedBytes: engine.verifiedBytes,
      copyBytesPerSecond: Math.round(Math.max(0, perSecond(movedBytes, this.#lastMovedBytes))),
      consumer: {
        readIops: Math.round(perSecond(consumer.readRequests, this.#lastConsumer?.readRequests ?? 0)),
        writeIops: Math.round(perSecond(consumer.writeRequests, this.#lastConsumer?.writeRequests ?? 0)),
        p50Us: Math.round(consumer.percentileUs(0.5, this.#lastConsumer)),
        p99Us: Math.round(consumer.percentileUs(0.99, this.#lastConsumer)),
        longestStallMs: Math.round(consumer.longestUs / 1000),
      },
      etaSeconds: this.#estimate(nowMs, elapsedMs, {
        isFirst,
        isMoving: workKindOf(phase) !== 'copying' || engine.isCopying,
        remainingBytes,
      }),
    };
    this.#lastMs = nowMs;
    this.#lastPhase = phase;
    this.#lastMovedBytes = movedBytes;
    this.#lastRemainingBytes = remainingBytes;
    this.#lastConsumer = consumer;
    return fields;
  }

  /** By what remains, so that what the consumer itself carries over counts too. */
  #estimate(nowMs: number, elapsedMs: number, { isFirst, isMoving, remainingBytes }: Work): number | null {
    if (remainingBytes === 0) return 0;
    if (!isMoving) {
      this.#remainingBytesPerMs = undefined;
      return null;
    }
    if (!isFirst) {
      const rate = Math.max(0, this.#lastRemainingBytes - remainingBytes) / elapsedMs;
      this.#remainingBytesPerMs =
        this.#remainingBytesPerMs === undefined
          ? rate
          : this.#remainingBytesPerMs * (1 - newestWeight) + rate * newestWeight;
    }
    const isWarm = nowMs - (this.#startedMs ?? nowMs) >= warmUpMs;
    if (!isWarm || this.#remainingBytesPerMs === undefined || this.#remainingBytesPerMs <= 0) return null;
    return Math.ceil(remainingBytes / this.#remainingBytesPerMs / 1000);
  }
}

interface Work {
  readonly isFirst: boolean;
  readonly isMoving: boolean;
  readonly remainingBytes: number;
}

function workKindOf(phase: JobPhase | undefined): 'copying' | 'verifying' | 'undoing' {
  return phase === 'undoing' || phase === 'verifying' ? phase : 'copying';
}

interface Moved {
  readonly movedBytes: number;
  readonly remainingBytes: number;
}

/**
 * Undo carries back what was written; what is written meanwhile goes to both disks, unless the source refuses
 * it.
 */
function workOf(phase: JobPhase, engine: EngineProgress, totalBytes: number): Moved {
  switch (workKindOf(phase)) {
    case 'undoing':
      return { movedBytes: -engine.writtenBytes, remainingBytes: engine.writtenBytes };
    case 'verifying':
      return { movedBytes: engine.verifiedBytes, remainingBytes: totalBytes - engine.verifiedBytes };
    case 'copying':
      return { movedBytes: engine.copiedBytes, remainingBytes: engine.pendingBytes };
  }
}
