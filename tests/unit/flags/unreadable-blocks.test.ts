import { describe, expect, test } from 'vitest';
import { blockBytes } from '../../../app/base/units.ts';
import { chunkBlocks, FlagMap } from '../../../app/flags/flag-map.ts';
import { listedExtentsMax, UnreadableBlocks } from '../../../app/flags/unreadable-blocks.ts';

describe('unreadable blocks', () => {
  test('are none at first, and everything is trusted', () => {
    const blocks = new UnreadableBlocks(10);
    blocks.heal(0, 10);
    expect([blocks.count, blocks.doubtfulCount, blocks.nextPassedBy(0, 10), blocks.nextTrusted(3, 10)]).toEqual([
      0, 0, 10, 3,
    ]);
    expect(blocks.list(10 * blockBytes)).toEqual({ extents: [], extentCount: 0, totalBytes: 0 });
  });

  test('are doubtful until they have failed alone, and never both', () => {
    const blocks = new UnreadableBlocks(10);
    blocks.doubt(2, 6);
    blocks.confirm(4);
    blocks.doubt(3, 8);
    expect([blocks.count, blocks.doubtfulCount, blocks.nextPassedBy(0, 10), blocks.nextTrusted(2, 10)]).toEqual([
      1, 5, 2, 8,
    ]);
    blocks.trustDoubtful();
    expect([blocks.doubtfulCount, blocks.nextPassedBy(0, 10)]).toEqual([0, 4]);
  });

  test('are healed in either state', () => {
    const blocks = new UnreadableBlocks(10);
    blocks.doubt(2, 6);
    blocks.confirm(4);
    blocks.heal(3, 5);
    expect([blocks.count, blocks.doubtfulCount]).toEqual([0, 2]);
  });

  test('are listed as extents up to a number, and counted beyond; the last block may be short', () => {
    const blocks = new UnreadableBlocks(400);
    for (let block = 1; block < 400; block += 2) blocks.confirm(block);
    const { extents, extentCount, totalBytes } = blocks.list(399 * blockBytes + 512);
    expect([extents.length, extentCount, totalBytes]).toEqual([listedExtentsMax, 200, 199 * blockBytes + 512]);
    expect(extents[1]).toEqual({ offsetBytes: 3 * blockBytes, lengthBytes: blockBytes });
  });
});

describe('the search backwards in a flag map', () => {
  test('finds the last set and the last clear block, across words and chunks', () => {
    const map = new FlagMap(2 * chunkBlocks + 40);
    const count = map.blockCount;
    expect([map.lastSet(0, count), map.lastClear(0, count)]).toEqual([-1, count - 1]);
    for (const block of [3, 64, chunkBlocks + 31]) {
      map.setRange(block, block + 1);
      expect([map.lastSet(0, count), map.lastSet(block + 1, count), map.lastSet(0, block + 1)]).toEqual([
        block,
        -1,
        block,
      ]);
    }
    expect([map.lastSet(0, 64), map.lastSet(4, 64), map.lastSet(0, 3)]).toEqual([3, -1, -1]);
    map.setRange(0, count);
    map.clearRange(chunkBlocks - 1, chunkBlocks);
    expect([map.lastClear(0, count), map.lastClear(chunkBlocks, count), map.lastSet(0, chunkBlocks)]).toEqual([
      chunkBlocks - 1,
      -1,
      chunkBlocks - 2,
    ]);
  });
});
