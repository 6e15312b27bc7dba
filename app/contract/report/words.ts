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

export function timeText(timeMs: number): string {
  return new Date(timeMs).toISOString().replace('T', ' ').slice(0, 19);
}
