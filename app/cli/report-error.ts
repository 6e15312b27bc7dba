/**
 * Says what went wrong: one line for people (what, which device, why, what to do next, where the data is),
 * one `failed` event for programs. Returns the exit code.
 */
import { DiskferryError } from '../base/error.ts';
import type { DataPlace } from '../contract/advice.ts';
import { adviceFor, explain } from '../contract/advice.ts';
import type { JobEventOf } from '../contract/events.ts';
import { exitCodes } from '../contract/exit-codes.ts';
import type { ExitCode } from '../contract/exit-codes.ts';

export interface ErrorPlace {
  readonly json: boolean;
  /** Empty before there is a job. */
  readonly job?: string;
  /** Where the job knows the data to be; otherwise what holds for the error in general. */
  readonly dataIs?: DataPlace;
}

export function reportError(error: unknown, place: ErrorPlace): ExitCode {
  if (!(error instanceof DiskferryError)) return reportBug(error, place);
  const { advice, dataIs, exitCode } = adviceFor(error);
  const isAt = place.dataIs ?? dataIs;
  process.stderr.write(`diskferry: ${explain(error, isAt)}\n`);
  writeEvent(place, { code: error.code, message: error.message, advice, dataIs: isAt });
  return exitCode;
}

/**
 * Something that we did not foresee: the whole trace helps, and nothing is known about the data but what the
 * job knows.
 */
function reportBug(error: unknown, place: ErrorPlace): ExitCode {
  const trace = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const dataIs = place.dataIs ?? 'untouched';
  const advice = 'Please report it with the lines above.';
  process.stderr.write(`diskferry: this is a bug in Diskferry. ${advice}\n${trace}\n`);
  writeEvent(place, { code: 'bug', message: trace.split('\n')[0] ?? '', advice, dataIs });
  return exitCodes.bug;
}

type FailureFields = Omit<JobEventOf<'failed'>, 'event' | 'job' | 'timeMs'>;

function writeEvent({ json, job = '' }: ErrorPlace, fields: FailureFields): void {
  if (!json) return;
  const event: JobEventOf<'failed'> = { event: 'failed', job, timeMs: Date.now(), ...fields };
  process.stdout.write(`${JSON.stringify(event)}\n`);
}
