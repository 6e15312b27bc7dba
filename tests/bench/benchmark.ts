/**
 * What a benchmark is to the runner, and what it gets from it: how long to measure, where to make its disks,
 * and a place to register what must be gone afterwards.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ReleaseStack } from '../../app/base/release.ts';
import type { Outcome } from './outcome.ts';
import type { Standing } from './standing.ts';

export interface Effort {
  /** How often each contestant runs. */
  readonly rounds: number;
  /** How long one run of a load is measured. */
  readonly loadSeconds: number;
  /** How long the wizard is watched. */
  readonly wizardSeconds: number;
}

export interface Bench {
  readonly effort: Effort;
  /** A directory of this benchmark's own, in memory where there is room; removed afterwards. */
  readonly directory: string;
  /** Released when the benchmark ends, however it ends. */
  readonly held: ReleaseStack;
  /** Somebody wants it to end: no new measurement begins, and what it holds is released on the way out. */
  readonly interrupted: AbortSignal;
  /** Shows contestants side by side, beside the outcomes that a benchmark returns. */
  readonly show: (standings: readonly Standing[]) => void;
}

export interface Benchmark {
  /** For `--only`. */
  readonly name: string;
  /** One line for people. */
  readonly title: string;
  run(bench: Bench): Promise<readonly Outcome[]>;
}

/** Runs a part of a benchmark with a directory of its own; what it holds is released when the part ends. */
export async function scoped<T>(bench: Omit<Bench, 'held'>, work: (part: Bench) => Promise<T>): Promise<T> {
  const held = new ReleaseStack();
  try {
    const directory = await mkdtemp(join(bench.directory, 'bench-'));
    held.add(directory, () => rm(directory, { recursive: true }));
    return await work({ ...bench, directory, held });
  } finally {
    await held.releaseAll();
  }
}
