import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gibibyte, mebibyte, sectorBytes } from '../../../app/base/units.ts';
import { GuardPlaces, invertSector } from '../../../app/devices/guard-places.ts';
import { recognisers } from '../../../app/devices/recognisers.ts';

const sizes = [sectorBytes, 4096, 3 * mebibyte + sectorBytes, 5 * gibibyte, 300 * gibibyte];

function offsetsOf(places: GuardPlaces): number[] {
  return Array.from({ length: places.count }, (_, place) => places.offsetOf(place));
}

function areOutside(places: GuardPlaces, offset: number, length: number): boolean {
  return places.areOutside(Float64Array.of(offset), 0, length);
}

describe("the guard's places", () => {
  test.each(sizes)('of a disk of %d bytes are whole sectors on it, ascending', (size) => {
    const offsets = offsetsOf(new GuardPlaces(size));
    expect(offsets).toEqual([...new Set(offsets)].sort((one, other) => one - other));
    for (const offset of offsets) {
      expect(offset % sectorBytes).toBe(0);
      expect(offset).toBeGreaterThanOrEqual(0);
      expect(offset + sectorBytes).toBeLessThanOrEqual(size);
    }
  });

  test('are few: a table of a device that keeps their blocks aside stays short', () => {
    expect(new GuardPlaces(2 ** 45).count).toBeLessThan(50);
  });

  test.each(sizes)('of a disk of %d bytes are touched by just those transfers that overlap one', (size) => {
    const places = new GuardPlaces(size);
    const offsets = offsetsOf(places);
    const sectors = size / sectorBytes;
    fc.assert(
      fc.property(
        fc.oneof(fc.nat(sectors - 1), fc.nat(Math.min(sectors - 1, 10_000))),
        fc.integer({ min: 1, max: 2048 }),
        (first, count) => {
          const offset = first * sectorBytes;
          const length = count * sectorBytes;
          const touches = offsets.some((place) => place < offset + length && offset < place + sectorBytes);
          expect(areOutside(places, offset, length)).toBe(!touches);
        },
      ),
    );
  });

  test('are not touched by what ends just before one or begins just behind it', () => {
    const places = new GuardPlaces(5 * gibibyte);
    const at = 64 * mebibyte;
    expect(areOutside(places, at - sectorBytes, sectorBytes)).toBe(true);
    expect(areOutside(places, at, sectorBytes)).toBe(false);
    expect(areOutside(places, at + sectorBytes, sectorBytes)).toBe(true);
    expect(areOutside(places, at - sectorBytes, 2 * sectorBytes)).toBe(false);
  });
});

describe('the content of a place', () => {
  const places = new GuardPlaces(300 * gibibyte);

  test('is never both plain and masked, and inverting it exchanges the two', () => {
    const other = { plain: 'masked', masked: 'plain', other: 'other' } as const;
    fc.assert(
      fc.property(
        fc.nat(places.count - 1),
        fc.uint8Array({ minLength: sectorBytes, maxLength: sectorBytes }),
        (place, sector) => {
          const state = places.stateOf(place, sector, 0);
          invertSector(sector, 0);
          expect(places.stateOf(place, sector, 0)).toBe(other[state]);
        },
      ),
    );
  });

  test.each(['zeroes', 'ones'])('of %s is nobody’s identity', (what) => {
    const sector = new Uint8Array(sectorBytes).fill(what === 'zeroes' ? 0 : 0xff);
    for (let place = 0; place < places.count; place += 1)
      expect(places.stateOf(place, sector, 0)).toBe('other');
  });

  test('of random bytes is nobody’s identity: the user’s data is never taken for a masked signature', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: sectorBytes, maxLength: sectorBytes, size: 'max' }), (sector) => {
        for (let place = 0; place < places.count; place += 1)
          expect(places.stateOf(place, sector, 0)).toBe('other');
      }),
      { numRuns: 300 },
    );
  });
});

describe('the table of recognisers', () => {
  test('names each type’s places on disks that have them', () => {
    for (const { type, offsetsBytes } of recognisers)
      expect(offsetsBytes(300 * gibibyte).length, type).toBeGreaterThan(0);
  });
});
