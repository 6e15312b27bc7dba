/**
 * What the wizard's page and its host say to each other: one typed list, with schemas, for both hosts. These are
 * Electron's main process, by IPC through the preload, and `diskferry serve`, by a WebSocket.
 *
 * The page asks by the names of the service's own requests, and the host hands on nothing but those of this list.
 * Refusals are answers, not exceptions: they cross as plain data, with their advice.
 */
import * as z from 'zod';
import { BugError, DiskferryError, errorCodes, messageOf } from '../base/error.ts';
import { adviceFor, dataPlaces } from './advice.ts';
import { jobEventSchema } from './events.ts';
import { digitsPattern } from './page-proof.ts';
import type { ServiceRequestName } from './service.ts';

/** `hello` and `unsubscribe` are the host's own affair. */
export const bridgeRequestNames = [
  'devices',
  'plan',
  'start',
  'recover',
  'list',
  'subscribe',
  'pause',
  'resume',
  'speed',
  'verify',
  'retry',
  'acceptUnreadable',
  'cutover',
  'undo',
  'report',
  'logs',
] as const satisfies readonly ServiceRequestName[];
export type BridgeRequestName = (typeof bridgeRequestNames)[number];

/** What the host does itself: it has the service started, with the rights that the user is given for that. */
export const startServiceRequest = 'startService';

export const bridgeRequestSchema = z.object({
  name: z.enum([...bridgeRequestNames, startServiceRequest]),
  /** Checked by the request's own schema. */
  parameters: z.unknown(),
});

const refusalSchema = z.object({
  code: z.enum([...errorCodes, 'bug']),
  message: z.string(),
  advice: z.string(),
  dataIs: z.enum(dataPlaces),
});
/** What was not done, why, what to do about it, and where the data is. */
export type Refusal = z.infer<typeof refusalSchema>;

export const bridgeAnswerSchema = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('done'), result: z.unknown() }),
  z.object({ outcome: z.literal('refused'), refusal: refusalSchema }),
]);
export type BridgeAnswer = z.infer<typeof bridgeAnswerSchema>;

const serviceStateSchema = z.discriminatedUnion('state', [
  z.object({
    state: z.literal('connected'),
    version: z.string(),
    hasPolkit: z.boolean(),
    notes: z.array(z.string()),
  }),
  z.object({ state: z.literal('absent'), refusal: refusalSchema }),
  /** Said by the page's own end: there is no host to ask. */
  z.object({ state: z.literal('host-gone'), refusal: refusalSchema }),
]);
/** How the host stands with the service. */
export type ServiceState = z.infer<typeof serviceStateSchema>;

/** What the host tells without being asked. */
export const bridgeMessageSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('service'), service: serviceStateSchema }),
  z.object({ kind: z.literal('event'), event: jobEventSchema }),
  z.object({ kind: z.literal('devicesChanged') }),
  /** Nothing more comes until the page subscribes again. */
  z.object({ kind: z.literal('streamEnded') }),
  /** Of the machine that the page is shown on, where its host knows. */
  z.object({ kind: z.literal('power'), isOnBattery: z.boolean() }),
  /** It was asleep. */
  z.object({ kind: z.literal('awoken') }),
]);
export type BridgeMessage = z.infer<typeof bridgeMessageSchema>;

const idSchema = z.int().nonnegative();

const digits = z.string().regex(digitsPattern);

/** A page begins with `open` and `prove` (page-proof.ts); until then nothing else is heard. */
export const pageFrameSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('open'), keyName: digits, nonce: digits }),
  z.object({ kind: z.literal('prove'), proof: digits }),
  z.object({ kind: z.literal('ask'), id: idSchema, request: bridgeRequestSchema }),
]);
export type PageFrame = z.infer<typeof pageFrameSchema>;

/** Answers and messages are checked where they are used, so that one that is wrong is refused and no other is. */
export const hostFrameSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('proof'), nonce: digits, proof: digits }),
  z.object({ kind: z.literal('opened') }),
  /** Says nothing but that the host is there. */
  z.object({ kind: z.literal('alive') }),
  z.object({ kind: z.literal('answer'), id: idSchema, answer: z.unknown() }),
  z.object({ kind: z.literal('message'), message: z.unknown() }),
]);
export type HostFrame = z.infer<typeof hostFrameSchema>;

/** The host closes a WebSocket with this code when it knows no such key, or not any more. */
export const refusedTokenCode = 4401;
/** A page that is open hears something so often. A browser tells its page nothing of a connection that is dead. */
export const aliveEveryMs = 20_000;
/** Where the host's WebSocket is. */
export const bridgePath = '/bridge';

/** Whatever was thrown, as an answer. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof DiskferryError) {
    const { advice, dataIs } = adviceFor(error);
    return { code: error.code, message: error.message, advice, dataIs };
  }
  const message = error instanceof BugError ? error.message : `unexpected: ${messageOf(error)}`;
  return { code: 'bug', message, advice: 'Please report this message.', dataIs: 'unknown' };
}
