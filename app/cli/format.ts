/**
 * Sizes, rates and times as people read them. Powers of 1024, as disks and memory are measured in Linux
 * tools.
 */
import prettyBytes from 'pretty-bytes';
import prettyMilliseconds from 'pretty-ms';

export function formatBytes(bytes: number): string {
  return prettyBytes(bytes, { binary: true, maximumFractionDigits: bytes >= 1024 ** 3 ? 2 : 0 });
}

export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const written = prettyMilliseconds(milliseconds, { secondsDecimalDigits: milliseconds < 10_000 ? 1 : 0 });
  // "1h 5m 3s" is written the way units are.
  return written.replaceAll(/(\d)m\b/g, '$1 min').replaceAll(/(\d)([dhs])\b/g, '$1 $2');
}

export function formatLatency(microseconds: number): string {
  return microseconds < 10_000 ? `${Math.round(microseconds)} µs` : formatDuration(microseconds / 1000);
}

/** An estimate, rounded so that it does not claim more than is known. */
export function formatEta(seconds: number | null): string {
  if (seconds === null) return 'time left: not known yet';
  if (seconds === 0) return 'done';
  if (seconds < 10) return 'a few seconds left';
  const step = seconds < 60 ? 5 : seconds < 600 ? 15 : 60;
  return `about ${formatDuration(Math.ceil(seconds / step) * step * 1000)} left`;
}
