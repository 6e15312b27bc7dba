import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chunkBlocks, FlagMap } from '../../../app/flags/flag-map.ts';

/** The same, block by block. */
class NaiveMap {
  readonly #set: Uint8Array;
  setCount = 0;

  constructor(blockCount: number) {
    this.#set = new Uint8Array(blockCount);
  }

  change(first: number, end: number, value: 0 | 1): number {
    const changed = this.#set.subarray(first, end).filter((old) => old !== value).length;
    this.#set.fill(value, first, end);
    this.setCount += value === 1 ? changed : -changed;
    return changed;
  }

  isSet(block: number): boolean {
    return this.#set[block] === 1;
  }

  countSet(first: number, end: number): number {
    let count = 0;
    for (let block = first; block < end; block += 1) count += this.#set[block] === 1 ? 1 : 0;
    return count;
  }

  next(value: 0 | 1, from: number, end: number): number {
    const found = this.#set.subarray(0, end).indexOf(value, from);
    return found < 0 || from >= end ? end : found;
  }
}

/** Sizes at which words, chunks and the short last chunk begin and end. */
const blockCounts = [
  ...[1, 31, 32, 33, 1000],
  ...[-33, -32, -1, 0, 1, 31, 32, 33].map((offset) => chunkBlocks + offset),
  ...[-1, 0, 1, 40].map((offset) => 2 * chunkBlocks + offset),
];

/** A block number, most often near a border. */
function blockUpTo(blockCount: number): fc.Arbitrary<number> {
  const borders = [0, 32, 64, chunkBlocks, 2 * chunkBlocks, blockCount];
  const nearBorder = fc
    .tuple(fc.constantFrom(...borders), fc.integer({ min: -33, max: 33 }))
    .map(([border, offset]) => Math.max(0, Math.min(blockCount, border + offset)));
  return fc.oneof(nearBorder, fc.integer({ min: 0, max: blockCount }));
}

interface Change {
  readonly from: number;
  readonly to: number;
  readonly value: 0 | 1;
}

function changesOf(blockCount: number): fc.Arbitrary<Change[]> {
  const block = blockUpTo(blockCount);
  const value = fc.constantFrom<0 | 1>(0, 1);
  const change = fc
    .tuple(block, block, value)
    .map(([a, b, value]) => ({ from: Math.min(a, b), to: Math.max(a, b), value }));
  return fc.array(change, { minLength: 1, maxLength: 12 });
}

const mapAndChanges = fc.constantFrom(...blockCounts).chain((blockCount) =>
  fc.record({
    blockCount: fc.constant(blockCount),
    changes: changesOf(blockCount),
    questions: fc.array(fc.tuple(blockUpTo(blockCount), blockUpTo(blockCount)), {
      minLength: 1,
      maxLength: 8,
    }),
  }),
);

