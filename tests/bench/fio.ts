/**
 * The load of a consumer, by fio: 4 KiB, random; on a device 70 % reads past every cache, on a file writes
 * that are durable when they return (as with an fsync after each, but timed as one). Latencies are total
 * ones: fio's completion latency misleads on loop devices, whose submission already does the work.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { kibibyte } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import type { Bench } from './benchmark.ts';
import { scoped } from './benchmark.ts';

export interface Load {
  readonly target: LoadTarget;
  readonly depth: number;
  /** The part of the device or file that is used, from its start. */
  readonly sizeBytes: number;
}

export type LoadTarget =
  | { readonly kind: 'device'; readonly path: string }
  /** A device past the page cache, each write durable when it returns. */
  | { readonly kind: 'durable'; readonly path: string }
  | { readonly kind: 'nbd'; readonly uri: string }
  | { readonly kind: 'file'; readonly path: string };

export interface LoadFigures {
  readonly iops: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/**
 * Before this has passed nothing is measured. Whole milliseconds: fio drops fractions of a second without a
 * word.
 */
const warmUpMs = 500;
/** Until fio has set itself up. */
export const loadStartMs = 300;
/** From the call of a load to the beginning of what it measures. */
export const loadWarmUpMs = loadStartMs + warmUpMs;
const logIntervalMs = 20;
/** Longer than any load that is stopped by hand. */
const endlessSeconds = 3600;

const Report = z.object({
  jobs: z.tuple([
    z.object({
      error: z.number(),
      mixed: z.object({
        iops: z.number(),
        lat_ns: z.object({ percentile: z.record(z.string(), z.number()) }),
      }),
    }),
  ]),
});

function engineFor(target: LoadTarget): string[] {
  switch (target.kind) {
    case 'device':
      return ['--ioengine=libaio', '--direct=1', `--filename=${target.path}`];
    case 'durable':
      return ['--ioengine=psync', '--direct=1', '--sync=1', `--filename=${target.path}`];
    case 'nbd':
      return ['--ioengine=nbd', `--uri=${target.uri}`];
    case 'file':
      return ['--ioengine=psync', '--sync=1', `--filename=${target.path}`];
  }
}

function patternFor({ kind }: LoadTarget): string[] {
  return kind === 'file' || kind === 'durable' ? ['--rw=randwrite'] : ['--rw=randrw', '--rwmixread=70'];
}

function parameters({ target, depth, sizeBytes }: Load, seconds: number): string[] {
  return [
    '--name=consumer',
    '--output-format=json',
    ...engineFor(target),
    ...patternFor(target),
    '--bs=4k',
    `--iodepth=${depth}`,
    `--size=${sizeBytes}`,
    '--norandommap',
    '--randrepeat=0',
    '--time_based',
    `--ramp_time=${warmUpMs}ms`,
    `--runtime=${Math.round(seconds * 1000)}ms`,
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

export interface Place {
  /** A device or a file; a file is made. */
  readonly path: string;
  readonly sizeBytes: number;
}

/** Fio leaves out what it has nothing to say of. */
const Latency = z.object({ percentile: z.record(z.string(), z.number()).optional() });
const DurableReport = z.object({
  jobs: z.tuple([
    z.object({
      error: z.literal(0),
      write: z.object({ lat_ns: Latency }),
      sync: z.object({ lat_ns: Latency }),
    }),
  ]),
});

/** The median of a flush that follows each random write of 4 KiB. */
export function flushUs(place: Place, seconds: number): Promise<number> {
  return durableMedianUs('sync', place, ['--rw=randwrite', '--norandommap', '--fsync=1'], seconds);
}

/** The median of a write of 4 KiB, one after the other, that is durable when it is done. */
export function durableWriteUs(place: Place, seconds: number): Promise<number> {
  return durableMedianUs('write', place, ['--rw=write', '--sync=dsync'], seconds);
}

async function durableMedianUs(
  of: 'write' | 'sync',
  { path, sizeBytes }: Place,
  how: readonly string[],
  seconds: number,
): Promise<number> {
  const always = ['--name=durable', '--output-format=json', '--ioengine=psync', '--direct=1', '--bs=4k'];
  const where = [`--filename=${path}`, `--size=${sizeBytes}`, '--randrepeat=0'];
  const when = ['--time_based', `--ramp_time=${warmUpMs}ms`, `--runtime=${Math.round(seconds * 1000)}ms`];
  const figures = ['--lat_percentiles=1', '--clat_percentiles=0'];
  const output = await runCommand('fio', [...always, ...where, ...how, ...when, ...figures], 'the load');
  const [job] = DurableReport.parse(JSON.parse(output.slice(output.indexOf('{')))).jobs;
  const median = job[of].lat_ns.percentile?.['50.000000'];
  if (median === undefined) throw new Error(`${path}: the load did nothing in ${seconds} s`);
  return median / 1000;
}

/** Writes 4 KiB at the start of each stretch of `strideBytes`, once all over the device. */
export async function writeSparsely({ target, depth, sizeBytes }: Load, strideBytes: number): Promise<void> {
  const blockBytes = 4 * kibibyte;
  const places = [`--rw=write:${strideBytes - blockBytes}`, `--bs=${blockBytes}`, `--size=${sizeBytes}`];
  const writes = Math.ceil(sizeBytes / strideBytes);
  const all = [
    '--name=touch',
    ...engineFor(target),
    `--iodepth=${depth}`,
    ...places,
    `--number_ios=${writes}`,
  ];
  await runCommand('fio', all, 'writes all over the device');
}

export interface UnderLoad<T> {
  readonly result: T;
  readonly elapsedMs: number;
  /** What the consumer got done meanwhile. */
  readonly iops: number;
}

/**
 * Runs `work` in the middle of a load; the consumer's figure is taken from fio's log of its rate over short
 * intervals.
 */
export async function underLoad<T>(bench: Bench, load: Load, work: () => Promise<T>): Promise<UnderLoad<T>> {
  const options = ['--write_iops_log=rate', `--log_avg_msec=${logIntervalMs}`];
  const amid = await amidLoad(bench, load, { options, fileName: 'rate_iops.log' }, () => timed(work));
  const { result, elapsedMs } = amid.result;
  return { result, elapsedMs, iops: iopsDuring(amid.result, amid.log.toString()) };
}

/** What fio is to write down while it runs, beside its report. */
export interface LoadLog {
  readonly options: readonly string[];
  readonly fileName: string;
}

/**
 * Runs `work` in the middle of a load, which begins before it and ends after it. Times in the log are those
 * of the wall.
 */
export async function amidLoad<T>(
  bench: Bench,
  load: Load,
  { options, fileName }: LoadLog,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly log: Buffer }> {
  return scoped(bench, async ({ directory }) => {
    const all = [...parameters(load, endlessSeconds), ...options, '--log_unix_epoch=1', '--per_job_logs=0'];
    const fio = spawn('fio', all, { stdio: ['ignore', 'ignore', 'pipe'], cwd: directory, detached: true });
    let complaints = '';
    fio.stderr.on('data', (data: Buffer) => (complaints += data.toString()));
    const ended = once(fio, 'close');
    const [outcome] = await Promise.allSettled([sleep(loadWarmUpMs).then(work)]);
    const { exitCode } = fio;
    fio.kill('SIGINT');
    await ended;
    // Whatever else failed, this is why.
    if (exitCode !== null)
      throw new Error(`the load ended early: fio's exit code is ${exitCode}: ${complaints.trim()}`);
    if (outcome.status === 'rejected') throw outcome.reason;
    return { result: outcome.value, log: await readFile(join(directory, fileName)) };
  });
}

/** On the clock of the wall, as fio's logs. */
export interface Interval {
  readonly fromMs: number;
  readonly toMs: number;
}

async function timed<T>(work: () => Promise<T>): Promise<{ result: T; elapsedMs: number } & Interval> {
  const fromMs = Date.now();
  const startedMs = performance.now();
  const result = await work();
  return { result, elapsedMs: performance.now() - startedMs, fromMs, toMs: Date.now() };
}

/**
 * Lines of the log: time in ms at an interval's end, IOPS, direction (0 read, 1 write), …; directions add up.
 */
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
