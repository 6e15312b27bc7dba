/** What a job says about itself at its end. */
import type { Interruption, JobReport, Unreadable } from '../contract/events.ts';
import type { Plan } from '../contract/plan.ts';
import { filesAt } from '../devices/files-at.ts';
import type { Ferry } from './ferry.ts';
import type { Graduation } from './graduation.ts';
import type { OpenDecision } from './open-decision.ts';

export interface ReportParts {
  readonly ferry: Ferry;
  readonly plan: Plan;
  /** Otherwise it has been undone. */
  readonly isCommitted: boolean;
  readonly elapsedMs: number;
  readonly interruptions: Interruption[];
  readonly graduation: Graduation | undefined;
  readonly staysOn: string | null;
  readonly decision: OpenDecision;
  readonly warnings: string[];
}

export async function makeReport(parts: ReportParts): Promise<JobReport> {
  const { ferry, plan, isCommitted, elapsedMs, graduation, decision, ...rest } = parts;
  const { progress, consumer } = ferry.engine;
  const unreadable = decision.unreadableOf(isCommitted ? 'source' : 'destination');
  return {
    ...rest,
    elapsedMs: Math.round(elapsedMs),
    copiedBytes: progress.copiedBytes,
    redirectedBytes: consumer.writtenBytes,
    skippedBytes: progress.skippedBytes,
    totalBytes: plan.source.sizeBytes,
    graduation: graduation?.report ?? { changes: 0, longestPauseMs: 0 },
    longestStallMs: Math.round(consumer.longestUs / 1000),
    unreadable,
    unreadableFiles: await filesOf(unreadable, plan, isCommitted),
  };
}

/** On the disk that has the data now. */
export async function filesOf(
  { extents, extentCount, totalBytes }: Unreadable,
  { source, destination }: Plan,
  isCommitted: boolean,
): Promise<JobReport['unreadableFiles']> {
  if (totalBytes === 0) return { paths: [], unknown: null };
  const areAllExtents = extents.length > 0 && extents.length === extentCount;
  const { path } = isCommitted ? destination : source;
  return filesAt(path, source.content?.fileSystemType ?? null, { extents, areAllExtents });
}
