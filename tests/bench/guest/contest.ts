/**
 * One run of a contestant: the volume's consumer never pauses while it is moved, and fio's record of all its
 * requests is cut into parts at the times at which the move's steps began and ended.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from '../benchmark.ts';
import { scoped } from '../benchmark.ts';
import type { Load } from '../fio.ts';
import type { LoadRecord, RecordedFigures } from '../load-record.ts';
import { recordLoad } from '../load-record.ts';
import type { MovedVolume } from './moved-volume.ts';
import { untilBusy } from './moved-volume.ts';
import type { Mover } from './mover.ts';

export interface Run {
  readonly mover: string;
  /** False when the copy was given up after its limit. */
  readonly finished: boolean;
  readonly copySeconds: number;
  /** The copy with the steps before and after it. */
  readonly wholeSeconds: number;
  readonly copying: RecordedFigures;
  /** When everything has crossed, before the cut-over. */
  readonly synchronized: RecordedFigures;
  readonly startStallMs: number;
  readonly cutOverStallMs: number;
}

/**
 * Before something is measured, what came before it is over; and requests that a step held up are done after
 * it.
 */
const settleMs = 1000;

/** When each step began: on the clock of the wall, as fio's. */
interface Steps {
  readonly finished: boolean;
  readonly startMs: number;
  readonly copyMs: number;
  readonly copiedMs: number;
  readonly synchronizedMs: number;
  readonly cutOverMs: number;
  readonly endMs: number;
}

export interface ContestOptions {
  readonly volume: MovedVolume;
  readonly depth: number;
  readonly copyMsMax: number;
}

export class Contest {
  readonly #bench: Bench;
  readonly #options: ContestOptions;

  constructor(bench: Bench, options: ContestOptions) {
    this.#bench = bench;
    this.#options = options;
  }

  async move(mover: Mover): Promise<Run> {
    const { volume } = this.#options;
    const run = await scoped(this.#bench, async (part) => {
      const { result, record } = await recordLoad(part, this.#load, () => this.#step(part, mover));
      return { mover: mover.name, ...figuresOf(result, record) };
    });
    if (run.finished) await volume.disks.haveSwapped();
    else await volume.disks.wipeDestination();
    process.stderr.write(`  ${textOf(run)}\n`);
    return run;
  }

  /** The volume as it lies there, moved by nobody. */
  async rest(): Promise<RecordedFigures> {
    const { result: fromMs, record } = await recordLoad(this.#bench, this.#load, async () => {
      const beganMs = await this.#settled();
      await this.#measured();
      return beganMs;
    });
    return record.during({ fromMs, toMs: fromMs + this.#measuredMs });
  }

  async #step(part: Bench, mover: Mover): Promise<Steps> {
    const startMs = await this.#settled();
    const move = await mover.begin(part, this.#options.volume);
    const copyMs = Date.now();
    const finished = await move.copy(this.#options.copyMsMax);
    const copiedMs = Date.now();
    const synchronizedMs = await this.#settled();
    await this.#measured();
    const cutOverMs = Date.now();
    await (finished ? move.cutOver() : move.giveUp());
    const endMs = Date.now();
    await sleep(settleMs);
    return { finished, startMs, copyMs, copiedMs, synchronizedMs, cutOverMs, endMs };
  }

  async #settled(): Promise<number> {
    await untilBusy(this.#options.volume.path);
    await sleep(settleMs);
    return Date.now();
  }

  async #measured(): Promise<void> {
    await sleep(this.#measuredMs);
  }

  get #measuredMs(): number {
    return this.#bench.effort.loadSeconds * 1000;
  }

  get #load(): Load {
    const { path, sizeBytes } = this.#options.volume;
    return { target: { kind: 'device', path }, depth: this.#options.depth, sizeBytes };
  }
}

/** For whoever waits, and for the time when a later run breaks. */
function textOf({ mover, finished, copySeconds, copying, synchronized }: Run): string {
  const copy = `${finished ? 'copied in' : 'given up after'} ${copySeconds.toFixed(1)} s`;
  const consumer = `${copying.iops.toFixed(0)} IOPS, p99 ${copying.p99Us.toFixed(0)} µs`;
  return `${mover}: ${copy}; consumer ${consumer}; when all has crossed ${synchronized.iops.toFixed(0)} IOPS`;
}

function figuresOf(steps: Steps, record: LoadRecord): Omit<Run, 'mover'> {
  const longestMs = (fromMs: number, toMs: number): number =>
    record.during({ fromMs, toMs: toMs + settleMs }).longestMs;
  return {
    finished: steps.finished,
    copySeconds: (steps.copiedMs - steps.copyMs) / 1000,
    wholeSeconds: (steps.copiedMs - steps.startMs + (steps.endMs - steps.cutOverMs)) / 1000,
    copying: record.during({ fromMs: steps.copyMs, toMs: steps.copiedMs }),
    synchronized: record.during({ fromMs: steps.synchronizedMs, toMs: steps.cutOverMs }),
    startStallMs: longestMs(steps.startMs, steps.copyMs),
    cutOverStallMs: longestMs(steps.cutOverMs, steps.endMs),
  };
}
