import { describe, expect, test } from 'vitest';
import type { Storage } from '../../../app/devices/overlap.ts';
import { compareStorage, devicesOn, liesOn } from '../../../app/devices/overlap.ts';
import { block, blockDevice, file, inventoryOf, loopOver, mount, partition } from './made-inventory.ts';

/**
 * sda ─ sda1 (ext4 on /, holds a.img b.img), sda2 ┐
 * sdb ─ sdb1 ─────────────────────────────────────┴─ PVs of vg-one (253:0), vg-two (253:1)
 * loop0, loop1 over a.img (loop1 only its first MiB); loop0p1, loop0p2; loop2 over b.img; loop3 over sdc
 * loop4 over c.img, which lies on the Btrfs of loop2
 */
const images = {
  a: file('8:1', 11, '/a.img'),
  b: file('8:1', 12, '/b.img'),
  c: file('0:50', 13, '/mnt/c.img'),
};
const inventory = inventoryOf({
  devices: [
    blockDevice('8:0', { path: '/dev/sda' }),
    partition('8:1', { diskMajorMinor: '8:0', offsetBytes: 1 << 20 }, 1 << 30),
    partition('8:2', { diskMajorMinor: '8:0', offsetBytes: (1 << 20) + (1 << 30) }, 1 << 30),
    blockDevice('8:16', { path: '/dev/sdb' }),
    partition('8:17', { diskMajorMinor: '8:16', offsetBytes: 1 << 20 }, 1 << 30),
    blockDevice('8:32', { path: '/dev/sdc' }),
    blockDevice('253:0', { kind: 'lvm', slaves: ['8:2', '8:17'] }),
    blockDevice('253:1', { kind: 'lvm', slaves: ['8:17'] }),
    loopOver('7:0', images.a, { sizeBytes: 1 << 30 }),
    loopOver('7:1', images.a, { sizeBytes: 1 << 20 }),
    partition('259:0', { diskMajorMinor: '7:0', offsetBytes: 1 << 20 }, 1 << 20),
    partition('259:1', { diskMajorMinor: '7:0', offsetBytes: 2 << 20 }, 1 << 20),
    loopOver('7:2', images.b, { sizeBytes: 1 << 30 }),
    loopOver('7:3', block('8:32'), { sizeBytes: 1 << 20 }),
    loopOver('7:4', images.c, { sizeBytes: 1 << 20 }),
  ],
  mounts: [
    mount({ target: '/', majorMinor: '8:1', devices: ['8:1'] }),
    mount({ target: '/mnt', majorMinor: '0:49', devices: ['7:2'], fsType: 'btrfs' }),
  ],
});

const cases: [string, Storage, Storage, string][] = [
  ['a disk and itself', block('8:0'), block('8:0'), 'same'],
  ['a file under two names', images.a, { ...images.a, path: '/link.img' }, 'same'],
  ['a disk and its partition', block('8:0'), block('8:1'), 'overlaps'],
  ['two partitions of a disk', block('8:1'), block('8:2'), 'apart'],
  ['a partition of another disk', block('8:1'), block('8:17'), 'apart'],
  ['an LV and its PV', block('253:0'), block('8:2'), 'overlaps'],
  ['an LV and the disk under its second PV', block('253:0'), block('8:16'), 'overlaps'],
  ['two LVs that share a PV', block('253:0'), block('253:1'), 'apart'],
  ['a loop device and its file', block('7:0'), images.a, 'overlaps'],
  ['two loop devices over one file', block('7:0'), block('7:1'), 'overlaps'],
  ['a loop device over the part before a partition of the other', block('7:1'), block('259:0'), 'apart'],
  ['two partitions of a loop device', block('259:0'), block('259:1'), 'apart'],
  ['a partition of a loop device and the file', block('259:0'), images.a, 'overlaps'],
  ['two images on one file system', images.a, images.b, 'apart'],
  ['an image and the partition that it lies on', images.a, block('8:1'), 'overlaps'],
  ['an image and another partition of that disk', images.a, block('8:2'), 'apart'],
  ['a loop device and the disk under its file', block('7:0'), block('8:0'), 'overlaps'],
  ['a loop device over a disk, and the disk', block('7:3'), block('8:32'), 'overlaps'],
  ['an image on Btrfs and the image under that Btrfs', images.c, images.b, 'overlaps'],
  ['an image on Btrfs and a neighbour of what is under it', images.c, images.a, 'apart'],
];

describe('compareStorage', () => {
  test.each(cases)('%s: %#', (_, one, other, expected) => {
    expect(compareStorage(inventory, one, other)).toBe(expected);
    expect(compareStorage(inventory, other, one)).toBe(expected);
  });
});

describe('walks', () => {
  test('go down through loop, Btrfs, loop, file system and partition', () => {
    expect(liesOn(inventory, block('7:4'), block('8:0'))).toBe(true);
    expect(liesOn(inventory, block('8:0'), block('7:4'))).toBe(false);
  });

  test('find everything that lies on a disk, over any number of layers', () => {
    expect(devicesOn(inventory, block('8:16')).map(({ majorMinor }) => majorMinor)).toEqual([
      '8:17',
      '253:0',
      '253:1',
    ]);
    expect(devicesOn(inventory, images.b).map(({ majorMinor }) => majorMinor)).toEqual(['7:2', '7:4']);
  });

  test('end where a device has vanished', () => {
    const torn = inventoryOf({ devices: [blockDevice('253:0', { slaves: ['8:99'] })], mounts: [] });
    expect(liesOn(torn, block('253:0'), block('8:99'))).toBe(true);
  });
});