describe('a flag map', () => {
  test('begins with every flag clear', () => {
    const map = new FlagMap(100);
    expect([map.setCount, map.clearCount]).toEqual([0, 100]);
    expect(map.nextSet(0)).toBe(100);
    expect(map.nextClear(0)).toBe(0);
  });

  test('answers as a plain array would, whatever was set and cleared', () => {
    fc.assert(
      fc.property(mapAndChanges, ({ blockCount, changes, questions }) => {
        const map = new FlagMap(blockCount);
        const naive = new NaiveMap(blockCount);
        for (const { from, to, value } of changes) {
          const changed = value === 1 ? map.setRange(from, to) : map.clearRange(from, to);
          expect(changed).toBe(naive.change(from, to, value));
          expect(map.setCount).toBe(naive.setCount);
          expect(map.clearCount).toBe(blockCount - naive.setCount);
        }
        for (const [from, end] of questions) {
          expect(map.nextSet(from, end)).toBe(naive.next(1, from, end));
          expect(map.nextClear(from, end)).toBe(naive.next(0, from, end));
          expect(map.countSet(from, end)).toBe(naive.countSet(from, end));
          if (from >= end) continue;
          expect(map.isSet(from)).toBe(naive.isSet(from));
          expect(map.runEnd(from, end)).toBe(naive.next(naive.isSet(from) ? 0 : 1, from, end));
        }
      }),
      { numRuns: 500 },
    );
  });

  test('never claims a block behind the last one', () => {
    fc.assert(
      fc.property(fc.constantFrom(...blockCounts), (blockCount) => {
        const map = new FlagMap(blockCount);
        expect(map.setRange(0, blockCount)).toBe(blockCount);
        expect(map.clearCount).toBe(0);
        expect(map.nextClear(0)).toBe(blockCount);
        expect(map.clearRange(blockCount - 1, blockCount)).toBe(1);
        expect(map.nextClear(0)).toBe(blockCount - 1);
      }),
    );
  });

  test.each([
    ['before the first block', -1, 5],
    ['behind the last block', 5, 101],
    ['that ends before it begins', 5, 4],
  ])('refuses a range %s', (_, first, end) => {
    expect(() => new FlagMap(100).setRange(first, end)).toThrow('lies within the map');
  });

  test.each([0, -1, 1.5, 2 ** 53])('refuses to have %s blocks', (blockCount) => {
    expect(() => new FlagMap(blockCount)).toThrow('at least one block');
  });
});

describe('the flag map of a disk of 16 TiB and a bit', () => {
  const blockCount = 2 ** 32 + 2 * chunkBlocks + 5;
  const map = new FlagMap(blockCount);
  /** Where 32-bit arithmetic would go wrong, and at chunk borders. */
  const places = [0, chunkBlocks - 1, 2 ** 31 - 2, 2 ** 32 - 3, 2 ** 32 + chunkBlocks - 2, blockCount - 10];

  test('finds single runs across billions of clear blocks', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.constantFrom(...places), { minLength: 1 }),
        fc.integer({ min: 1, max: 8 }),
        (at, length) => {
          const firsts = at.sort((a, b) => a - b);
          for (const first of firsts) expect(map.setRange(first, first + length)).toBe(length);
          expect(map.setCount).toBe(firsts.length * length);
          let from = 0;
          for (const first of firsts) {
            expect(map.nextSet(from)).toBe(first);
            from = map.nextClear(first);
            expect(from).toBe(first + length);
            expect(map.isSet(from)).toBe(false);
          }
          expect(map.nextSet(from)).toBe(blockCount);
          for (const first of firsts) expect(map.clearRange(first, first + length)).toBe(length);
          expect(map.setCount).toBe(0);
        },
      ),
    );
  });
});

describe('chunks of a flag map', () => {
  test('are the same after they were copied and loaded', () => {
    fc.assert(
      fc.property(mapAndChanges, ({ blockCount, changes }) => {
        const map = new FlagMap(blockCount);
        for (const { from, to, value } of changes) {
          if (value === 1) map.setRange(from, to);
          else map.clearRange(from, to);
        }
        const loaded = new FlagMap(blockCount);
        loaded.setRange(0, Math.ceil(blockCount / 2));
        const bytes = new Uint8Array(chunkBlocks / 8 + 2).fill(255);
        for (let chunk = 0; chunk < map.chunkCount; chunk += 1) {
          map.copyChunk(chunk, bytes, 1);
          loaded.loadChunk(chunk, bytes.subarray(1, bytes.length - 1));
        }
        expect([bytes[0], bytes.at(-1)]).toEqual([255, 255]);
        expect(loaded.setCount).toBe(map.setCount);
        for (let block = 0; block < blockCount; block = map.runEnd(block, blockCount)) {
          expect(loaded.isSet(block)).toBe(map.isSet(block));
          expect(loaded.runEnd(block, blockCount)).toBe(map.runEnd(block, blockCount));
        }
      }),
      { numRuns: 60 },
    );
  });
});
