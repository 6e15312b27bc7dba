/** The order in which a disk is hidden and shown, and what becomes of reads that fail. */
import { readSync } from 'node:fs';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { DiskferryError } from '../../../app/base/error.ts';
import { mebibyte } from '../../../app/base/units.ts';
import type { PlainDisk } from '../../../app/devices/disk-mask.ts';
import { findIdentities, maskDisk, plainDisk, RefusedPlaces, unmaskDisk } from '../../../app/devices/disk-mask.ts';
import { GuardPlaces } from '../../../app/devices/guard-places.ts';

vi.mock('node:fs', async (importOriginal) => ({ ...(await importOriginal<object>()), readSync: vi.fn() }));

const sizeBytes = 2 * mebibyte;
const places = new GuardPlaces(sizeBytes);
const backup = sizeBytes - 512;

let content: Uint8Array;
let written: number[];
let bad: number[];
let readOnly: number[];
let syncs: number;

const disk: PlainDisk = {
  path: '/dev/test',
  logicalBlockBytes: 512,
  read: (bytes, at) => {
    if (bad.includes(at)) return false;
    bytes.set(content.subarray(at, at + bytes.length));
    return true;
  },
  write: (bytes, at) => {
    if (readOnly.includes(at)) throw new DiskferryError('mask-failed', `/dev/test: write at ${at} failed: EIO`);
    content.set(bytes, at);
    written.push(at);
  },
  sync: () => {
    syncs += 1;
  },
};

beforeEach(() => {
  content = new Uint8Array(sizeBytes);
  for (const at of [512, backup]) content.set(Buffer.from('EFI PART'), at);
  [written, bad, readOnly, syncs] = [[], [], [], 0];
});

describe('a disk', () => {
  test('is hidden from its start on, and shown from its end on', () => {
    const before = content.slice();
    expect(maskDisk(disk, places)).toBe(2);
    expect(unmaskDisk(disk, places)).toBe(2);
    expect(written).toEqual([512, backup, backup, 512]);
    expect(Buffer.compare(content, before)).toBe(0);
  });

  test('is hidden where it can be read', () => {
    bad = [512, 4096];
    expect(maskDisk(disk, places)).toBe(1);
    expect(written).toEqual([backup]);
  });

  test('is shown where it can be written, and durably, whatever else refuses', () => {
    maskDisk(disk, places);
    [readOnly, written, syncs] = [[backup], [], 0];
    expect(() => unmaskDisk(disk, places)).toThrow(RefusedPlaces);
    expect([written, syncs]).toEqual([[512], 1]);
    readOnly = [512, backup];
    maskDisk({ ...disk, write: (bytes, at) => content.set(bytes, at) }, places);
    expect(() => unmaskDisk(disk, places)).toThrow(/write at .* EIO, and so did 1 more of the places/);
  });

  test('that refuses to be hidden is not hidden any further', () => {
    readOnly = [512];
    expect(() => maskDisk(disk, places)).toThrow(/write at 512 failed/);
    expect(written).toEqual([]);
  });

  test('is made durable also when whoever has hidden it was killed before he could do that', () => {
    maskDisk(disk, places);
    maskDisk(disk, places);
    expect([written, syncs]).toEqual([[512, backup], 2]);
  });

  test('of which nothing can be read is not said to show nothing', () => {
    bad = Array.from({ length: places.count }, (_, place) => places.offsetOf(place));
    expect(() => findIdentities(disk, places)).toThrow(/nothing of what could identify it can be read/);
  });
});

describe('a read that fails', () => {
  const failing = (code: string): boolean => {
    vi.mocked(readSync).mockImplementation(() => {
      throw Object.assign(new Error(`${code}: read`), { code });
    });
    return plainDisk(0, '/dev/test', 512).read(new Uint8Array(512), 0);
  };

  // What the block layer makes of a bad sector of a real disk, besides what loop and device-mapper give.
  test.each(['EIO', 'ENODATA', 'EREMOTEIO', 'EILSEQ', 'ETIMEDOUT'])('with %s leaves its place out', (code) => {
    expect(failing(code)).toBe(false);
  });

  test.each(['ENXIO', 'ENODEV', 'EBADF', 'EINVAL'])('with %s is no matter of its place', (code) => {
    expect(() => failing(code)).toThrow(expect.objectContaining({ code: 'identity-unreadable' }) as Error);
  });
});
