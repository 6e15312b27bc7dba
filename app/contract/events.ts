/**
 * The lines that a job reports: one JSON object per line with `event`, `job` and `timeMs` (milliseconds since 1970).
 * Scripts, the service and every screen read them, so a field once published keeps its name and meaning.
 *
 * Order: `planned`, `attached`, then `progress` with the others in between, `synchronized`, `committed`, and as the
 * last line either `finished`, `undone` or `failed`.
 */
import { z } from 'zod';
import { errorCodes } from '../base/error.ts';
import { dataPlaces } from './advice.ts';
import { planSchema, planWarningCodes } from './plan.ts';

const count = z.number().nonnegative();
const bytes = z.int().nonnegative();
const line = { job: z.string(), timeMs: z.number() };

export const jobPhases = ['starting', 'copying', 'synchronized', 'cutting-over', 'committed'] as const;
export type JobPhase = (typeof jobPhases)[number];

export const consumerSchema = z.object({
  readIops: count,
  writeIops: count,
  p50Us: count,
  p99Us: count,
  longestStallMs: count,
});
export type ConsumerFigures = z.infer<typeof consumerSchema>;

/** Where the consumer had to stop: at the start and at the cut-over of the `remount` way. */
export const interruptionSchema = z.object({ at: z.enum(['start', 'cut-over']), elapsedMs: count });
export type Interruption = z.infer<typeof interruptionSchema>;

export const reportSchema = z.object({
  elapsedMs: count,
  /** Read from the source and written to the destination by the copy loop. */
  copiedBytes: bytes,
  /** Written by the consumer straight to the destination. */
  redirectedBytes: bytes,
  /** Known to be free, so never read. */
  skippedBytes: bytes,
  totalBytes: bytes,
  interruptions: z.array(interruptionSchema),
  longestStallMs: count,
  warnings: z.array(z.string()),
});
export type JobReport = z.infer<typeof reportSchema>;

export const jobWarningCodes = [
  ...planWarningCodes,
  'allocation-unknown',
  'volume-busy',
  'source-read-error',
  'consumer-slow',
  'release-failed',
  'partitions-not-updated',
] as const;

export const jobEventSchema = z.discriminatedUnion('event', [
  z.object({ event: z.literal('planned'), ...line, plan: planSchema }),
  /** `device` is what the consumer uses: a block device's path, or an `nbd+unix:` URI. */
  z.object({ event: z.literal('attached'), ...line, device: z.string() }),
  z.object({
    event: z.literal('progress'),
    ...line,
    phase: z.enum(jobPhases),
    copiedBytes: bytes,
    redirectedBytes: bytes,
    skippedBytes: bytes,
    totalBytes: bytes,
    /** Still valid on the source only; what is not pending has crossed. */
    pendingBytes: bytes,
    copyBytesPerSecond: count,
    consumer: consumerSchema,
    /** Null while there is nothing to go by. */
    etaSeconds: count.nullable(),
  }),
  z.object({ event: z.literal('paused'), ...line }),
  z.object({ event: z.literal('resumed'), ...line }),
  z.object({ event: z.literal('interrupted'), ...line, ...interruptionSchema.shape }),
  z.object({ event: z.literal('warning'), ...line, code: z.enum(jobWarningCodes), message: z.string() }),
  z.object({
    event: z.literal('decision'),
    ...line,
    message: z.string(),
    choices: z.array(z.object({ choice: z.string(), meaning: z.string() })),
  }),
  z.object({ event: z.literal('synchronized'), ...line }),
  z.object({ event: z.literal('verified'), ...line, checkedBytes: bytes }),
  z.object({ event: z.literal('committed'), ...line }),
  z.object({ event: z.literal('undone'), ...line }),
  z.object({ event: z.literal('finished'), ...line, verified: z.boolean(), report: reportSchema }),
  z.object({
    event: z.literal('failed'),
    ...line,
    /** `bug` for a broken assumption in Diskferry itself. */
    code: z.enum([...errorCodes, 'bug']),
    message: z.string(),
    advice: z.string(),
    dataIs: z.enum(dataPlaces),
  }),
]);
export type JobEvent = z.infer<typeof jobEventSchema>;
export type JobEventName = JobEvent['event'];
export type JobEventOf<Name extends JobEventName> = Extract<JobEvent, { event: Name }>;
