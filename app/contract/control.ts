/**
 * How another terminal talks to a foreground job: JSON-RPC 2.0 over a Unix socket in the job's own directory.
 * Every request and answer has its schema here; both sides check what they receive. So has the line that the
 * commands print of each job, which adds jobs that answer no requests: they have died, or are stopped.
 */
import * as z from 'zod';
import { jobEventSchema } from './events.ts';
import { speedSchema } from './plan.ts';

/** Name of the socket in a job's directory `<state directory>/jobs/<job>/`. */
export const controlSocketName = 'control.sock';
export const jobsDirectoryName = 'jobs';
/** Beside it: what the job has reported, one event a line, without its progress. */
export const eventsFileName = 'events.jsonl';
/** The notification by which a job tells an event to those that watch it. */
export const eventNotification = 'event';

export const jobStates = [
  'starting',
  'copying',
  'paused',
  'synchronized',
  'verifying',
  'needs-decision',
  'cutting-over',
  'undoing',
  'committed',
  'undone',
  'failed',
] as const;
export type JobState = (typeof jobStates)[number];

export const jobStatusSchema = z.object({
  job: z.string(),
  /** The process that serves the volume. */
  processId: z.int(),
  state: z.enum(jobStates),
  source: z.string(),
  destination: z.string(),
  device: z.string().nullable(),
  speed: speedSchema,
  progress: jobEventSchema.nullable(),
  /** What the cut-over will do, step by step. */
  cutOver: z.array(z.string()),
  /** What a person has to decide, while the job waits for it. */
  decision: jobEventSchema.nullable(),
});
export type JobStatus = z.infer<typeof jobStatusSchema>;

/** One line of `status --json` and of the commands that steer a job. */
export const statusLineSchema = jobStatusSchema.extend({
  event: z.literal('status'),
  timeMs: z.number(),
  state: z.enum([...jobStates, 'died', 'not-answering']),
  /** Null for a job of which no record can be read. */
  source: z.string().nullable(),
  destination: z.string().nullable(),
  /** Null for a job that has died or does not answer. */
  processId: z.int().nullable(),
  speed: speedSchema.nullable(),
});
export type StatusLine = z.infer<typeof statusLineSchema>;

const nothing = z.object({});

/**
 * Parameters of each request; each is answered with the job's status after it. `watch` makes the job tell this
 * client its events as well: those that have been, the last progress, then each as it comes.
 */
export const controlRequests = {
  status: nothing,
  watch: nothing,
  pause: nothing,
  resume: nothing,
  speed: z.object({ speed: speedSchema }),
  verify: nothing,
  cutover: nothing,
  undo: nothing,
  retry: nothing,
  'accept-unreadable': nothing,
} as const;
export type ControlRequestName = keyof typeof controlRequests;
export type ControlParameters<Name extends ControlRequestName> = z.infer<(typeof controlRequests)[Name]>;
