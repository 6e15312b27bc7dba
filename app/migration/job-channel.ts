/**
 * What a supervisor and its job process say to each other over the channel that Node puts between a process
 * and its child: plain data, typed on both sides. Both ends must be of one build, so there are no schemas; a
 * service that goes on through an upgrade starts job processes of the new build, which refuse its orders until it is
 * restarted. The job lives on when its supervisor is gone; it then hears only its control socket and signals.
 *
 * Secrets cross as bytes, and who has read them wipes them.
 */
import type { BuildId } from '../base/build-id.ts';
import type { JobEvent } from '../contract/events.ts';
import type { JobRequest } from './job-record.ts';

/** All that a job needs to begin. */
export interface JobOrder {
  /** With the plan that was confirmed. */
  readonly request: JobRequest;
  /** The job's own directory; the job process makes it, and removes it when nothing in it is needed. */
  readonly directory: string;
  /** Of the LUKS container that lies on the source, where the plan says that it is needed. */
  readonly passphrase: Uint8Array | undefined;
  /** By a successor, when the job process is killed. Over FUSE the supervisor keeps /dev/fuse open, as `sharedFuseFd` here. */
  readonly canBeTakenOver: boolean;
  /** The process that served the job has died, so: go on with what it has left. */
  readonly takesOver?: { readonly why: string } | undefined;
}

/** Behind the channel's descriptor. */
export const sharedFuseFd = 4;
/** A job that died, to go on with. */
export interface RecoverOrder {
  /** Its name. */
  readonly recovers: string;
  readonly directory: string;
  /** Back to the source. */
  readonly goesBack: boolean;
  /** Wait at `synchronized` until told to cut over. */
  readonly hold: boolean;
}

export type AnyOrder = JobOrder | RecoverOrder;

export function jobOf(order: Pick<JobOrder, 'request'> | RecoverOrder): string {
  return 'request' in order ? order.request.job : order.recovers;
}

export type SupervisorMessage =
  /** The first and only once. */
  | { readonly kind: 'start'; readonly order: AnyOrder; readonly build: BuildId }
  /** Go back to the source, as on a signal; what cannot be done is said on stderr. */
  | { readonly kind: 'undo' }
  /** It holds the device that it was asked to keep, or none any more. */
  | { readonly kind: 'kept' };

export type StartMessage = Extract<SupervisorMessage, { readonly kind: 'start' }>;

export type JobProcessMessage =
  /** It can take its order. */
  | { readonly kind: 'ready' }
  /** The last one is `finished`, `undone` or `failed`; the process ends by itself then. */
  | { readonly kind: 'event'; readonly event: JobEvent }
  /** Hold this device open as well, or let go of it (null); answered by `kept`. */
  | { readonly kind: 'keep'; readonly device: string | null };
