/** Tables in which a part of the disk is reached directly: where every sector leads, before and after. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DirectPart, SectorSpan } from '../../../app/devices/direct-part.ts';
import {
  directStartSector,
  guardedSpans,
  segmentsMax,
  withDirect,
  withoutDirect,
} from '../../../app/devices/direct-part.ts';
import { GuardPlaces } from '../../../app/devices/guard-places.ts';
import type { DevicePlace, Mapping, Segment } from '../../../app/devices/dm-table.ts';
import { devicesUnder, targetsOf } from '../../../app/devices/dm-table.ts';

const virtual = '259:0';
const direct = '254:9';
const other = '8:32';

function part(endSector: number, kept: readonly SectorSpan[] = []): DirectPart {
  return { device: direct, endSector, kept };
}

function linear(startSector: number, sectorCount: number, at: number, device = virtual): Segment {
  return { startSector, sectorCount, mapping: { type: 'linear', place: { device, startSector: at } } };
}

function striped(startSector: number, sectorCount: number, at: readonly [number, number]): Segment {
  const stripes = [
    { device: virtual, startSector: at[0] },
    { device: other, startSector: at[1] },
  ];
  return { startSector, sectorCount, mapping: { type: 'striped', chunkSectors: 8, stripes } };
}

describe('a linear segment', () => {
  it('is split where the extent ends', () => {
    expect(withDirect([linear(0, 1000, 2048)], virtual, part(2560))).toEqual([
      linear(0, 512, 2048 - directStartSector, direct),
      linear(512, 488, 2560),
    ]);
  });

  it('keeps the start of the disk where it is', () => {
    expect(withDirect([linear(0, 1000, 0)], virtual, part(512))).toEqual([
      linear(0, directStartSector, 0),
      linear(directStartSector, 512 - directStartSector, 0, direct),
      linear(512, 488, 512),
    ]);
  });

  it('keeps what may identify the disk where it is, inside of the extent', () => {
    const kept = [
      { first: 2048, end: 2056 },
      { first: 2100, end: 2200 },
    ];
    expect(withDirect([linear(0, 1000, 2048)], virtual, part(2148, kept))).toEqual([
      linear(0, 8, 2048),
      linear(8, 44, 2056 - directStartSector, direct),
      linear(52, 948, 2100),
    ]);
  });

  it('stays as it is behind the extent, and on other disks', () => {
    const table = [linear(0, 100, 2560), linear(100, 50, 0, other)];
    expect(withDirect(table, virtual, part(2560))).toEqual(table);
  });

  it('keeps its last block when nothing else would be left on its device', () => {
    expect(withDirect([linear(0, 1000, 2048)], virtual, part(8192))).toEqual([
      linear(0, 992, 2048 - directStartSector, direct),
      linear(992, 8, 3040),
    ]);
    const tiny = [linear(0, 4, 2048)];
    expect(withDirect(tiny, virtual, part(8192))).toEqual(tiny);
  });
});

describe('a segment that cannot be split', () => {
  const end = linear(1000, 100, 9000);

  it('goes direct when everything that it maps has crossed, and not before', () => {
    const table = [striped(0, 1000, [2048, 77]), end];
    expect(withDirect(table, virtual, part(2547))).toEqual(table);
    const stripes = [
      { device: direct, startSector: 2048 - directStartSector },
      { device: other, startSector: 77 },
    ];
    expect(withDirect(table, virtual, part(2548))).toEqual([
      { startSector: 0, sectorCount: 1000, mapping: { type: 'striped', chunkSectors: 8, stripes } },
      end,
    ]);
  });

  it('stays when it maps what may identify the disk', () => {
    const table = [striped(0, 1000, [2048, 77]), end];
    const kept = [{ first: 2540, end: 2548 }];
    expect(withDirect(table, virtual, part(9000, kept))).toEqual(table);
    expect(withDirect(table, virtual, part(9000, [{ first: 2548, end: 2556 }]))).not.toEqual(table);
  });

  it('waits for its whole device when it is encrypted, or when there is nothing else', () => {
    const place = { device: virtual, startSector: 4096 };
    const mapping: Mapping = { type: 'crypt', cipher: 'aes', key: '00', ivOffset: 0, place, features: [] };
    const vault = [{ startSector: 0, sectorCount: 1000, mapping }];
    expect(withDirect(vault, virtual, part(99_999))).toEqual(vault);
    const wide = [striped(0, 1000, [2048, 77])];
    expect(withDirect(wide, virtual, part(99_999))).toEqual(wide);
  });
});

it('a table that would have too many segments stays as it is', () => {
  const table = Array.from({ length: segmentsMax }, (_, index) => linear(index * 8, 8, 4096 + index * 16));
  expect(withDirect(table, virtual, part(4096 + 16 * segmentsMax))).toHaveLength(segmentsMax);
  const wider = [
    linear(0, 16, 0),
    ...table.slice(1).map((segment) => ({ ...segment, startSector: segment.startSector + 8 })),
  ];
  expect(withDirect(wider, virtual, part(4200))).toEqual(wider);
});

/** Where a sector of the table is served: device and sector there. */
function lookUp(segments: readonly Segment[], sector: number): DevicePlace {
  const segment = segments.find(
    ({ startSector, sectorCount }) => sector >= startSector && sector < startSector + sectorCount,
  );
  if (segment === undefined) throw new Error(`no segment has sector ${sector}`);
  const { startSector, mapping } = segment;
  const inside = sector - startSector;
  if (mapping.type === 'linear') return { ...mapping.place, startSector: mapping.place.startSector + inside };
  if (mapping.type !== 'striped') throw new Error('not made here');
  const chunk = Math.floor(inside / mapping.chunkSectors);
  const stripe = mapping.stripes[chunk % mapping.stripes.length];
  if (stripe === undefined) throw new Error('no such stripe');
  const chunks = Math.floor(chunk / mapping.stripes.length) * mapping.chunkSectors;
  return {
    device: stripe.device,
    startSector: stripe.startSector + chunks + (inside % mapping.chunkSectors),
  };
}

