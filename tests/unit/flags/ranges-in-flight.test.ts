import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RangeOwner } from '../../../app/flags/ranges-in-flight.ts';
import { RangesInFlight } from '../../../app/flags/ranges-in-flight.ts';

/** Notes who was told to go ahead. */
class Notes implements RangeOwner {
  readonly ready: number[] = [];

  rangeReady(tag: number): void {
    this.ready.push(tag);
  }
}

interface Claim {
  readonly tag: number;
  readonly range: number;
  readonly first: number;
  readonly end: number;
  readonly atOnce: boolean;
}

function overlap(one: Claim, other: Claim): boolean {
  return one.first < other.end && other.first < one.end;
}

/** Ready, by the promise alone: no earlier claim overlaps. */
function isReady(claim: Claim, claims: readonly Claim[]): boolean {
  const earlier = claims.slice(0, claims.indexOf(claim));
  return claim.atOnce || !earlier.some((other) => overlap(claim, other));
}

const capacity = 12;
const blocks = 16;

const step = fc.record({
  first: fc.nat({ max: blocks - 1 }),
  length: fc.integer({ min: 1, max: 6 }),
  kind: fc.constantFrom('claim', 'claim', 'claim at once', 'release', 'release'),
  which: fc.nat(),
});

describe('ranges in flight', () => {
  test('go ahead exactly when no earlier overlapping one is left', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const ranges = new RangesInFlight(capacity);
        const notes = new Notes();
        const ready = new Set<number>();
        let claims: Claim[] = [];
        let nextTag = 0;
        for (const { first, length, kind, which } of steps) {
          const releasable = claims.filter(({ tag }) => ready.has(tag));
          const released = releasable[which % Math.max(1, releasable.length)];
          if (kind === 'release' && released !== undefined) {
            claims = claims.filter((claim) => claim !== released);
            ranges.release(released.range);
          } else if (kind !== 'release' && claims.length < capacity) {
            const [tag, end, atOnce] = [nextTag, first + length, kind === 'claim at once'];
            const range = ranges[atOnce ? 'claimAtOnce' : 'claim'](first, end, notes, tag);
            nextTag += 1;
            claims.push({ tag, range, first, end, atOnce });
            if (ranges.isReady(range)) ready.add(tag);
          }
          for (const tag of notes.ready.splice(0)) {
            expect(ready.has(tag), 'told once').toBe(false);
            ready.add(tag);
          }
          expect(ranges.count).toBe(claims.length);
          for (const claim of claims) expect(ready.has(claim.tag)).toBe(isReady(claim, claims));
        }
      }),
      { numRuns: 500 },
    );
  });

  test('take out of a watched mask every claimed block, waiting or not, released meanwhile or not', () => {
    const claim = fc.tuple(fc.nat({ max: blocks - 1 }), fc.integer({ min: 1, max: 5 }));
    const half = fc.array(claim, { maxLength: capacity / 2 });
    fc.assert(
      fc.property(half, half, half, fc.nat({ max: 8 }), (earlier, meanwhile, later, first) => {
        const ranges = new RangesInFlight(2 * capacity);
        const mask = new Uint8Array(blocks).fill(1);
        for (const [start, length] of earlier) ranges.claim(start, start + length, new Notes(), 0);
        ranges.watch(first, first + 8, mask);
        for (const [start, length] of meanwhile) {
          const range = ranges.claim(start, start + length, new Notes(), 0);
          if (ranges.isReady(range)) ranges.release(range);
        }
        ranges.unwatch(mask);
        for (const [start, length] of later) ranges.claim(start, start + length, new Notes(), 0);
        const expected = Array.from({ length: blocks }, (_, index) => {
          const block = first + index;
          const isClaimed = [...earlier, ...meanwhile].some(
            ([start, length]) => start <= block && block < start + length,
          );
          return isClaimed && index < 8 ? 0 : 1;
        });
        expect([...mask]).toEqual(expected);
      }),
    );
  });

  test('keep each watched span apart, whichever is left first', () => {
    const ranges = new RangesInFlight(4);
    const [one, other] = [new Uint8Array(4).fill(1), new Uint8Array(4).fill(1)];
    ranges.watch(0, 4, one);
    ranges.watch(2, 6, other);
    ranges.claim(3, 4, new Notes(), 0);
    ranges.unwatch(one);
    ranges.claimAtOnce(5, 6, new Notes(), 0);
    expect([[...one], [...other]]).toEqual([
      [1, 1, 1, 0],
      [1, 0, 1, 0],
    ]);
  });

  test('are woken also by an owner that releases when it is told to go ahead', () => {
    const ranges = new RangesInFlight(4);
    const told: number[] = [];
    const held: number[] = [];
    const owner: RangeOwner = {
      rangeReady: (tag) => {
        told.push(tag);
        ranges.release(held[tag] as number);
      },
    };
    for (const tag of [0, 1, 2, 3]) held.push(ranges.claim(5, 6, owner, tag));
    ranges.release(held[0] as number);
    expect(told).toEqual([1, 2, 3]);
    expect(ranges.count).toBe(0);
  });

  test('hold back later claims on all blocks between those of a piece that never waits', () => {
    const ranges = new RangesInFlight(4);
    const notes = new Notes();
    const write = ranges.claim(4, 5, notes, 0);
    const piece = ranges.claimAtOnce(0, 8, notes, 1);
    expect(ranges.isReady(piece)).toBe(true);
    const later = ranges.claim(4, 5, notes, 2);
    ranges.release(write);
    expect(ranges.isReady(later)).toBe(false);
    ranges.release(piece);
    expect(notes.ready).toEqual([2]);
  });

  test('are given up once, and never while they wait', () => {
    const ranges = new RangesInFlight(2);
    const notes = new Notes();
    const first = ranges.claim(0, 1, notes, 0);
    const waiting = ranges.claim(0, 1, notes, 1);
    expect(() => ranges.release(waiting)).toThrow('still waits');
    ranges.release(first);
    expect(() => ranges.release(first)).toThrow('released once');
  });

  test('are bounded', () => {
    const ranges = new RangesInFlight(1);
    ranges.claim(0, 1, new Notes(), 0);
    expect(() => ranges.claim(1, 2, new Notes(), 1)).toThrow('for every request slot and copy piece');
    expect(() => new RangesInFlight(1).claim(3, 3, new Notes(), 0)).toThrow('at least one block');
  });
});
