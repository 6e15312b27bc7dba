/** What a partition table and a file system with something at its end say of their size. */
import { describe, expect, test } from 'vitest';
import { mebibyte } from '../../../app/base/units.ts';
import type { PlainDisk } from '../../../app/devices/disk-mask.ts';
import { maskDisk, unmaskDisk } from '../../../app/devices/disk-mask.ts';
import { GuardPlaces } from '../../../app/devices/guard-places.ts';
import { volumeSizes } from '../../../app/devices/volume-size.ts';

const diskBytes = 4 * mebibyte;
const volumeBytes = 3 * mebibyte;
const ofDisk = new GuardPlaces(diskBytes);

/** With a partition table of the volume's size, in blocks of so many bytes. */
function makeDisk(blockBytes: number, namedBytes = volumeBytes): { disk: PlainDisk; content: Buffer } {
  const content = Buffer.alloc(diskBytes);
  for (const at of [blockBytes, volumeBytes - blockBytes]) content.write('EFI PART', at);
  content.writeBigUInt64LE(BigInt.asUintN(64, BigInt(namedBytes / blockBytes - 1)), blockBytes + 32);
  const disk: PlainDisk = {
    ...{ path: '/dev/test', logicalBlockBytes: 512, sync: () => undefined },
    read: (bytes, at) => {
      bytes.set(content.subarray(at, at + bytes.length));
      return true;
    },
    write: (bytes, at) => {
      content.set(bytes, at);
    },
  };
  return { disk, content };
}

describe('the size of a volume', () => {
  test.each([512, 4096])('is where its partition table ends, in blocks of %d bytes, hidden or not', (blockBytes) => {
    const { disk } = makeDisk(blockBytes);
    expect(volumeSizes(disk, ofDisk)).toEqual([volumeBytes]);
    maskDisk(disk, ofDisk);
    expect(volumeSizes(disk, ofDisk)).toEqual([volumeBytes]);
  });

  test.each([diskBytes + mebibyte, 0])('is not believed when it is %d', (namedBytes) => {
    expect(volumeSizes(makeDisk(512, namedBytes).disk, ofDisk)).toEqual([]);
  });

  test('is what it takes to show a smaller volume whole', () => {
    const { disk, content } = makeDisk(512);
    const before = Buffer.from(content);
    maskDisk(disk, new GuardPlaces(volumeBytes));
    unmaskDisk(disk, ofDisk);
    expect(content.equals(before)).toBe(false);
    for (const size of volumeSizes(disk, ofDisk)) unmaskDisk(disk, new GuardPlaces(size));
    expect(content.equals(before)).toBe(true);
  });
});
