/**
 * The load of a consumer, by fio: 4 KiB, 70 % reads, random, past every cache. Latencies are total ones: fio's
 * completion latency misleads on loop devices, whose submission already does the work.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { runCommand } from '../../app/devices/command.ts';
import type { Bench } from './benchmark.ts';
import { scoped } from './benchmark.ts';

export interface Load {
  readonly target: LoadTarget;
  readonly depth: number;
  /** The part of the device that is used, from its start. */
  readonly sizeBytes: number;
}

export type LoadTarget =
  | { readonly kind: 'device'; readonly path: string }
  | { readonly kind: 'nbd'; readonly uri: string };

export interface LoadFigures {
  readonly iops: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/** Before this has passed nothing is measured. */
const warmUpSeconds = 0.5;
/** Until fio has set itself up. */
const startMs = 300;
/** From the call of a load to the beginning of what it measures. */
export const loadWarmUpMs = startMs + warmUpSeconds * 1000;
const logIntervalMs = 20;
/** Longer than any load that is stopped by hand. */
const endlessSeconds = 3600;

const Report = z.object({
  jobs: z.tuple([
    z.object({
      error: z.number(),
      mixed: z.object({ iops: z.number(), lat_ns: z.object({ percentile: z.record(z.string(), z.number()) }) }),
    }),
  ]),
});

function parameters({ target, depth, sizeBytes }: Load, seconds: number): string[] {
  const where =
    target.kind === 'device'
      ? ['--ioengine=libaio', '--direct=1', `--filename=${target.path}`]
      : ['--ioengine=nbd', `--uri=${target.uri}`];
  return [
    '--name=consumer',
    '--output-format=json',
    ...where,
    '--rw=randrw',
    '--rwmixread=70',
    '--bs=4k',
    `--iodepth=${depth}`,
    `--size=${sizeBytes}`,
    '--norandommap',
    '--randrepeat=0',
    '--time_based',
    `--ramp_time=${warmUpSeconds}`,
    `--runtime=${seconds}`,
    '--unified_rw_reporting=1',
    '--lat_percentiles=1',
    '--clat_percentiles=0',
  ];
}

export async function runLoad(load: Load, seconds: number): Promise<LoadFigures> {
  const output = await runCommand('fio', parameters(load, seconds), 'the load');
  const { mixed } = Report.parse(JSON.parse(output.slice(output.indexOf('{')))).jobs[0];
  const percentileUs = (key: string): number => (mixed.lat_ns.percentile[key] ?? Number.NaN) / 1000;
  return { iops: mixed.iops, p50Us: percentileUs('50.000000'), p99Us: percentileUs('99.000000') };
}

export interface UnderLoad<T> {
  readonly result: T;
  readonly elapsedMs: number;
  /** What the consumer got done meanwhile. */
  readonly iops: number;
}

/**
 * Runs `work` in the middle of a load. The load begins before it and ends after it, so the consumer's figure is taken
 * from fio's log of its rate over short intervals.
 */
export async function underLoad<T>(bench: Bench, load: Load, work: () => Promise<T>): Promise<UnderLoad<T>> {
  return scoped(bench, async ({ directory }) => {
    const log = ['--write_iops_log=rate', `--log_avg_msec=${logIntervalMs}`, '--log_unix_epoch=1', '--per_job_logs=0'];
    const all = [...parameters(load, endlessSeconds), ...log];
    const fio = spawn('fio', all, { stdio: 'ignore', cwd: directory, detached: true });
    const ended = once(fio, 'close');
    let measured: Omit<UnderLoad<T>, 'iops'> & Interval;
    try {
      await sleep(loadWarmUpMs);
      measured = await timed(work);
      if (fio.exitCode !== null) throw new Error(`the load ended early: fio's exit code is ${fio.exitCode}`);
    } finally {
      fio.kill('SIGINT');
      await ended;
    }
    const { result, elapsedMs } = measured;
    return { result, elapsedMs, iops: iopsDuring(measured, await readFile(join(directory, 'rate_iops.log'), 'utf8')) };
  });
}

interface Interval {
  /** On the clock of the wall, as fio's log. */
  readonly fromMs: number;
  readonly toMs: number;
}

async function timed<T>(work: () => Promise<T>): Promise<{ result: T; elapsedMs: number } & Interval> {
  const fromMs = Date.now();
  const startedMs = performance.now();
  const result = await work();
  return { result, elapsedMs: performance.now() - startedMs, fromMs, toMs: Date.now() };
}

/** Lines of the log: time in ms at an interval's end, IOPS, direction (0 read, 1 write), …; directions add up. */
function iopsDuring({ fromMs, toMs }: Interval, log: string): number {
  const entries = log
    .trim()
    .split('\n')
    .map((line) => line.split(',').map(Number) as [number, number, number])
    .filter(([timeMs]) => timeMs - logIntervalMs >= fromMs && timeMs <= toMs);
  const meanOf = (wanted: number): number => {
    const rates = entries.filter(([, , direction]) => direction === wanted).map(([, rate]) => rate);
    return rates.reduce((sum, rate) => sum + rate, 0) / Math.max(1, rates.length);
  };
  return meanOf(0) + meanOf(1);
}
