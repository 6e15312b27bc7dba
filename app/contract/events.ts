/**
 * The lines that a job reports: one JSON object per line with `event`, `job` and `timeMs` (milliseconds since
 * 1970). Scripts, the service and every screen read them, so a field once published keeps its name and
 * meaning.
 *
 * Order: `planned`, `attached`, then `progress` with the others in between, `synchronized`, `committed`, and
 * as the last line either `finished`, `undone` or `failed`.
 */
import * as z from 'zod';
import { errorCodes } from '../base/error.ts';
import { dataPlaces } from './advice.ts';
import { placesSchema } from './places.ts';
import { planSchema, planWarningCodes } from './plan.ts';

const count = z.number().nonnegative();
const bytes = z.int().nonnegative();
const line = { job: z.string(), timeMs: z.number() };

export const jobPhases = [
  'starting',
  'copying',
  'synchronized',
  'verifying',
  'cutting-over',
  'undoing',
  'committed',
] as const;
export type JobPhase = (typeof jobPhases)[number];

export const consumerSchema = z.object({
  readIops: count,
  writeIops: count,
  p50Us: count,
  p99Us: count,
  longestStallMs: count,
});
export type ConsumerFigures = z.infer<typeof consumerSchema>;

/** Of a disk. At most a hundred are listed one by one; the totals count all. */
export const unreadableSchema = z.object({
  extents: z.array(z.object({ offsetBytes: bytes, lengthBytes: bytes })).readonly(),
  extentCount: z.int().nonnegative(),
  totalBytes: bytes,
});
export type Unreadable = z.infer<typeof unreadableSchema>;
export const nothingUnreadable: Unreadable = { extents: [], extentCount: 0, totalBytes: 0 };

/**
 * Where the consumer had to stop. `unmounted`: it was without its volume for so long, from the stop of the
 * first user to the start of the last. `suspended`: its I/O stood still for so long, at the most, while a
 * table changed.
 */
export const interruptionSchema = z.object({
  at: z.enum(['start', 'cut-over', 'undo']),
  how: z.enum(['unmounted', 'suspended']),
  elapsedMs: count,
});
export type Interruption = z.infer<typeof interruptionSchema>;

export const reportSchema = z.object({
  elapsedMs: count,
  /** Read from the source and written to the destination by the copy loop. */
  copiedBytes: bytes,
  /** Written or zeroed by the consumer straight on the destination, as often as it did so. */
  redirectedBytes: bytes,
  /** Known to be free, so never read. */
  skippedBytes: bytes,
  totalBytes: bytes,
  interruptions: z.array(interruptionSchema),
  /**
   * How often tables were changed so that what had crossed was reached directly, and the longest pause of it.
   */
  graduation: z.object({ changes: z.int().nonnegative(), longestPauseMs: count }),
  /** The device-mapper device over the destination that consumers stay on until they leave it. */
  staysOn: z.string().nullable(),
  longestStallMs: count,
  /**
   * What could not be read and was accepted as such: of the source, and zeroes on the destination; or, after an
   * undo, of the destination, and on the source as it was before the job.
   */
  unreadable: unreadableSchema,
  /** The files that lie there; `unknown` says why these may not be all, and is null when they are. */
  unreadableFiles: z.object({ paths: z.array(z.string()).readonly(), unknown: z.string().nullable() }),
  warnings: z.array(z.string()),
});
export type JobReport = z.infer<typeof reportSchema>;

export const jobWarningCodes = [
  ...planWarningCodes,
  'allocation-unknown',
  'volume-busy',
  'consumer-slow',
  'release-failed',
  'consumer-failed',
  'partitions-not-updated',
  'cut-over-pending',
  'graduation-failed',
  'events-not-kept',
  'takeover-impossible',
  'taken-over',
  'destination-repaired',
  'disk-not-hidden',
  'places-unreadable',
  'users-not-started',
] as const;

export const jobEventSchema = z.discriminatedUnion('event', [
  /** `isRecovered`: after a crash, since when all that has crossed counts as written, because some of it may be. */
  z.object({ event: z.literal('planned'), ...line, plan: planSchema, isRecovered: z.literal(true).optional() }),
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
    /** Of the pending bytes, those that the source has failed to deliver so far. */
    unreadableBytes: bytes,
    /**
     * Written by the consumer, or directly reached by it, so that it may be: what undo carries back, or still
     * has to.
     */
    toReturnBytes: bytes,
    /** From the start of the volume: reached by the consumer on the destination, past the virtual device. */
    directBytes: bytes,
    /** How far the last verification has come, of the whole volume. */
    verifiedBytes: bytes,
    /** While `undoing`, of what goes back; while `verifying`, of what is compared. */
    copyBytesPerSecond: count,
    /**
     * Counts leave out what wholly moved users do (`directBytes` = `totalBytes`), latencies all that goes
     * direct.
     */
    consumer: consumerSchema,
    /** Null while there is nothing to go by. */
    etaSeconds: count.nullable(),
    /** What is where. Older versions do not tell it. */
    places: placesSchema.optional(),
  }),
  z.object({ event: z.literal('paused'), ...line }),
  z.object({ event: z.literal('resumed'), ...line }),
  z.object({ event: z.literal('interrupted'), ...line, ...interruptionSchema.shape }),
  /**
   * What has crossed up to here is reached on the destination directly; for that, I/O stood still for so long
   * at the most.
   */
  z.object({ event: z.literal('graduated'), ...line, directBytes: bytes, elapsedMs: count }),
  z.object({ event: z.literal('warning'), ...line, code: z.enum(jobWarningCodes), message: z.string() }),
  z.object({
    event: z.literal('decision'),
    ...line,
    message: z.string(),
    choices: z.array(z.object({ choice: z.string(), meaning: z.string() })),
    /** Where the decision is about what cannot be read. */
    unreadable: unreadableSchema.optional(),
  }),
  /** `acceptedBytes`: of the source, what could not be read and was accepted as such; zeroes on the destination. */
  z.object({ event: z.literal('synchronized'), ...line, acceptedBytes: bytes.optional() }),
  /**
   * What was copied has been read back from the destination and is right; `repairedBytes` of it only after it
   * was written again. Not compared were `writtenBytes`, which the consumer has written, and only the
   * destination has; and `unknownBytes`, which were copied before the job's engine was replaced by another.
   */
  z.object({
    event: z.literal('verified'),
    ...line,
    checkedBytes: bytes,
    repairedBytes: bytes,
    writtenBytes: bytes,
    unknownBytes: bytes,
  }),
  z.object({ event: z.literal('committed'), ...line }),
  z.object({ event: z.literal('undone'), ...line, report: reportSchema }),
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

/** An event without what every event has. */
export type EventBody<Event = JobEvent> = Event extends JobEvent ? Omit<Event, 'job' | 'timeMs'> : never;
