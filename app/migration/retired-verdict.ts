/**
 * Whether a disk is the original that a finished move has left behind, and whether it may be erased: from what was found
 * (retired-disk.ts) to a verdict, every combination decided here. Pure.
 *
 * Only a record of this machine proves that a move has ended on its destination. The disk itself cannot: masked bytes
 * look the same on a destination that was given up, and on both disks of a job that died somewhere else.
 */
import type { RetiredState } from '../contract/retire.ts';

export interface Evidence {
  /** As what the newest record of a finished move that has the disk names it. */
  readonly record: 'none' | 'source' | 'destination';
  /** `proof-touched`: all that told which disk it is, and whether it was used, may be gone. */
  readonly erasure: 'none' | 'begun' | 'proof-touched' | 'finished';
  /** Programs recognise something on it. */
  readonly shows: boolean;
  /** Against the one that the job took of it: `none`, it had none. */
  readonly sample: 'same' | 'differs' | 'unreadable' | 'none';
  /** What is erased for sure reads as zeroes, as far as samples show; told only when the sample is no proof any more. */
  readonly isZero: boolean;
  /** `unknown`: what it showed when the move ended was not seen. */
  readonly destination: 'as-moved' | 'other' | 'missing' | 'unknown';
}

export type NotRetired =
  | 'no-record'
  | 'is-destination'
  | 'shows'
  | 'changed'
  | 'cannot-be-read'
  | 'no-sample'
  | 'used-since-erased';
export type Kept = 'destination-missing' | 'destination-other' | 'destination-unknown';

export type Verdict =
  /** It is not, or nobody can say so: nothing is done about it, whatever anybody says. */
  | { readonly kind: 'not-retired'; readonly why: NotRetired }
  /** `kept`: it may be the only copy; erased only on a person's word. */
  | { readonly kind: 'retired'; readonly state: RetiredState; readonly kept: Kept | null };

export function judgeRetired(found: Evidence): Verdict {
  const why = objectionTo(found);
  if (why !== undefined) return { kind: 'not-retired', why };
  const state = stateOf(found.erasure);
  // Nothing is left to be kept.
  return { kind: 'retired', state, kept: state === 'erased' ? null : keptFor(found) };
}

function objectionTo({ record, erasure, shows, sample, isZero }: Evidence): NotRetired | undefined {
  if (record === 'none') return 'no-record';
  if (record === 'destination') return 'is-destination';
  const isProofGone = erasure === 'proof-touched' || erasure === 'finished';
  if (isProofGone) return shows || !isZero ? 'used-since-erased' : undefined;
  if (shows) return 'shows';
  switch (sample) {
    case 'same':
      return undefined;
    case 'differs':
      return 'changed';
    case 'unreadable':
      return 'cannot-be-read';
    case 'none':
      return 'no-sample';
  }
}

function stateOf(erasure: Evidence['erasure']): RetiredState {
  switch (erasure) {
    case 'none':
      return 'whole';
    case 'begun':
    case 'proof-touched':
      return 'partly-erased';
    case 'finished':
      return 'erased';
  }
}

function keptFor({ destination }: Evidence): Kept | null {
  switch (destination) {
    case 'as-moved':
      return null;
    case 'other':
      return 'destination-other';
    case 'missing':
      return 'destination-missing';
    case 'unknown':
      return 'destination-unknown';
  }
}
