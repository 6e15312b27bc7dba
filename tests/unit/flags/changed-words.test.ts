import { describe, expect, it } from 'vitest';
import { ChangedWords } from '../../../app/flags/changed-words.ts';
import { chunkBlocks, FlagMap } from '../../../app/flags/flag-map.ts';

function rangesOf(changed: ChangedWords): number[][] {
  return Array.from({ length: changed.count }, (_, index) => [...changed.ranges.subarray(2 * index, 2 * index + 2)]);
}

describe('changed words', () => {
  it('join what touches the last range, and keep the others', () => {
    const changed = new ChangedWords();
    for (const [first = 0, end = 0] of [[4, 6], [6, 7], [3, 5], [20, 21]]) changed.note(first, end);
    expect(rangesOf(changed)).toEqual([[3, 7], [20, 21]]);
    changed.clear();
    expect(changed.count).toBe(0);
  });

  it('cover all that has changed, however many ranges there were', () => {
    const changed = new ChangedWords();
    for (let word = 0; word < 10_000; word += 7) changed.note(word, word + 1);
    const isCovered = (word: number): boolean => rangesOf(changed).some(([first = 0, end = 0]) => first <= word && word < end);
    for (let word = 0; word < 10_000; word += 7) expect(isCovered(word)).toBe(true);
    expect(changed.count * 2).toBeLessThanOrEqual(changed.ranges.length);
  });

  it('make a copy that is the same as the map, whatever is set and cleared', () => {
    const blocks = 3 * chunkBlocks + 77;
    const [map, changed] = [new FlagMap(blocks), new ChangedWords()];
    map.setRange(5, 50);
    map.follow(changed);
    const copy = new Int32Array(map.words.length);
    const update = (): void => {
      for (const [first = 0, end = 0] of rangesOf(changed)) copy.set(map.words.subarray(first, end), first);
      changed.clear();
    };
    const steps = [
      () => map.setRange(0, blocks),
      () => map.clearRange(31, 33),
      () => map.setRange(chunkBlocks - 1, chunkBlocks + 1),
      () => map.clearRange(chunkBlocks, 2 * chunkBlocks),
      () => map.setRange(blocks - 1, blocks),
    ];
    update();
    for (const step of steps) {
      step();
      update();
      expect(copy).toEqual(map.words);
    }
  });

  it('are counted again by the map that takes a copy over', () => {
    const blocks = chunkBlocks + 40;
    const [map, successor] = [new FlagMap(blocks), new FlagMap(blocks)];
    map.setRange(0, chunkBlocks);
    map.setRange(chunkBlocks + 33, blocks);
    successor.load((words) => words.set(map.words));
    expect(successor.setCount).toBe(map.setCount);
    expect(successor.nextClear(0)).toBe(chunkBlocks);
    expect(successor.nextSet(chunkBlocks)).toBe(chunkBlocks + 33);
  });
});
