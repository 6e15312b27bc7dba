/**
 * How long a job still takes, as a range that claims no more than is known: from the earliest to the latest end
 * that its estimates of the last half minute foretold. Nothing is shown while it warms up, and what is shown
 * changes every ten seconds at the most. And since when nothing has moved, which no estimate would tell.
 *
 * Goes by the times of the events alone, so that the same events always show the same.
 */
import type { JobEventOf, JobPhase } from '../../app/contract/events.ts';

export interface Range {
  readonly lowSeconds: number;
  readonly highSeconds: number;
}

export interface Forecast {
  readonly phase: JobPhase | null;
  readonly ends: readonly { readonly timeMs: number; readonly endMs: number }[];
  readonly sinceMs: number;
  readonly range: (Range & { readonly shownMs: number }) | null;
  /** What moves: it stands for all work of a phase, so that any change of it is progress. */
  readonly moved: string;
  readonly movedMs: number;
}

export const noForecast: Forecast = {
  phase: null,
  ends: [],
  sinceMs: 0,
  range: null,
  moved: '',
  movedMs: 0,
};

const warmUpMs = 5000;
const memoryMs = 30_000;
const endsMax = 300;
const shownMs = 10_000;
/** Added on both sides. */
const margin = 0.1;

type Progress = JobEventOf<'progress'>;

export function nextForecast(before: Forecast, progress: Progress): Forecast {
  const { timeMs, phase, etaSeconds, pendingBytes, toReturnBytes, verifiedBytes } = progress;
  const moved = `${phase} ${pendingBytes} ${toReturnBytes} ${verifiedBytes}`;
  const movedMs = moved === before.moved ? before.movedMs : timeMs;
  if (phase !== before.phase || etaSeconds === null)
    return { phase, ends: [], sinceMs: timeMs, range: null, moved, movedMs };
  const ends = [...before.ends, { timeMs, endMs: timeMs + etaSeconds * 1000 }]
    .filter((end) => timeMs - end.timeMs <= memoryMs)
    .slice(-endsMax);
  return { ...before, ends, moved, movedMs, range: nextRange({ ...before, ends }, timeMs) };
}

function nextRange({ ends, sinceMs, range }: Forecast, timeMs: number): Forecast['range'] {
  if (timeMs - sinceMs < warmUpMs) return null;
  if (range !== null && timeMs - range.shownMs < shownMs) return range;
  const seconds = ends.map(({ endMs }) => Math.max(0, endMs - timeMs) / 1000);
  const lowSeconds = Math.min(...seconds) * (1 - margin);
  return { lowSeconds, highSeconds: Math.max(...seconds) * (1 + margin), shownMs: timeMs };
}

/** How long nothing has moved although it should; 0 while all is well. */
export function stalledMs({ movedMs }: Forecast, progress: Progress): number {
  const standingMs = progress.timeMs - movedMs;
  return standingMs >= warmUpMs ? standingMs : 0;
}
