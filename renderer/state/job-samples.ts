/**
 * What the charts show of a job, from its beginning: as many points as a chart has room for, however long it
 * takes. When they are too many, neighbours become one: rates their mean, latencies the worst of both.
 */
import type { JobEventOf } from '../../app/contract/events.ts';

export interface Sample {
  /** When the time it stands for begins. */
  readonly timeMs: number;
  readonly copyBytesPerSecond: number;
  readonly consumerIops: number;
  readonly p99Us: number;
  /** Of how many progress events. */
  readonly count: number;
}

export interface Samples {
  readonly points: readonly Sample[];
  /** How long one point stands for. */
  readonly widthMs: number;
}

export const pointsMax = 480;
export const noSamples: Samples = { points: [], widthMs: 250 };

export function addSample({ points, widthMs }: Samples, progress: JobEventOf<'progress'>): Samples {
  const { timeMs, copyBytesPerSecond, consumer } = progress;
  const consumerIops = consumer.readIops + consumer.writeIops;
  const sample = { timeMs, copyBytesPerSecond, consumerIops, p99Us: consumer.p99Us, count: 1 };
  const last = points.at(-1);
  if (last !== undefined && timeMs - last.timeMs < widthMs)
    return { points: [...points.slice(0, -1), merge(last, sample)], widthMs };
  if (points.length < pointsMax) return { points: [...points, sample], widthMs };
  return { points: [...halve(points), sample], widthMs: widthMs * 2 };
}

function halve(points: readonly Sample[]): Sample[] {
  const halved: Sample[] = [];
  for (const [index, point] of points.entries()) {
    const previous = halved.at(-1);
    if (index % 2 === 1 && previous !== undefined) halved[halved.length - 1] = merge(previous, point);
    else halved.push(point);
  }
  return halved;
}

function merge(earlier: Sample, later: Sample): Sample {
  const count = earlier.count + later.count;
  const mean = (one: number, other: number): number => (one * earlier.count + other * later.count) / count;
  return {
    timeMs: earlier.timeMs,
    copyBytesPerSecond: mean(earlier.copyBytesPerSecond, later.copyBytesPerSecond),
    consumerIops: mean(earlier.consumerIops, later.consumerIops),
    p99Us: Math.max(earlier.p99Us, later.p99Us),
    count,
  };
}
