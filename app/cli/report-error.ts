/**
 * Says what went wrong: one line for people (what, which device, why, what to do next, where the data is),
 * one `failed` event for programs. Returns the exit code.
 */
import { DiskferryError } from '../base/error.ts';
import type { DataPlace } from '../contract/advice.ts';
import { adviceTable, explainFailure } from '../contract/advice.ts';
import type { JobEventOf } from '../contract/events.ts';
import { exitCodes } from '../contract/exit-codes.ts';
import type { ExitCode } from '../contract/exit-codes.ts';
import { failedEvent } from '../migration/failed-event.ts';

export interface ErrorPlace {
  readonly json: boolean;
  /** Empty before there is a job. */
  readonly job?: string;
  /** Where the job knows the data to be; otherwise what holds for the error in general. */
  readonly dataIs?: DataPlace;
}

export function reportError(error: unknown, { json, job = '', dataIs }: ErrorPlace): ExitCode {
  if (!(error instanceof DiskferryError)) {
    // Something that we did not foresee: the whole trace helps.
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  }
  return reportFailure(failedEvent(error, { job, dataIs }), { json });
}

/** What a job has failed with. */
export function reportFailure(event: JobEventOf<'failed'>, { json }: { readonly json: boolean }): ExitCode {
  process.stderr.write(`diskferry: ${explainFailure(event)}\n`);
  if (json) process.stdout.write(`${JSON.stringify(event)}\n`);
  return event.code === 'bug' ? exitCodes.bug : adviceTable[event.code].exitCode;
}
