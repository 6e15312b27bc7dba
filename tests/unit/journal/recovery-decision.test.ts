import { describe, expect, test } from 'vitest';
import type { Newer, RecoveryDecision, SlotState } from '../../../app/journal/recovery-decision.ts';
import { decideRecovery, slotStates } from '../../../app/journal/recovery-decision.ts';

interface Case {
  readonly slots: readonly [SlotState, SlotState];
  readonly newer: Newer;
  readonly decision: RecoveryDecision;
}

const cases: readonly Case[] = slotStates.flatMap((first) =>
  slotStates.flatMap((second) =>
    ([0, 1, 'neither'] as const).map((newer) => {
      const slots = [first, second] as const;
      return { slots, newer, decision: decideRecovery(slots, newer) };
    }),
  ),
);

function isWhole(state: SlotState): boolean {
  return state === 'complete' || state === 'records-missing';
}

/** Every combination in a few lines: what is found, and what is done. */
const expected = [
  ['from-the-future', 'anything', 'refuse: from-the-future'],
  ['other-job', 'anything but from-the-future', 'refuse: other-job'],
  ['other-disks', 'anything but from-the-future, other-job', 'refuse: other-disks'],
  ['empty', 'empty', 'refuse: no-journal'],
  ['damaged', 'empty, damaged', 'refuse: damaged'],
  ['complete', 'empty, damaged', 'continue'],
  ['records-missing', 'empty, damaged', 'refuse: records-missing'],
] as const;

function statesOf(text: string): readonly SlotState[] {
  if (text === 'anything') return slotStates;
  const named = text.replace('anything but ', '').split(', ') as SlotState[];
  return text.startsWith('anything but') ? slotStates.filter((state) => !named.includes(state)) : named;
}

describe('what recovery does', () => {
  test.each(expected)('with one slot %s and the other %s is: %s', (one, others, outcome) => {
    for (const other of statesOf(others)) {
      for (const { slots, decision } of cases) {
        const first = slots.indexOf(one);
        if (first < 0 || slots[1 - first] !== other) continue;
        const text = decision.kind === 'refuse' ? `refuse: ${decision.reason}` : 'continue';
        expect(`${slots.join(' + ')}: ${text}`).toBe(`${slots.join(' + ')}: ${outcome}`);
      }
    }
  });

  test('goes by the newer of two whole checkpoints alone', () => {
    for (const { slots, newer, decision } of cases.filter((one) => one.slots.every(isWhole))) {
      if (newer === 'neither') expect(decision).toEqual({ kind: 'refuse', reason: 'two-of-one-generation' });
      else if (slots[newer] === 'complete') expect(decision).toEqual({ kind: 'continue', slot: newer });
      else expect(decision).toEqual({ kind: 'refuse', reason: 'records-missing' });
    }
  });

  test('continues only from a slot that is complete', () => {
    for (const { slots, decision } of cases) {
      if (decision.kind === 'continue') expect(slots[decision.slot]).toBe('complete');
    }
  });

  test('is said of every combination above', () => {
    const isCovered = ({ slots }: Case): boolean =>
      slots.every(isWhole) ||
      expected.some(([one, others]) =>
        [0, 1].some(
          (index) => slots[index] === one && statesOf(others).includes(slots[1 - index] as SlotState),
        ),
      );
    expect(cases.filter((one) => !isCovered(one))).toEqual([]);
    expect(cases).toHaveLength(147);
  });
});
