/** Sizes, rates and times for a terminal; the words of sizes and durations are those of the reports. */
import { bytesText, durationText } from '../contract/report/words.ts';

export const formatBytes = bytesText;
export const formatDuration = durationText;

export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
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
