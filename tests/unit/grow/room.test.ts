/** How far a partition can grow: the arithmetic on which other partitions' data hangs. */
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { mebibyte } from '../../../app/base/units.ts';
import type { FoundRow } from '../../../app/grow/found.ts';
import { lastRow, overlapOf, requirePlain, roomOf, rowBehind } from '../../../app/grow/room.ts';
import { makeRow, makeTable } from './made-found.ts';

describe('the room of a partition', () => {
  it('ends at a whole mebibyte before the backup of a GPT', () => {
    const table = makeTable();
    const room = roomOf(table, makeRow(1, 1, 500));
    expect(room).toEqual({ count: (1023 - 1) * 2048, nextNumber: null });
  });

  it('ends before the next partition, whatever its number is', () => {
    const rows = [makeRow(3, 1, 100), makeRow(1, 300, 100), makeRow(2, 500, 10)];
    expect(roomOf(makeTable({ rows }), makeRow(3, 1, 100))).toEqual({ count: 299 * 2048, nextNumber: 1 });
    expect(roomOf(makeTable({ rows }), makeRow(2, 500, 10)).nextNumber).toBeNull();
  });

  it('is none where the next one follows at once', () => {
    const [first, second] = [makeRow(1, 1, 100), makeRow(2, 101, 100)];
    expect(roomOf(makeTable({ rows: [first, second] }), first)).toEqual({ count: first.count, nextNumber: 2 });
  });

  it('ends before one that begins within it, should there be any', () => {
    const rows = [makeRow(1, 1, 100), makeRow(2, 50, 10), makeRow(3, 500, 10)];
    expect(roomOf(makeTable({ rows }), makeRow(1, 1, 100)).count).toBe(100 * 2048);
  });

  it('counts in blocks of 4096 bytes where the disk does', () => {
    const row = { ...makeRow(1, 1, 1), start: 256, count: 1000 };
    const table = makeTable({ blockBytes: 4096, endAfter: 262_139, rows: [row] });
    expect(roomOf(table, row).count).toBe(1023 * 256 - 256);
  });

  it('makes a size of whole 4096 bytes for a partition that begins anywhere', () => {
    const row = { ...makeRow(1, 1, 1), start: 63, count: 1000 };
    const { count } = roomOf(makeTable({ rows: [row] }), row);
    expect(count % 8).toBe(0);
    expect(row.start + count).toBeLessThanOrEqual(1023 * 2048);
    expect(row.start + count).toBeGreaterThan(1023 * 2048 - 8);
  });

  it('never makes a partition smaller, also where it ends behind the last whole mebibyte', () => {
    const row = { ...makeRow(1, 1, 1), count: makeTable().endAfter - 2048 };
    expect(roomOf(makeTable({ rows: [row] }), row).count).toBe(row.count);
  });

  test('of any partition reaches into no other one, ends on the disk, and never shrinks', () => {
    const gapsAndSizes = fc.array(fc.tuple(fc.nat(9000), fc.integer({ min: 1, max: 9000 })), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(gapsAndSizes, fc.constantFrom(512, 4096), fc.nat(9000), (pieces, blockBytes, tail) => {
        let at = 34;
        const rows: FoundRow[] = pieces.map(([gap, count], index) => {
          const row = { number: index + 1, start: at + gap, count, type: 'linux', uuid: null, marks: '' };
          at = row.start + count;
          return row;
        });
        const table = makeTable({ rows, blockBytes, endAfter: at + tail });
        for (const row of rows) {
          const grown = { ...row, count: roomOf(table, row).count };
          expect(grown.count).toBeGreaterThanOrEqual(row.count);
          expect(grown.start + grown.count).toBeLessThanOrEqual(table.endAfter);
          expect(overlapOf(table, grown)).toBeUndefined();
          expect(rowBehind({ ...table, rows: [grown] }, table.endAfter * blockBytes)).toBeUndefined();
          if (grown.count > row.count) expect((grown.count * blockBytes) % 4096).toBe(0);
        }
      }),
    );
  });
});

describe('an MBR', () => {
  const rows = [makeRow(1, 1, 10, '83'), makeRow(2, 20, 200, 'f'), makeRow(5, 21, 100, '83')];
  const table = makeTable({ type: 'dos', backup: 'none', rows });

  it('has a last partition that is no extended one', () => {
    expect(lastRow(table)?.number).toBe(5);
  });

  it.each([
    [2, 'extended'],
    [5, 'logical'],
  ])('refuses its partition %i', (number, word) => {
    const row = rows.find((one) => one.number === number) ?? makeRow(9, 1, 1);
    expect(() => requirePlain('/dev/sdb', table, row)).toThrow(word);
  });

  it.each([
    ['begins within', makeRow(2, 5, 200, 'f')],
    ['lies around', { ...makeRow(2, 1, 200, '5'), start: 1024 }],
  ])('has a primary partition that an extended one %s', (_, extended) => {
    const overlapping = makeTable({ type: 'dos', backup: 'none', rows: [makeRow(1, 1, 10, '83'), extended] });
    expect(overlapOf(overlapping, makeRow(1, 1, 10, '83'))?.number).toBe(2);
  });

  it('lets a primary partition grow up to the extended one', () => {
    requirePlain('/dev/sdb', table, makeRow(1, 1, 10, '83'));
    expect(roomOf(table, makeRow(1, 1, 10, '83'))).toEqual({ count: 19 * 2048, nextNumber: 2 });
  });
});

it('refuses a partition that a hybrid MBR lists a second time', () => {
  const table = makeTable({ hybridStarts: [2048] });
  expect(() => requirePlain('/dev/sdb', table, makeRow(1, 1, 500))).toThrow('hybrid');
  expect(mebibyte / table.blockBytes).toBe(2048);
});
