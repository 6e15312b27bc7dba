/** Sizes, rates and times as the wizard shows them; sizes and durations read as they do in the reports. */
import type { Plan } from '../../app/contract/plan.ts';
import type { RoundedTime } from '../../app/contract/report/words.ts';
import { bytesText, durationText, roundedRange } from '../../app/contract/report/words.ts';
import type { Range } from '../state/job-forecast.ts';
import { text } from './text.ts';

export { bytesText, durationText };

export function rateText(bytesPerSecond: number): string {
  return `${bytesText(Math.round(bytesPerSecond))}/s`;
}

export function waitText(microseconds: number): string {
  if (microseconds < 1000) return `${Math.round(microseconds)} µs`;
  const milliseconds = microseconds / 1000;
  return milliseconds < 10 ? `${trimmed(milliseconds)} ms` : durationText(milliseconds);
}

/** As people know connections: USB 2 has 480 Mbit/s, SATA 6 Gbit/s. */
export function linkText(megabits: number): string {
  return megabits < 1000 ? `${megabits} Mbit/s` : `${trimmed(megabits / 1000)} Gbit/s`;
}

/** Of a plan, before anything has been measured. */
export function planRangeText(duration: Plan['duration']): string {
  if (duration === undefined) return text('plan.takesUnknown');
  const { low, high } = roundedRange(duration);
  const amount = ({ unit, count }: RoundedTime): string => text(`plan.amount.${unit}`, { count });
  const isOne = low.unit === high.unit && low.count === high.count;
  const first = low.unit === high.unit ? String(low.count) : amount(low);
  const range = isOne ? text('plan.rangeAbout', { amount: amount(low) }) : text('plan.range', { low: first, high: amount(high) });
  return text('plan.takesAbout', { range });
}

/** At the time scale of a chart. */
export function scaleTimeText(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  const minutes = seconds / 60;
  return minutes < 60 ? `${trimmed(minutes)} min` : `${trimmed(minutes / 60)} h`;
}

function trimmed(figure: number): string {
  return figure.toFixed(1).replace('.0', '');
}

/** In whole seconds: as it stands beside numbers that change. */
export function elapsedText(milliseconds: number): string {
  return durationText(Math.max(1000, Math.floor(milliseconds / 1000) * 1000)).replace('.0 s', ' s');
}

/** One digit after the point, and 100 only when nothing is left. */
export function percentText(done: number, total: number): string {
  if (total === 0 || done >= total) return '100';
  return Math.min(99.9, Math.floor((done / total) * 1000) / 10).toFixed(1);
}

const minuteSeconds = 60;
const hourSeconds = 3600;

/** Rounded so that it claims no more than is known. */
export function rangeText(range: Range | null): string {
  if (range === null) return text('job.etaUnknown');
  const { lowSeconds, highSeconds } = range;
  if (highSeconds <= minuteSeconds) return text('job.etaSoon');
  if (lowSeconds >= 3 * hourSeconds) {
    const [low, high] = [Math.floor(lowSeconds / hourSeconds), Math.ceil(highSeconds / hourSeconds)];
    return text('job.etaHours', { low, high });
  }
  const low = Math.max(1, Math.floor(lowSeconds / minuteSeconds));
  const high = Math.ceil(highSeconds / minuteSeconds);
  return high - low <= 1 ? text('job.etaMinutes', { count: high }) : text('job.etaRange', { low, high });
}
