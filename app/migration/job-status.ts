/** What a job answers to whoever asks how it stands. */
import type { JobStatus } from '../contract/control.ts';
import type { Plan } from '../contract/plan.ts';
import { cutOverSteps } from './cut-over-steps.ts';

export interface StatusParts extends Pick<JobStatus, 'job' | 'state' | 'device' | 'speed' | 'progress' | 'decision'> {
  readonly plan: Plan;
  /** Users reach all of the destination directly already. */
  readonly isDirect: boolean;
}

export function statusOf({ plan, isDirect, ...asItIs }: StatusParts): JobStatus {
  const [source, destination] = [plan.source.path, plan.destination.path];
  return {
    ...asItIs,
    ...{ processId: process.pid, source, destination },
    cutOver: cutOverSteps({ ...plan, destinationPath: destination, job: asItIs.job, isDirect }),
  };
}
