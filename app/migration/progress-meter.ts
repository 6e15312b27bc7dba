/**
 * Turns the engine's counters into the `progress` events that people and scripts read. Rates and consumer figures
 * are those of the last interval; the estimate follows a slowly moving rate, so that it does not jump.
 */
import type { JobEventOf, JobPhase } from '../contract/events.ts';
import type { ConsumerSnapshot } from '../router/consumer-meter.ts';
import type { EngineProgress } from '../engine/progress-cells.ts';

/** Weight of the newest interval in the rate that the estimate uses. */
const newestWeight = 0.2;
/** No estimate before this much time: the first seconds say little. */
const warmUpMs = 2000;

type ProgressFields = Omit<JobEventOf<'progress'>, 'event' | 'job' | 'timeMs'>;

export class ProgressMeter {
  readonly #totalBytes: number;
  #startedMs: number | undefined;
  #lastMs = 0;
  #lastCopiedBytes = 0;
  #lastPendingBytes = 0;
  #lastConsumer: ConsumerSnapshot | undefined;
  #pendingBytesPerMs: number | undefined;

  constructor(totalBytes: number) {
    this.#totalBytes = totalBytes;
  }

  /** `nowMs` is any clock that does not jump. */
  measure(phase: JobPhase, nowMs: number, engine: EngineProgress, consumer: ConsumerSnapshot): ProgressFields {
    this.#startedMs ??= nowMs;
    const elapsedMs = Math.max(1, nowMs - this.#lastMs);
    const isFirst = this.#lastConsumer === undefined;
    const perSecond = (now: number, before: number): number => (isFirst ? 0 : ((now - before) * 1000) / elapsedMs);
    const fields: ProgressFields = {
      phase,
      copiedBytes: engine.copiedBytes,
      redirectedBytes: consumer.writeBytes,
      skippedBytes: engine.skippedBytes,
      totalBytes: this.#totalBytes,
      pendingBytes: engine.pendingBytes,
      copyBytesPerSecond: Math.round(perSecond(engine.copiedBytes, this.#lastCopiedBytes)),
      consumer: {
        readIops: Math.round(perSecond(consumer.readRequests, this.#lastConsumer?.readRequests ?? 0)),
        writeIops: Math.round(perSecond(consumer.writeRequests, this.#lastConsumer?.writeRequests ?? 0)),
        p50Us: Math.round(consumer.percentileUs(0.5, this.#lastConsumer)),
        p99Us: Math.round(consumer.percentileUs(0.99, this.#lastConsumer)),
        longestStallMs: Math.round(consumer.longestUs / 1000),
      },
      etaSeconds: this.#estimate(nowMs, elapsedMs, isFirst, engine),
    };
    this.#lastMs = nowMs;
    this.#lastCopiedBytes = engine.copiedBytes;
    this.#lastPendingBytes = engine.pendingBytes;
    this.#lastConsumer = consumer;
    return fields;
  }

  /** By what is still pending, so that what the consumer itself carries over counts too. */
  #estimate(nowMs: number, elapsedMs: number, isFirst: boolean, engine: EngineProgress): number | null {
    if (engine.pendingBytes === 0) return 0;
    if (!engine.isCopying) {
      this.#pendingBytesPerMs = undefined;
      return null;
    }
    if (!isFirst) {
      const rate = Math.max(0, this.#lastPendingBytes - engine.pendingBytes) / elapsedMs;
      this.#pendingBytesPerMs =
        this.#pendingBytesPerMs === undefined ? rate : this.#pendingBytesPerMs * (1 - newestWeight) + rate * newestWeight;
    }
    const isWarm = nowMs - (this.#startedMs ?? nowMs) >= warmUpMs;
    if (!isWarm || this.#pendingBytesPerMs === undefined || this.#pendingBytesPerMs <= 0) return null;
    return Math.ceil(engine.pendingBytes / this.#pendingBytesPerMs / 1000);
  }
}