function isSame(one: DevicePlace, other: DevicePlace): boolean {
  return one.device === other.device && one.startSector === other.startSector;
}

/** As LVM makes them: pieces of the disk and of another one, at any place, in any order. */
const pieces = fc.array(
  fc.record({
    kind: fc.constantFrom('here', 'elsewhere', 'striped'),
    blocks: fc.integer({ min: 1, max: 12 }),
    gap: fc.integer({ min: 0, max: 40 }),
  }),
  { minLength: 1, maxLength: 8 },
);

/** Ascending, as the guard's places give them. */
const keptSpans = fc
  .array(fc.record({ gap: fc.integer({ min: 1, max: 60 }), blocks: fc.integer({ min: 1, max: 4 }) }), {
    maxLength: 5,
  })
  .map((drawn) => {
    let at = 0;
    return drawn.map(({ gap, blocks }) => {
      const first = at + gap * 8;
      at = first + blocks * 8;
      return { first, end: at };
    });
  });

function tableOf(
  drawn: readonly { readonly kind: string; readonly blocks: number; readonly gap: number }[],
): Segment[] {
  let at = 0;
  let startSector = 0;
  return drawn.map(({ kind, blocks, gap }) => {
    at += gap;
    const sectorCount = blocks * 16;
    const segment =
      kind === 'striped'
        ? striped(startSector, sectorCount, [at, at])
        : linear(startSector, sectorCount, at, kind === 'here' ? virtual : other);
    at += sectorCount;
    startSector += sectorCount;
    return segment;
  });
}

it('what may identify a disk costs few segments, and is all left out', () => {
  const places = new GuardPlaces(2 ** 40);
  const spans = guardedSpans(places);
  expect(spans.length).toBeLessThan(16);
  for (let place = 0; place < places.count; place += 1) {
    const sector = places.offsetOf(place) / 512;
    expect(spans.some(({ first, end }) => sector >= first && sector < end)).toBe(true);
  }
  for (const { first, end } of spans) expect([first % 8, end % 8]).toEqual([0, 0]);
});

it('a table that somebody has split stays split on the way back, where nothing of it was cut by us', () => {
  const halves = [linear(0, 500, 2048), linear(500, 500, 2548)];
  expect(withoutDirect(halves, virtual, direct)).toEqual(halves);
  const partly = withDirect(halves, virtual, part(2300));
  expect(partly).toHaveLength(3);
  expect(withoutDirect(partly, virtual, direct)).toEqual(halves);
});

describe('whatever the table', () => {
  it('every sector is the same one of the disk, direct only inside the extent, and the way back is the same table', () => {
    fc.assert(
      fc.property(pieces, fc.integer({ min: 0, max: 2000 }), keptSpans, (drawn, endSector, kept) => {
        const isKept = (sector: number): boolean =>
          kept.some((span) => sector >= span.first && sector < span.end);
        const table = tableOf(drawn);
        const changed = withDirect(table, virtual, part(endSector, kept));
        const sectors = drawn.reduce((sum, { blocks }) => sum + blocks * 16, 0);
        const wrong: number[] = [];
        let left = 0;
        for (let sector = 0; sector < sectors; sector += 1) {
          const before = lookUp(table, sector);
          const after = lookUp(changed, sector);
          const isCrossed = before.startSector >= directStartSector && before.startSector < endSector;
          const isInside = isCrossed && !isKept(before.startSector);
          const isDirect = after.device === direct;
          const expected = isDirect
            ? { device: virtual, startSector: after.startSector + directStartSector }
            : after;
          if (!isSame(expected, before) || (isDirect && !isInside)) wrong.push(sector);
          if (!isDirect) {
            const isLinear =
              table.find((one) => sector < one.startSector + one.sectorCount)?.mapping.type === 'linear';
            if (isLinear && before.device === virtual && isInside) left += 1;
          }
        }
        expect(wrong).toEqual([]);
        // The last block, where nothing else would be left.
        expect(left).toBeLessThanOrEqual(8);
        expect(devicesUnder(changed).includes(virtual)).toBe(devicesUnder(table).includes(virtual));
        expect(() => targetsOf(changed)).not.toThrow();
        const back = withoutDirect(changed, virtual, direct);
        for (let sector = 0; sector < sectors; sector += 1) {
          if (!isSame(lookUp(back, sector), lookUp(table, sector))) wrong.push(sector);
        }
        expect(wrong).toEqual([]);
        expect(back.length).toBeLessThanOrEqual(table.length);
      }),
    );
  });
});
