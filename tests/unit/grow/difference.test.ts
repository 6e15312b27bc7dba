/** Before each step: is it still what was confirmed? */
import { expect, it, test } from 'vitest';
import { mebibyte } from '../../../app/base/units.ts';
import { differenceOf } from '../../../app/grow/difference.ts';
import { planGrow } from '../../../app/grow/decision.ts';
import type { Found } from '../../../app/grow/found.ts';
import { diskBytes, makeDisk, makeFileSystem, makeFound, makeLuks, makeRow, makeTable } from './made-found.ts';

const plan = (change: Partial<Found> = {}) => planGrow(makeFound(change), { repairsBackupTable: true });

test.each<[string, Partial<Found>]>([
  ['nothing has been done', {}],
  ['the table has been moved', { table: makeTable({ backup: 'at-end', endBefore: makeTable().endAfter }) }],
  ['the partition has grown', { table: makeTable({ rows: [makeRow(1, 1, 1022)] }) }],
  ['all has grown', { layers: [makeFileSystem({ sizeBytes: 1022 * mebibyte })] }],
])('it is when %s', (_, change) => {
  expect(differenceOf(plan(), plan(change))).toBeNull();
});

test.each<[string, Partial<Found>]>([
  ['another disk has its name', { disk: makeDisk('/dev/sdb', '8:32', diskBytes) }],
  ['another partition has its name', { device: makeDisk('/dev/sdb1', '8:33', 500 * mebibyte) }],
  ['the disk has another size', { disk: makeDisk('/dev/sdb', '8:16', diskBytes * 2) }],
  ['the table is another one', { table: makeTable({ uuid: 'other' }) }],
  ['the partition is another one', { table: makeTable({ rows: [{ ...makeRow(1, 1, 500), uuid: 'other' }] }) }],
  ['a partition has come behind it', { table: makeTable({ rows: [makeRow(1, 1, 500), makeRow(2, 700, 10)] }) }],
  ['the file system is another one', { layers: [makeFileSystem({ uuid: 'other' })] }],
  ['the file system has become smaller', { layers: [makeFileSystem({ sizeBytes: 400 * mebibyte })] }],
  ['a container has come', { layers: [makeLuks(), makeFileSystem()] }],
])('it is not when %s', (_, change) => {
  expect(differenceOf(plan(), plan(change))).toEqual(expect.any(String));
});

it('says what differs', () => {
  expect(differenceOf(plan(), plan({ layers: [makeFileSystem({ uuid: 'other' })] }))).toBe(
    'uuid of file-system /dev/sdb1 is other now',
  );
});
