/**
 * What recovery does with what it finds in the two slots, as a table. Pure; recovery.ts looks and has the
 * effects. Every combination is tested (tests/unit/journal/recovery-decision.test.ts).
 *
 * Always holds: the newest checkpoint that arrived whole is the truth, with all records that follow it, or
 * nothing is. An older state is never good enough: it has fewer flags, and the consumer would read the source
 * where its last acknowledged write is on the destination. A power cut leaves at most one damaged slot, the
 * one that was being staged, and a last record that is torn; everything else is damage or a mix-up, and for
 * the user to judge.
 */
import type { Slot } from './layout.ts';

export type SlotState =
  /** Never written. */
  | 'empty'
  /** Header or maps did not arrive whole. */
  | 'damaged'
  /** Written by a program that knows more. */
  | 'from-the-future'
  /** Of another job. */
  | 'other-job'
  /** Of this job, but the disks are not the ones that it was written for. */
  | 'other-disks'
  /** A whole checkpoint; but of the records that follow it one is missing before the last. */
  | 'records-missing'
  /** A whole checkpoint with all records that follow it. */
  | 'complete';

export const slotStates: readonly SlotState[] = [
  'empty',
  'damaged',
  'from-the-future',
  'other-job',
  'other-disks',
  'records-missing',
  'complete',
];

/** Which whole checkpoint has the higher generation. */
export type Newer = Slot | 'neither';

export type RecoveryRefusal =
  | 'no-journal'
  | 'damaged'
  | 'from-the-future'
  | 'other-job'
  | 'other-disks'
  | 'records-missing'
  | 'two-of-one-generation';

export type RecoveryDecision =
  | { readonly kind: 'continue'; readonly slot: Slot }
  | { readonly kind: 'refuse'; readonly reason: RecoveryRefusal };

/** One such slot is enough to refuse, whatever the other holds: in this order. */
const refusedAtSight = ['from-the-future', 'other-job', 'other-disks'] as const;

/** `newer` counts only where both slots hold a whole checkpoint. */
export function decideRecovery(slots: readonly [SlotState, SlotState], newer: Newer): RecoveryDecision {
  const mixUp = refusedAtSight.find((state) => slots.includes(state));
  if (mixUp !== undefined) return { kind: 'refuse', reason: mixUp };
  const [isFirstWhole, isSecondWhole] = [isWhole(slots[0]), isWhole(slots[1])];
  if (isFirstWhole && isSecondWhole) {
    return newer === 'neither' ? { kind: 'refuse', reason: 'two-of-one-generation' } : decideOn(slots, newer);
  }
  if (isFirstWhole) return decideOn(slots, 0);
  if (isSecondWhole) return decideOn(slots, 1);
  return { kind: 'refuse', reason: slots.includes('damaged') ? 'damaged' : 'no-journal' };
}

function decideOn(slots: readonly [SlotState, SlotState], slot: Slot): RecoveryDecision {
  return slots[slot] === 'complete'
    ? { kind: 'continue', slot }
    : { kind: 'refuse', reason: 'records-missing' };
}

function isWhole(state: SlotState): boolean {
  return state === 'complete' || state === 'records-missing';
}
