/**
 * What the router does with one part of a request, as a table: operation × coverage of the block × its flag.
 * Pure; router.ts has the effects. Every combination is tested (tests/unit/router/decision.test.ts).
 *
 * Always holds: a write never goes to the source; a block is flagged only by an operation after which the
 * destination holds all of it; a discard of a part of a block changes nothing.
 */
import { requestKinds } from './request.ts';

/** Operations that concern blocks; a flush concerns disks and is not in the table. */
export type BlockOperation =
  | typeof requestKinds.read
  | typeof requestKinds.write
  | typeof requestKinds.discard
  | typeof requestKinds.writeZeroes;

export const actions = {
  readSource: 1,
  readDestination: 2,
  /** The bytes go to the destination; the block's flag is already set and stays so. */
  write: 3,
  /** The bytes go to the destination and are the whole block: flagged when they are there. */
  writeThenFlag: 4,
  /**
   * The rest of the block is read from the source first, and the merged block is written whole, then flagged.
   */
  mergeThenFlag: 5,
  /** The content is undefined from now on: told to the destination as a hint, then flagged. */
  discardThenFlag: 6,
  discard: 7,
  leaveAlone: 8,
} as const;
export type Action = (typeof actions)[keyof typeof actions];

interface Row {
  readonly whole: { readonly clear: Action; readonly flagged: Action };
  readonly part: { readonly clear: Action; readonly flagged: Action };
}

const readRow: Row = {
  whole: { clear: actions.readSource, flagged: actions.readDestination },
  part: { clear: actions.readSource, flagged: actions.readDestination },
};
const writeRow: Row = {
  whole: { clear: actions.writeThenFlag, flagged: actions.write },
  part: { clear: actions.mergeThenFlag, flagged: actions.write },
};
const discardRow: Row = {
  whole: { clear: actions.discardThenFlag, flagged: actions.discard },
  part: { clear: actions.leaveAlone, flagged: actions.leaveAlone },
};

const rows: Readonly<Record<BlockOperation, Row>> = {
  [requestKinds.read]: readRow,
  [requestKinds.write]: writeRow,
  [requestKinds.discard]: discardRow,
  // Zeroes are data: they must be read afterwards, so they are a write without a buffer.
  [requestKinds.writeZeroes]: writeRow,
};

/** `isWhole`: the operation covers every byte of the block that lies on the disk. */
export function decide(operation: BlockOperation, isWhole: boolean, isFlagged: boolean): Action {
  const row = rows[operation];
  const states = isWhole ? row.whole : row.part;
  return isFlagged ? states.flagged : states.clear;
}
