import { describe, expect, test } from 'vitest';
import type { DeviceIdentity } from '../../../app/contract/plan.ts';
import { noContent } from '../../../app/devices/block-device.ts';
import { assertSameDevice, identityDifferences } from '../../../app/devices/identity.ts';

const disk: DeviceIdentity = {
  path: '/dev/sdb',
  majorMinor: '8:16',
  inode: null,
  sizeBytes: 1 << 30,
  diskSequence: '12',
  serial: 'S1',
  wwn: null,
  content: { ...noContent, fileSystemType: 'ext4', fileSystemUuid: 'u1' },
};

describe('identity of a disk', () => {
  test('a disk is itself', () => {
    expect(identityDifferences(disk, { ...disk })).toEqual([]);
  });

  test.each<[string, Partial<DeviceIdentity>]>([
    ['device number', { majorMinor: '8:32' }],
    ['inode', { inode: 4 }],
    ['size', { sizeBytes: 2 << 30 }],
    ['disk sequence number', { diskSequence: '13' }],
    ['serial', { serial: null }],
    ['WWN', { wwn: 'w' }],
    ['fileSystemUuid', { content: { ...noContent, fileSystemType: 'ext4', fileSystemUuid: 'u2' } }],
    ['fileSystemType', { content: { ...noContent, fileSystemUuid: 'u1' } }],
    [
      'partitionTableUuid',
      { content: { ...disk.content, partitionTableUuid: 'p' } as DeviceIdentity['content'] },
    ],
  ])('is refused as changed when its %s differs', (what, change) => {
    expect(identityDifferences(disk, { ...disk, ...change }).join()).toContain(what);
    expect(() => assertSameDevice(disk, { ...disk, ...change })).toThrow(
      expect.objectContaining({
        code: 'device-changed',
        message: expect.stringContaining('/dev/sdb') as string,
      }),
    );
  });

  test('content that nobody had looked at is not compared', () => {
    expect(identityDifferences({ ...disk, content: null }, disk)).toEqual([]);
    expect(identityDifferences(disk, { ...disk, content: null })).toEqual([]);
  });

  test('content that appears on a disk that was empty is a difference', () => {
    expect(identityDifferences({ ...disk, content: noContent }, disk)).not.toEqual([]);
  });
});
