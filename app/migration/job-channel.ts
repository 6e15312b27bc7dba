/**
 * What a supervisor and its job process say to each other over the channel that Node puts between a process
 * and its child: plain data, typed on both sides. Both ends are of one build, so there are no schemas. The
 * job lives on when its supervisor is gone; it then hears only its control socket and signals.
 *
 * Secrets cross as bytes, and who has read them wipes them.
 */
import type { JobEvent } from '../contract/events.ts';
import type { Plan, Speed } from '../contract/plan.ts';
import type { UsersToStop } from '../substitution/users.ts';

/** All that a job needs to begin. */
export interface JobOrder {
  readonly job: string;
  /** The plan that was confirmed. */
  readonly plan: Plan;
  /** The job's own directory; the job process makes it, and removes it when nothing in it is needed. */
  readonly directory: string;
  /** Where the nbd-socket frontend listens. */
  readonly socketPath: string;
  readonly speed: Speed;
  /** Wait at `synchronized` until told to cut over. */
  readonly hold: boolean;
  readonly users: UsersToStop;
  /** Of the LUKS container that lies on the source, where the plan says that it is needed. */
  readonly passphrase: Uint8Array | undefined;
  /** The supervisor keeps /dev/fuse open, as `sharedFuseFd` in the job process. */
  readonly sharesFuse: boolean;
  /** The process that served the job has died, so: go on with what it has left. */
  readonly takesOver?: { readonly why: string } | undefined;
}

/** Behind the channel's descriptor. */
export const sharedFuseFd = 4;

export type SupervisorMessage =
  /** The first and only once. */
  | { readonly kind: 'start'; readonly order: JobOrder }
  /** Go back to the source, as on a signal; what cannot be done is said on stderr. */
  | { readonly kind: 'undo' }
  /** It holds the device that it was asked to keep, or none any more. */
  | { readonly kind: 'kept' };

export type JobProcessMessage =
  /** It can take its order. */
  | { readonly kind: 'ready' }
  /** The last one is `finished`, `undone` or `failed`; the process ends by itself then. */
  | { readonly kind: 'event'; readonly event: JobEvent }
  /** Hold this device open as well, or let go of it (null); answered by `kept`. */
  | { readonly kind: 'keep'; readonly device: string | null };
