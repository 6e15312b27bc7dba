/** What a job says at its end, from what its parts have counted. */
import type { JobReport } from '../contract/events.ts';
import type { Ferry } from './ferry.ts';

export interface ReportParts extends Pick<JobReport, 'interruptions' | 'graduation' | 'staysOn' | 'warnings'> {
  readonly ferry: Ferry;
  readonly totalBytes: number;
  readonly startedMs: number;
}

export function makeReport({ ferry, totalBytes, startedMs, ...parts }: ReportParts): JobReport {
  const { copiedBytes, skippedBytes } = ferry.engine.progress;
  const { writtenBytes, longestUs } = ferry.engine.consumer;
  return {
    ...parts,
    ...{ copiedBytes, skippedBytes, totalBytes },
    elapsedMs: Math.round(performance.now() - startedMs),
    redirectedBytes: writtenBytes,
    longestStallMs: Math.round(longestUs / 1000),
  };
}
