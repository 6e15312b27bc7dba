/**
 * Sizes and times as people read them. Powers of 1024, as disks and memory are measured in Linux tools; times are
 * the same in every time zone.
 */
import prettyBytes from 'pretty-bytes';
import prettyMilliseconds from 'pretty-ms';

export function bytesText(bytes: number): string {
  return prettyBytes(bytes, { binary: true, maximumFractionDigits: bytes >= 1024 ** 3 ? 2 : 0 });
}

export function durationText(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const written = prettyMilliseconds(milliseconds, { secondsDecimalDigits: milliseconds < 10_000 ? 1 : 0 });
  // "1h 5m 3s" is written the way units are.
  return written.replaceAll(/(\d)m\b/g, '$1 min').replaceAll(/(\d)([dhs])\b/g, '$1 $2');
}

/** Each end in the largest unit that says enough, rounded outwards, so that it claims no more than is known. */
export interface RoundedTime {
  readonly unit: 'minutes' | 'hours' | 'days';
  readonly count: number;
}

const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;

export function roundedRange({ lowSeconds, highSeconds }: Readonly<Record<'lowSeconds' | 'highSeconds', number>>): {
  readonly low: RoundedTime;
  readonly high: RoundedTime;
} {
  return { low: roundedTime(lowSeconds, Math.floor), high: roundedTime(highSeconds, Math.ceil) };
}

function roundedTime(seconds: number, round: (count: number) => number): RoundedTime {
  // No move takes no time.
  if (seconds <= 2 * hour) return { unit: 'minutes', count: Math.max(1, round(seconds / minute)) };
  return seconds <= 2 * day ? { unit: 'hours', count: round(seconds / hour) } : { unit: 'days', count: round(seconds / day) };
}

export function timeText(timeMs: number): string {
  return new Date(timeMs).toISOString().replace('T', ' ').slice(0, 19);
}
