/** Reads a sysfs laid out by hand, for hardware that test machines lack. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readSysfsDevices } from '../../../app/devices/sysfs.ts';

let sysPath: string;

beforeEach(() => {
  sysPath = mkdtempSync(join(tmpdir(), 'diskferry-sysfs-'));
  mkdirSync(join(sysPath, 'class/block'), { recursive: true });
});

afterEach(() => {
  rmSync(sysPath, { recursive: true });
});

/** A device's folder with its attributes, and its link in class/block. */
function add(folder: string, attributes: Readonly<Record<string, string | number>>): void {
  const name = folder.split('/').at(-1) ?? '';
  const path = join(sysPath, 'devices', folder);
  mkdirSync(path, { recursive: true });
  for (const [attribute, value] of Object.entries(attributes)) {
    mkdirSync(dirname(join(path, attribute)), { recursive: true });
    writeFileSync(join(path, attribute), `${value}\n`);
  }
  symlinkSync(path, join(sysPath, 'class/block', name));
}

/** A link to itself. */
function endlessLink(path: string): string {
  symlinkSync(path, path);
  return path;
}

function addDisk(folder: string, dev: string, more: Readonly<Record<string, string | number>> = {}): void {
  const queue = { 'queue/logical_block_size': 512, 'queue/physical_block_size': 4096, 'queue/zoned': 'none' };
  add(folder, { dev, size: 2048, ro: 0, removable: 0, ...queue, ...more });
}

function read(path: string) {
  return readSysfsDevices(sysPath).find((device) => device.path === path);
}

describe('readSysfsDevices', () => {
  test('reads a disk', () => {
    addDisk('pci/nvme0n1', '259:0', { diskseq: 9, ro: 1 });
    expect(read('/dev/nvme0n1')).toMatchObject({
      majorMinor: '259:0',
      kind: 'disk',
      sizeBytes: 1048576,
      logicalBlockBytes: 512,
      physicalBlockBytes: 4096,
      readOnly: true,
      isZoned: false,
      diskSequence: '9',
      partition: null,
      mapper: null,
      slaves: [],
    });
  });

  test('gives a partition its place, and the block sizes and sequence of its disk', () => {
    addDisk('pci/nvme0n1', '259:0', { diskseq: 9 });
    add('pci/nvme0n1/nvme0n1p2', { dev: '259:2', size: 8, ro: 0, partition: 2, start: 2048 });
    expect(read('/dev/nvme0n1p2')).toMatchObject({
      kind: 'part',
      sizeBytes: 4096,
      physicalBlockBytes: 4096,
      diskSequence: '9',
      partition: { diskMajorMinor: '259:0', offsetBytes: 1048576 },
    });
  });

  test.each([
    ['LVM-abc', 'lvm'],
    ['CRYPT-LUKS2-abc', 'crypt'],
    ['mpath-abc', 'other'],
  ])('knows a device-mapper device (%s) as %s, by its own name, with its members', (uuid, kind) => {
    addDisk('pci/sda', '8:0');
    addDisk('virtual/dm-0', '253:0', { 'dm/name': 'vg-data', 'dm/uuid': uuid, 'slaves/sda/x': '' });
    expect(read('/dev/mapper/vg-data')).toMatchObject({
      kind,
      slaves: ['8:0'],
      mapper: { name: 'vg-data', uuid },
    });
  });

  test('knows RAID, zones, and slashes in names', () => {
    addDisk('virtual/md0', '9:0', { 'md/level': 'raid1' });
    addDisk('pci/sdz', '8:1', { 'queue/zoned': 'host-managed' });
    addDisk('pci/cciss!c0d0', '104:0');
    expect(read('/dev/md0')?.kind).toBe('raid');
    expect(read('/dev/sdz')?.isZoned).toBe(true);
    expect(read('/dev/cciss/c0d0')?.majorMinor).toBe('104:0');
  });

  test('leaves out what vanished while it was read', () => {
    addDisk('pci/sda', '8:0');
    add('pci/sdb', { dev: '8:16' });
    symlinkSync('/nowhere', join(sysPath, 'class/block', 'sdc'));
    expect(readSysfsDevices(sysPath).map(({ kernelName }) => kernelName)).toEqual(['sda']);
  });

  test('knows a loop device without a file as one of no size', () => {
    addDisk('virtual/loop7', '7:7', { size: 0 });
    expect(read('/dev/loop7')).toMatchObject({ kind: 'loop', sizeBytes: 0, loop: null });
  });

  test.each([
    ['when nothing is there', () => '/gone (deleted)'],
    // As on a file system that answers with an error.
    ['when it cannot be reached', () => endlessLink(join(sysPath, 'endless'))],
  ])('tells where the file of a loop device should be, even %s', (_, make) => {
    const path = make();
    addDisk('virtual/loop7', '7:7', { 'loop/backing_file': path, 'loop/offset': 512, 'loop/sizelimit': 0 });
    expect(read('/dev/loop7')?.loop).toEqual({
      path,
      file: null,
      block: null,
      offsetBytes: 512,
      limitBytes: 0,
    });
  });
});
