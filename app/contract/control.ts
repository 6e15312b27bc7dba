/**
 * How another terminal talks to a foreground job: JSON-RPC 2.0 over a Unix socket in the job's own directory. Every
 * request and answer has its schema here; both sides check what they receive.
 */
import { z } from 'zod';
import { jobEventSchema } from './events.ts';
import { speedSchema } from './plan.ts';

/** Name of the socket in a job's directory `<state directory>/jobs/<job>/`. */
export const controlSocketName = 'control.sock';
export const jobsDirectoryName = 'jobs';

export const jobStates = [
  'starting',
  'copying',
  'paused',
  'synchronized',
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
  state: z.enum(jobStates),
  source: z.string(),
  destination: z.string(),
  device: z.string().nullable(),
  speed: speedSchema,
  progress: jobEventSchema.nullable(),
});
export type JobStatus = z.infer<typeof jobStatusSchema>;

const nothing = z.object({});

/** Parameters of each request; each is answered with the job's status after it. */
export const controlRequests = {
  status: nothing,
  pause: nothing,
  resume: nothing,
  speed: z.object({ speed: speedSchema }),
  cutover: nothing,
  undo: nothing,
} as const;
export type ControlRequestName = keyof typeof controlRequests;
export type ControlParameters<Name extends ControlRequestName> = z.infer<(typeof controlRequests)[Name]>;
