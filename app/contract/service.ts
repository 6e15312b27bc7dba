/**
 * The API of the service: JSON-RPC 2.0 over a Unix socket, in frames of `Content-Length`, as language servers
 * speak. Every request, answer and notification has its schema here, and both sides check what they receive.
 *
 * A client begins with `hello`. `docs/service-api.md` is written from this table (resources/write-api.ts). A
 * request or field once published keeps its name and meaning; what is added does not change `apiVersion`.
 */
import * as z from 'zod';
import { controlRequests, jobStatusSchema, statusLineSchema } from './control.ts';
import { deviceTreeSchema } from './device-tree.ts';
import { planSchema, speedSchema } from './plan.ts';
import { reportDocumentSchema } from './report/document.ts';
import { toldEventSchema, toldEventsSchema } from './told-event.ts';

export const apiVersion = 1;
export const defaultSocketPath = '/run/diskferry/diskferryd.sock';

/** Limits of the service, which clients should know. */
export const serviceLimits = {
  /** Of one message to the service; a longer one ends the connection. */
  requestBytesMax: 65_536,
  /** That wait for their answers, over all connections of one user. */
  requestsPerUserMax: 32,
  /** Of all users but root. */
  requestsMax: 256,
  /** Of those, requests that look at disks: devices, plan, start, recover. */
  looksPerUserMax: 4,
  looksMax: 16,
  connectionsPerUserMax: 64,
  connectionsMax: 256,
  progressPerSecondMax: 10,
  /**
   * What may wait for a client that reads slowly: then its stream ends with `streamEnded`, and at twice that
   * its connection.
   */
  unreadBytesMax: 262_144,
  /** For a plan to be confirmed. */
  tokenMsMax: 600_000,
} as const;

/** What a client may be allowed, as polkit names it: org.diskferry.ACTION. */
export const serviceActions = ['view', 'start', 'steer', 'cutover', 'undo'] as const;
export type ServiceAction = (typeof serviceActions)[number];

const pathSchema = z
  .string()
  .min(1)
  .max(4096)
  .startsWith('/')
  .refine((path) => !path.includes('\0'));
const jobName = z.string().regex(/^[A-Za-z0-9-]{1,64}$/);
const words = z.string().max(200);
const nothing = z.object({});

export const planRequestSchema = z.object({
  source: pathSchema,
  destination: pathSchema,
  /** Makes the destination image with this size. */
  createBytes: z.int().positive().optional(),
  mode: z.string().max(20).default('redirect'),
  frontend: z.string().max(20).default('auto'),
  /** Read the destination back before the cut-over. */
  verifies: z.boolean().default(false),
  unmountsAtCutOver: z.boolean().default(false),
  allowsNoJournal: z.boolean().default(false),
});

/** Strict: who asks for more than there is should not believe to have it. */
const startSchema = z.strictObject({
  /** From `plan`: it stands for the disks as they were shown, and holds for one start. */
  token: z.string().max(100),
  speed: speedSchema.default('balanced'),
  /** Wait when everything has crossed. */
  hold: z.boolean().default(false),
  /** Stopped while the volume is put in place, and started again; each must be active. */
  units: z
    .array(z.string().regex(/^[\w@][\w@.:\\-]{0,254}$/))
    .max(32)
    .default([]),
  /** Of the LUKS container on the source, in base64. */
  passphrase: z.base64().max(16_384).optional(),
});

const ofJob = z.object({ job: jobName });

/** `first`: what the job has said first; `failed` when it could not begin. */
const begun = z.object({ job: jobName, first: toldEventSchema });

/** One request: what it takes, what it gives, and what the client must be allowed. */
interface ServiceRequest {
  readonly parameters: z.ZodType;
  readonly result: z.ZodType;
  /** Null for what everybody may ask. */
  readonly action: ServiceAction | null;
  readonly meaning: string;
}

function request<Entry extends ServiceRequest>(entry: Entry): Entry {
  return entry;
}

