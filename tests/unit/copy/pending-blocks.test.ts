import { describe, expect, test } from 'vitest';
import { BlocksToCopy, BlocksToReturn } from '../../../app/copy/pending-blocks.ts';
import { destination, source } from '../../../app/devices/disk-io.ts';
import { FlagMap } from '../../../app/flags/flag-map.ts';

function mapWith(...blocks: number[]): FlagMap {
  const map = new FlagMap(10);
  for (const block of blocks) map.setRange(block, block + 1);
  return map;
}

describe('blocks to copy', () => {
  test('are those that are not flagged, from the source to the destination', () => {
    const pending = new BlocksToCopy(mapWith(0, 1, 5));
    expect([pending.from, pending.to, pending.count, pending.blockCount]).toEqual([source, destination, 7, 10]);
    expect([pending.next(0, 10), pending.runEnd(2, 10), pending.next(5, 6)]).toEqual([2, 5, 6]);
  });

  test('are flagged when they have arrived', () => {
    const flags = mapWith();
    new BlocksToCopy(flags).markDone(3, 5);
    expect([flags.setCount, flags.nextSet(0)]).toEqual([2, 3]);
  });
});

describe('blocks to return', () => {
  test('are those that were written, from the destination to the source', () => {
    const pending = new BlocksToReturn(mapWith(2, 3, 7));
    expect([pending.from, pending.to, pending.count, pending.blockCount]).toEqual([destination, source, 3, 10]);
    expect([pending.next(0, 10), pending.runEnd(2, 10), pending.next(4, 6)]).toEqual([2, 4, 6]);
  });

  test('no longer count as written when they have arrived', () => {
    const written = mapWith(2, 3, 7);
    new BlocksToReturn(written).markDone(2, 4);
    expect([written.setCount, written.nextSet(0)]).toEqual([1, 7]);
  });

  test('must be durable before they count as arrived; copied blocks need not', () => {
    expect([new BlocksToReturn(mapWith()).fua, new BlocksToCopy(mapWith()).fua]).toEqual([true, false]);
  });
});
