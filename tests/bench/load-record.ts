/**
 * A load of which fio writes down every request, for figures of parts of it whose times are known only
 * afterwards, such as while something was copied. Times are those at which requests were done.
 */
import type { Bench } from './benchmark.ts';
import type { Interval, Load, LoadFigures } from './fio.ts';
import { amidLoad } from './fio.ts';

export interface RecordedFigures extends LoadFigures {
  readonly longestMs: number;
}

/** Room for them from the start: fio holds requests back while it makes more. */
const entriesMax = 1_048_576;
const logOptions = [
  '--write_lat_log=all',
  `--log_entries=${entriesMax}`,
  '--disable_slat=1',
  '--disable_clat=1',
];

export class LoadRecord {
  readonly #doneMs: readonly number[];
  readonly #latencyNs: readonly number[];

  /** Lines of the log: time in ms, latency in ns, and more that does not matter. */
  constructor(log: Buffer) {
    const doneMs: number[] = [];
    const latencyNs: number[] = [];
    for (let start = 0; start < log.length; start = log.indexOf('\n', start) + 1 || log.length) {
      const comma = log.indexOf(',', start);
      doneMs.push(wholeNumber(log, start));
      latencyNs.push(wholeNumber(log, comma + 2));
    }
    this.#doneMs = doneMs;
    this.#latencyNs = latencyNs;
  }

  /** Throws when nothing was done: then something other than the load was measured. */
  during({ fromMs, toMs }: Interval): RecordedFigures {
    const latencies = Float64Array.from(
      this.#latencyNs.filter((_, index) => isWithin(this.#doneMs[index], fromMs, toMs)),
    ).sort();
    if (latencies.length === 0) throw new Error(`the load did nothing in ${toMs - fromMs} ms`);
    const usAt = (share: number): number =>
      (latencies[Math.floor((latencies.length - 1) * share)] ?? Number.NaN) / 1000;
    const iops = latencies.length / ((toMs - fromMs) / 1000);
    return { iops, p50Us: usAt(0.5), p99Us: usAt(0.99), longestMs: usAt(1) / 1000 };
  }
}

function isWithin(timeMs: number | undefined, fromMs: number, toMs: number): boolean {
  return timeMs !== undefined && timeMs >= fromMs && timeMs < toMs;
}

/** From its first digit on. By hand, because a log has a line for every request. */
function wholeNumber(text: Buffer, start: number): number {
  let value = 0;
  for (let at = start; ; at += 1) {
    const digit = (text[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) return value;
    value = value * 10 + digit;
  }
}

/** Runs `work` in the middle of a load. */
export async function recordLoad<T>(
  bench: Bench,
  load: Load,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly record: LoadRecord }> {
  const { result, log } = await amidLoad(bench, load, { options: logOptions, fileName: 'all_lat.log' }, work);
  return { result, record: new LoadRecord(log) };
}
