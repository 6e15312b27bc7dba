/** What a job's last event says when it has failed. Where the job knows better than the table, it tells. */
import { DiskferryError, messageOf } from '../base/error.ts';
import type { DataPlace } from '../contract/advice.ts';
import { adviceFor } from '../contract/advice.ts';
import type { JobEventOf } from '../contract/events.ts';

export interface FailurePlace {
  /** Empty before there is a job. */
  readonly job: string;
  readonly dataIs?: DataPlace | undefined;
}

export function failedEvent(error: unknown, { job, dataIs }: FailurePlace): JobEventOf<'failed'> {
  const line = { event: 'failed', job, timeMs: Date.now() } as const;
  if (error instanceof DiskferryError) {
    const { advice, dataIs: isInGeneral } = adviceFor(error);
    const { code, message } = error;
    return { ...line, code, message, advice, dataIs: dataIs ?? isInGeneral };
  }
  const advice = 'Please report it with the lines above.';
  const message = messageOf(error).split('\n')[0] ?? '';
  return { ...line, code: 'bug', message, advice, dataIs: dataIs ?? 'untouched' };
}
