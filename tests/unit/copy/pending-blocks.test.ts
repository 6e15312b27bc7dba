import { describe, expect, test } from 'vitest';
import { BlocksToCopy, BlocksToReturn } from '../../../app/copy/pending-blocks.ts';
import { destination, source } from '../../../app/devices/disk-io.ts';
import { FlagMap } from '../../../app/flags/flag-map.ts';
import { UnreadableBlocks } from '../../../app/flags/unreadable-blocks.ts';
import type { RunKind } from '../../../app/journal/record.ts';
import { runKinds } from '../../../app/journal/record.ts';
import { NoJournal } from '../../../app/journal/round-journal.ts';

function mapWith(...blocks: number[]): FlagMap {
  const map = new FlagMap(10);
  for (const block of blocks) map.setRange(block, block + 1);
  return map;
}

describe('blocks to copy', () => {
  test('are those that are not flagged, from the source to the destination', () => {
    const pending = new BlocksToCopy(mapWith(0, 1, 5), new NoJournal(), new UnreadableBlocks(10));
    expect([pending.from, pending.to, pending.count, pending.blockCount]).toEqual([
      source,
      destination,
      7,
      10,
    ]);
    expect([pending.next(0, 10), pending.runEnd(2, 10), pending.next(5, 6)]).toEqual([2, 5, 6]);
  });

  test('are flagged when they have arrived', () => {
    const flags = mapWith();
    new BlocksToCopy(flags, new NoJournal(), new UnreadableBlocks(10)).markDone(3, 5);
    expect([flags.setCount, flags.nextSet(0)]).toEqual([2, 3]);
  });

  test('are noted in the journal as flagged, unless all of them were', () => {
    const noted: [RunKind, number, number][] = [];
    const journal = Object.assign(new NoJournal(), {
      note: (kind: RunKind, first: number, end: number) => void noted.push([kind, first, end]),
    });
    const pending = new BlocksToCopy(mapWith(3, 4), journal, new UnreadableBlocks(10));
    pending.markDone(3, 5);
    pending.markDone(3, 6);
    expect(noted).toEqual([[runKinds.flagged, 3, 6]]);
  });
});

describe('blocks to return', () => {
  const noLoss = (): void => {};

  test('are those that were written, from the destination to the source', () => {
    const pending = new BlocksToReturn(mapWith(2, 3, 7), noLoss, new UnreadableBlocks(10));
    expect([pending.from, pending.to, pending.count, pending.blockCount]).toEqual([
      destination,
      source,
      3,
      10,
    ]);
    expect([pending.next(0, 10), pending.runEnd(2, 10), pending.next(4, 6)]).toEqual([2, 4, 6]);
  });

  test('no longer count as written when they have arrived', () => {
    const written = mapWith(2, 3, 7);
    new BlocksToReturn(written, noLoss, new UnreadableBlocks(10)).markDone(2, 4);
    expect([written.setCount, written.nextSet(0)]).toEqual([1, 7]);
  });

  test('must be durable before they count as arrived; copied blocks need not', () => {
    expect([
      new BlocksToReturn(mapWith(), noLoss, new UnreadableBlocks(10)).fua,
      new BlocksToCopy(mapWith(), new NoJournal(), new UnreadableBlocks(10)).fua,
    ]).toEqual([true, false]);
  });

  test('tell that a write to the source has failed, which may have lost what others wrote there', () => {
    let losses = 0;
    new BlocksToReturn(mapWith(2), () => (losses += 1), new UnreadableBlocks(10)).writeFailed();
    expect(losses).toBe(1);
  });
});
