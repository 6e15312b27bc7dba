/** Of which devices writers are looked for, and where a deleted partition would lie. */
import { expect, it, test } from 'vitest';
import { mebibyte } from '../../../app/base/units.ts';
import { gapBehind } from '../../../app/grow/gap.ts';
import { storagesOf } from '../../../app/grow/writers.ts';
import { block, blockDevice, file, inventoryOf, loopOver } from '../devices/made-inventory.ts';
import { makeFileSystem, makeLuks, makePhysicalVolume, makeRow, makeTable, makeVolume } from './made-found.ts';

const disk = blockDevice('8:16', { path: '/dev/sdb' });
const part = blockDevice('8:17', { path: '/dev/sdb1', kind: 'part' });
const neighbour = blockDevice('8:18', { path: '/dev/sdb2', kind: 'part' });
const vault = blockDevice('254:0', { path: '/dev/mapper/vault', kind: 'crypt' });
const volume = blockDevice('254:1', { path: '/dev/mapper/vg-home', kind: 'lvm' });
const other = blockDevice('254:2', { path: '/dev/mapper/vg-root', kind: 'lvm' });
const inventory = inventoryOf({ devices: [disk, part, neighbour, vault, volume, other] });

it('looks for writers on the disk and on every device up to the file system, and on no other', () => {
  const layers = [
    makeLuks(),
    makePhysicalVolume({ name: '/dev/mapper/vault' }),
    makeVolume(),
    makeFileSystem({ name: '/dev/mapper/vg-home' }),
  ];
  const found = storagesOf(inventory, disk, layers);
  expect(found).toEqual([block('8:16'), block('8:17'), block('254:0'), block('254:1')]);
});

it('looks for writers of the file under a loop device', () => {
  const image = file('8:1', 77, '/images/disk.img');
  const loop = loopOver('7:0', image);
  expect(storagesOf(inventoryOf({ devices: [loop] }), loop, [])).toEqual([block('7:0'), image]);
});

test.each([
  ['a partition that ends at a whole mebibyte', makeRow(1, 1, 500), [501 * mebibyte]],
  ['one that does not', { ...makeRow(1, 1, 500), count: 499 * 2048 + 63 }, [500 * mebibyte + 63 * 512, 501 * mebibyte]],
  ['one without room behind it', makeRow(1, 1, 1022), []],
])('a deleted partition would begin behind %s', (_, row, starts) => {
  expect(gapBehind(makeTable({ rows: [row] }), row)).toEqual({ startsBytes: starts, endBytes: 1023 * mebibyte });
});
