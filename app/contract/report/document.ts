/**
 * The report of one job for people who must show what was done: which disks, how, when, what it cost, what went
 * wrong, and where the data is. Made from the job's own events and nothing else, so that it can be made again at
 * any time. `html.ts` prints it.
 */
import * as z from 'zod';
import { DiskferryError } from '../../base/error.ts';
import { dataPlaces } from '../advice.ts';
import type { JobEvent, JobEventName, JobEventOf } from '../events.ts';
import { jobEventSchema, reportSchema } from '../events.ts';
import { copyScopeSchema, frontendSchema, plannedDiskSchema, waySchema } from '../plan.ts';

const outcomes = ['finished', 'undone', 'failed', 'not-ended'] as const;

export const reportDocumentSchema = z.object({
  format: z.literal('diskferry-report'),
  version: z.literal(1),
  job: z.string(),
  /** Written on the paper by who did the work; null when not given. */
  technician: z.string().nullable(),
  customer: z.string().nullable(),
  /** `not-ended`: it runs still, or has died. */
  outcome: z.enum(outcomes),
  /** Milliseconds since 1970. */
  startedMs: z.number(),
  endedMs: z.number().nullable(),
  source: plannedDiskSchema,
  destination: plannedDiskSchema,
  mode: z.string(),
  way: waySchema,
  frontend: frontendSchema,
  copy: copyScopeSchema,
  /** Null when the job did not end by itself. */
  figures: reportSchema.nullable(),
  /** Of the destination, read back and compared; null when nobody asked for it. */
  verifiedBytes: z.int().nonnegative().nullable(),
  /** Where the valid data is; null while it is not known. */
  dataIs: z.enum(dataPlaces).nullable(),
  failure: z.object({ code: z.string(), message: z.string(), advice: z.string() }).nullable(),
  /** Warnings and decisions, in words. */
  notes: z.array(z.string()),
  /** All that happened, but for the progress. */
  events: z.array(jobEventSchema),
});
export type ReportDocument = z.infer<typeof reportDocumentSchema>;

export interface Signatures {
  readonly technician?: string | undefined;
  readonly customer?: string | undefined;
}

/** `events`: what the job kept, from its beginning. Throws `job-missing` without a beginning. */
export function makeReport(
  job: string,
  events: readonly JobEvent[],
  { technician, customer }: Signatures = {},
): ReportDocument {
  const planned = first(events, 'planned');
  if (planned === undefined)
    throw new DiskferryError('job-missing', `${job}: there is no record of how it began`);
  const { plan, timeMs } = planned;
  const [finished, undone, failed] = [first(events, 'finished'), first(events, 'undone'), first(events, 'failed')];
  const end = finished ?? undone ?? failed;
  return {
    ...{ format: 'diskferry-report', version: 1, job },
    technician: technician ?? null,
    customer: customer ?? null,
    outcome: end?.event ?? 'not-ended',
    startedMs: timeMs,
    endedMs: end?.timeMs ?? null,
    ...{ source: plan.source, destination: plan.destination, mode: plan.mode, way: plan.way },
    ...{ frontend: plan.frontend, copy: plan.copy },
    figures: (finished ?? undone)?.report ?? null,
    verifiedBytes: first(events, 'verified')?.checkedBytes ?? null,
    dataIs: dataPlaceOf({ finished, undone, failed }),
    failure: failed === undefined ? null : { code: failed.code, message: failed.message, advice: failed.advice },
    notes: notesOf(events),
    events: events.filter(({ event }) => event !== 'progress'),
  };
}

function first<Name extends JobEventName>(
  events: readonly JobEvent[],
  name: Name,
): JobEventOf<Name> | undefined {
  return events.find((event): event is JobEventOf<Name> => event.event === name);
}

interface Ends {
  readonly finished: JobEventOf<'finished'> | undefined;
  readonly undone: JobEventOf<'undone'> | undefined;
  readonly failed: JobEventOf<'failed'> | undefined;
}

function dataPlaceOf({ finished, undone, failed }: Ends): ReportDocument['dataIs'] {
  if (finished !== undefined) return 'destination';
  if (undone !== undefined) return 'source';
  return failed?.dataIs ?? null;
}

/** A plan's warnings come once more as events; nobody wants to read them twice. */
function notesOf(events: readonly JobEvent[]): string[] {
  const texts = events.flatMap((event) => {
    if (event.event === 'planned') return event.plan.warnings.map(({ message }) => message);
    return event.event === 'warning' || event.event === 'decision' ? [event.message] : [];
  });
  return [...new Set(texts)];
}
