import { describe, expect, test } from 'vitest';
import type { Action, BlockOperation } from '../../../app/router/decision.ts';
import { actions, decide } from '../../../app/router/decision.ts';
import { requestKinds } from '../../../app/router/request.ts';

const { read, write, discard, writeZeroes } = requestKinds;
const operations = { read, write, discard, writeZeroes } as const;
type Name = keyof typeof operations;

/** Every combination. */
const table: readonly (readonly [Name, 'whole' | 'part', 'clear' | 'flagged', keyof typeof actions])[] = [
  ['read', 'whole', 'clear', 'readSource'],
  ['read', 'whole', 'flagged', 'readDestination'],
  ['read', 'part', 'clear', 'readSource'],
  ['read', 'part', 'flagged', 'readDestination'],
  ['write', 'whole', 'clear', 'writeThenFlag'],
  ['write', 'whole', 'flagged', 'write'],
  ['write', 'part', 'clear', 'mergeThenFlag'],
  ['write', 'part', 'flagged', 'write'],
  ['discard', 'whole', 'clear', 'discardThenFlag'],
  ['discard', 'whole', 'flagged', 'discard'],
  ['discard', 'part', 'clear', 'leaveAlone'],
  ['discard', 'part', 'flagged', 'leaveAlone'],
  ['writeZeroes', 'whole', 'clear', 'writeThenFlag'],
  ['writeZeroes', 'whole', 'flagged', 'write'],
  ['writeZeroes', 'part', 'clear', 'mergeThenFlag'],
  ['writeZeroes', 'part', 'flagged', 'write'],
];

function decideAll(): (readonly [BlockOperation, boolean, boolean, Action])[] {
  return Object.values(operations).flatMap((operation) =>
    [true, false].flatMap((isWhole) =>
      [true, false].map(
        (isFlagged) => [operation, isWhole, isFlagged, decide(operation, isWhole, isFlagged)] as const,
      ),
    ),
  );
}

describe('the decision', () => {
  test.each(table)('for %s of a %s block that is %s is %s', (operation, coverage, flag, action) => {
    expect(decide(operations[operation], coverage === 'whole', flag === 'flagged')).toBe(actions[action]);
  });

  test('stands in the table for every combination', () => {
    expect(new Set(table.map(([operation, coverage, flag]) => `${operation} ${coverage} ${flag}`)).size).toBe(
      16,
    );
  });

  test('flags a clear block only when the destination then holds all of it', () => {
    const flagging: Action[] = [actions.writeThenFlag, actions.discardThenFlag, actions.mergeThenFlag];
    for (const [, isWhole, isFlagged, action] of decideAll()) {
      if (!flagging.includes(action)) continue;
      expect(isFlagged).toBe(false);
      expect(isWhole || action === actions.mergeThenFlag).toBe(true);
    }
  });

  test('reads from the destination only what is flagged', () => {
    for (const [, , isFlagged, action] of decideAll()) {
      if (action === actions.readDestination) expect(isFlagged).toBe(true);
      if (action === actions.readSource) expect(isFlagged).toBe(false);
    }
  });
});
