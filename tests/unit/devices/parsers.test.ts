import { describe, expect, test } from 'vitest';
import { majorMinorOf } from '../../../app/devices/block-device.ts';
import { parseBlkid } from '../../../app/devices/content.ts';
import { parseLosetup } from '../../../app/devices/inventory.ts';
import { parseLsblk } from '../../../app/devices/lsblk.ts';
import { parseSwaps } from '../../../app/devices/swaps.ts';

describe('parseLsblk', () => {
  const row = {
    'maj:min': '8:0',
    model: ' Samsung SSD ',
    serial: 'S1',
    wwn: null,
    tran: 'sata',
    fstype: null,
    fsused: '1234',
  };
  const json = JSON.stringify({
    blockdevices: [row, { 'maj:min': '8:1 ', fstype: 'ext4', uuid: 'u', fsused: null }],
  });

  test('trims, and takes numbers also from old versions that print strings', () => {
    expect(parseLsblk(json, () => true).get('8:0')).toMatchObject({
      model: 'Samsung SSD',
      serial: 'S1',
      wwn: null,
      bus: 'sata',
      usedBytes: 1234,
    });
  });

  test('takes an empty disk for empty only when udev has looked at it', () => {
    expect(parseLsblk(json, () => true).get('8:0')?.content?.fileSystemType).toBeNull();
    expect(parseLsblk(json, () => false).get('8:0')?.content).toBeNull();
    expect(parseLsblk(json, () => false).get('8:1')?.content?.fileSystemType).toBe('ext4');
  });

  test('takes nothing for empty that lsblk was not asked about, whoever has looked at it', () => {
    const unopened = JSON.stringify({ blockdevices: [{ 'maj:min': '8:0', model: null, serial: 'S1' }] });
    expect(parseLsblk(unopened, () => true).get('8:0')?.content).toBeNull();
  });

  test('takes no output for no devices', () => {
    expect(parseLsblk('', () => true).size).toBe(0);
  });
});

describe('parseBlkid', () => {
  test('undoes the escapes', () => {
    expect(parseBlkid('DEVNAME=/dev/sda1\nTYPE=ext4\nLABEL=my\\ disk\nUUID=1-2\n')).toEqual({
      fileSystemType: 'ext4',
      fileSystemUuid: '1-2',
      label: 'my disk',
      partitionTableType: null,
      partitionTableUuid: null,
    });
  });
});

describe('parseLosetup', () => {
  test('leaves out what only root is told', () => {
    const json = JSON.stringify({
      loopdevices: [
        { name: '/dev/loop0', 'back-ino': 12, 'back-maj:min': '   254:0  ' },
        { name: '/dev/loop1', 'back-ino': null, 'back-maj:min': null },
      ],
    });
    expect([...parseLosetup(json)]).toEqual([['/dev/loop0', { device: '254:0', inode: 12 }]]);
  });
});

describe('parseSwaps', () => {
  test('takes devices and files with odd names', () => {
    const text = 'Filename\tType\tSize\n/dev/sda2   partition\t1\t0\t-2\n/my\\040swap  file\t1\t0\t-3\n';
    expect(parseSwaps(text)).toEqual(['/dev/sda2', '/my swap']);
  });
});

describe('majorMinorOf', () => {
  test.each(['8:0', '254:0', '7:274', '259:1048575', '4180:1110'])('unpacks %s', (expected) => {
    const [major = 0n, minor = 0n] = expected.split(':').map(BigInt);
    // gnu_dev_makedev in glibc's sys/sysmacros.h
    const packed =
      ((major & 0xfffff000n) << 32n) |
      ((major & 0xfffn) << 8n) |
      ((minor & 0xffffff00n) << 12n) |
      (minor & 0xffn);
    expect(majorMinorOf(packed)).toBe(expected);
  });
});
