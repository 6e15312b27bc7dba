/**
 * Events as they are heard from another process, which may be of another version of Diskferry: a service is
 * upgraded while jobs run, and a client may be older than the service. What a version does not know is left
 * out, but never the end of a job: somebody waits for it. Where that cannot be understood whole, it becomes a
 * failure that says so, and where the data is.
 */
import * as z from 'zod';
import { adviceFor, dataPlaces } from './advice.ts';
import type { DataPlace } from './advice.ts';
import type { JobEvent, JobEventOf } from './events.ts';
import { jobEventSchema } from './events.ts';

const lastNames = ['finished', 'undone', 'failed'] as const;
const lastSchema = z.object({ event: z.enum(lastNames), job: z.string(), timeMs: z.number() });
const toldFailureSchema = z.object({
  message: z.string(),
  advice: z.string(),
  dataIs: z.enum(dataPlaces).catch('both'),
});
const dataAfter: Readonly<Record<(typeof lastNames)[number], DataPlace>> = {
  finished: 'destination',
  undone: 'source',
  failed: 'both',
};

/** Undefined for what this version does not know. */
export function understoodEvent(told: unknown): JobEvent | undefined {
  const { data } = jobEventSchema.safeParse(told);
  if (data !== undefined) return data;
  const last = lastSchema.safeParse(told).data;
  return last === undefined ? undefined : endOf(last, told);
}

export function understoodEvents(told: readonly unknown[]): JobEvent[] {
  return told.flatMap((one) => understoodEvent(one) ?? []);
}

/** A failure of a kind that is not known says itself what is the matter. */
function endOf({ event, job, timeMs }: z.infer<typeof lastSchema>, told: unknown): JobEventOf<'failed'> {
  const code = 'end-not-understood';
  const line = { event: 'failed', job, timeMs, code } as const;
  const failure = event === 'failed' ? toldFailureSchema.safeParse(told).data : undefined;
  if (failure !== undefined) return { ...line, ...failure };
  const message = `${job}: the job has ended ("${event}"); what it says of that this version does not understand`;
  return { ...line, message, advice: adviceFor({ code, context: { job } }).advice, dataIs: dataAfter[event] };
}

/** One that must be there, such as the first or the last. */
export const toldEventSchema = z.preprocess((told) => understoodEvent(told) ?? told, jobEventSchema);
export const toldEventsSchema = z.preprocess(
  (told) => (Array.isArray(told) ? understoodEvents(told) : told),
  z.array(jobEventSchema),
);