export const serviceRequests = {
  hello: request({
    parameters: z.object({ client: words, apiVersion: z.int() }),
    result: z.object({
      version: z.string(),
      apiVersion: z.int(),
      /** Whether somebody can be asked for a permission; without, only root is served. */
      hasPolkit: z.boolean(),
      /** What people should know of this machine: whether it is kept awake, what could not be asked. */
      notes: z.array(z.string()),
    }),
    action: null,
    meaning: 'Who serves here, and in which version.',
  }),
  devices: request({
    parameters: nothing,
    result: z.object({ trees: z.array(deviceTreeSchema), notes: z.array(z.string()) }),
    action: 'view',
    meaning: 'The disks of this machine, what lies on them, and why each can or cannot be chosen.',
  }),
  plan: request({
    parameters: planRequestSchema,
    result: z.object({ plan: planSchema, token: z.string(), notes: z.array(z.string()) }),
    action: 'view',
    meaning:
      'What a move would do. Nothing is written. The token starts this plan, once, within ten minutes. ' +
      'Who is not root can name block devices only, by any path that he may follow.',
  }),
  start: request({
    parameters: startSchema,
    result: begun,
    action: 'start',
    meaning:
      'Erases the destination that the plan showed, and moves. Both are compared with the plan again. ' +
      'Of systemd\'s units only those can be named that are active then.',
  }),
  recover: request({
    parameters: ofJob.extend({ goesBack: z.boolean().default(false), hold: z.boolean().default(false) }),
    result: begun,
    action: 'start',
    meaning:
      'Goes on with a job that has died, or back to the source, for which `undo` must be allowed as well.',
  }),
  list: request({
    parameters: nothing,
    result: z.object({ jobs: z.array(statusLineSchema) }),
    action: 'view',
    meaning: 'The jobs that run, and those that have died.',
  }),
  status: request({
    parameters: ofJob,
    result: jobStatusSchema,
    action: 'view',
    meaning: 'How a job stands.',
  }),
  subscribe: request({
    parameters: z.object({ job: jobName.nullable(), devices: z.boolean().default(false) }),
    result: z.object({ events: toldEventsSchema }),
    action: 'view',
    meaning:
      'What has happened in a job that runs, or in all; whatever happens comes as `event` from now on.',
  }),
  unsubscribe: request({ parameters: nothing, result: nothing, action: null, meaning: 'Ends the stream.' }),
  pause: jobCommand('steer', 'Stops copying for a while; the volume stays in use.'),
  resume: jobCommand('steer', 'Goes on after a pause.'),
  speed: request({
    parameters: ofJob.extend(controlRequests.speed.shape),
    result: jobStatusSchema,
    action: 'steer',
    meaning: 'How fast it copies beside what uses the volume.',
  }),
  verify: jobCommand('steer', 'Reads the destination back and compares it, when everything has crossed.'),
  retry: jobCommand('steer', 'Tries again what failed, when the job waits for a decision.'),
  acceptUnreadable: jobCommand(
    'cutover',
    'Goes on without what cannot be read, when the job waits for a decision.',
  ),
  cutover: jobCommand('cutover', 'Puts the destination in the place of the virtual device.'),
  undo: jobCommand('undo', 'Goes back to the source, losing nothing that was written.'),
  report: request({
    parameters: ofJob.extend({ technician: words.optional(), customer: words.optional() }),
    result: reportDocumentSchema,
    action: 'view',
    meaning: 'The report of a job, for people who must show what was done.',
  }),
  logs: request({
    parameters: ofJob,
    result: z.object({ events: toldEventsSchema }),
    action: 'view',
    meaning: 'All that a job has reported, but for its progress.',
  }),
} as const;

function jobCommand(action: ServiceAction, meaning: string) {
  return request({ parameters: ofJob, result: jobStatusSchema, action, meaning });
}

export type ServiceRequestName = keyof typeof serviceRequests;
export type ServiceParameters<Name extends ServiceRequestName> = z.output<
  (typeof serviceRequests)[Name]['parameters']
>;
/** As a client may leave out what has a default. */
export type ServiceInput<Name extends ServiceRequestName> = z.input<
  (typeof serviceRequests)[Name]['parameters']
>;
export type ServiceResult<Name extends ServiceRequestName> = z.output<
  (typeof serviceRequests)[Name]['result']
>;

export const serviceNotifications = {
  event: { parameters: toldEventSchema, meaning: 'What a job has reported.' },
  devicesChanged: {
    parameters: nothing,
    meaning: 'A disk has come, gone or changed: ask for `devices` again.',
  },
  streamEnded: {
    parameters: z.object({ reason: z.string() }),
    meaning: 'The client has read too slowly: nothing more comes until it subscribes again. Jobs go on.',
  },
} as const;
