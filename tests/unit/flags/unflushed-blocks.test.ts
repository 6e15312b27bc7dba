import { describe, expect, test } from 'vitest';
import { UnflushedBlocks } from '../../../app/flags/unflushed-blocks.ts';

function lostOf(blocks: UnflushedBlocks): [number, number][] {
  const runs: [number, number][] = [];
  blocks.lost((first, end) => runs.push([first, end]));
  return runs.sort(([one], [other]) => one - other);
}

describe('unflushed blocks', () => {
  test('are forgotten when a flush that began after them has succeeded', () => {
    const blocks = new UnflushedBlocks(100_000);
    blocks.add(3, 5);
    blocks.add(99_999, 100_000);
    blocks.flushBegins();
    expect(blocks.isEmpty).toBe(false);
    blocks.flushed();
    expect([blocks.isEmpty, lostOf(blocks)]).toEqual([true, []]);
  });

  test('are kept when they were written while the flush was under way', () => {
    const blocks = new UnflushedBlocks(10);
    blocks.add(1, 2);
    blocks.flushBegins();
    blocks.add(4, 6);
    blocks.flushed();
    expect([blocks.isEmpty, lostOf(blocks)]).toEqual([false, [[4, 6]]]);
  });

  test('are all lost when a flush fails, those of before and those of meanwhile, and then forgotten', () => {
    const blocks = new UnflushedBlocks(10);
    blocks.add(1, 2);
    blocks.flushBegins();
    blocks.add(4, 6);
    expect(lostOf(blocks)).toEqual([
      [1, 2],
      [4, 6],
    ]);
    expect(blocks.isEmpty).toBe(true);
  });
});
