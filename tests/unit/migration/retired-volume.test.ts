/** Whether a destination still shows what a move has left on it. */
import { describe, expect, test } from 'vitest';
import { noContent } from '../../../app/devices/block-device.ts';
import type { VolumeLook } from '../../../app/migration/retired-volume.ts';
import { isComparable, missingOf } from '../../../app/migration/retired-volume.ts';

const fileSystem = (fileSystemType: string, fileSystemUuid: string | null, label: string | null = null): VolumeLook['content'] => ({
  ...noContent,
  ...{ fileSystemType, fileSystemUuid, label },
});
const table = { ...noContent, partitionTableType: 'gpt', partitionTableUuid: 'table-1' };
const volume: VolumeLook = { content: fileSystem('ext4', 'one'), partitions: [] };
const disk: VolumeLook = {
  content: table,
  partitions: [
    { offsetBytes: 1048576, content: fileSystem('vfat', 'ABCD-1234') },
    { offsetBytes: 2097152, content: fileSystem('ext4', 'two') },
    { offsetBytes: 3145728, content: fileSystem('swap', 'three') },
    { offsetBytes: 4194304, content: noContent },
  ],
};
const withPart = (index: number, content: VolumeLook['content']): VolumeLook => ({
  ...disk,
  partitions: disk.partitions.map((part, at) => (at === index ? { ...part, content } : part)),
});

describe('a destination', () => {
  test.each([
    ['that shows the same', volume, volume],
    ['whose label has been changed', volume, { ...volume, content: fileSystem('ext4', 'one', 'new') }],
    ['that shows the same partitions', disk, disk],
    ['with one more partition', disk, { ...disk, partitions: [...disk.partitions, { offsetBytes: 9, content: noContent }] }],
    ['whose swap was made anew', disk, withPart(2, fileSystem('swap', 'other'))],
    ['with something in a partition that was empty', disk, withPart(3, fileSystem('xfs', 'four'))],
  ] satisfies [string, VolumeLook, VolumeLook][])('%s is as it was moved', (_, before, now) => {
    expect(missingOf(before, now)).toBeUndefined();
  });

  test.each([
    ['shows nothing', volume, { ...volume, content: noContent }, 'it was ext4 one and is nothing that is known'],
    ['has another file system', volume, { ...volume, content: fileSystem('ext4', 'other') }, 'it was ext4 one and is ext4 other'],
    ['has another type', volume, { ...volume, content: fileSystem('xfs', 'one') }, 'it was ext4 one and is xfs one'],
    ['has another table', disk, { ...disk, content: { ...table, partitionTableUuid: 'table-2' } }, 'it was gpt table-1 and is gpt table-2'],
    ['has lost a partition', disk, { ...disk, partitions: disk.partitions.slice(1) }, 'its partition at 1048576 is gone'],
    ['has another file system in a partition', disk, withPart(1, fileSystem('ext4', 'other')), 'its partition at 2097152: it was ext4 two and is ext4 other'],
  ] as const)('that %s is not', (_, before, now, expected) => {
    expect(missingOf(before, now)).toBe(expected);
  });

  test.each([
    [volume, true],
    [disk, true],
    [{ ...volume, content: noContent }, false],
    [{ ...disk, content: { ...noContent, partitionTableType: 'dos' } }, true],
    [{ ...withPart(0, noContent), content: noContent, partitions: disk.partitions.slice(2) }, false],
    [{ ...volume, content: fileSystem('ambiguous', 'one') }, false],
    [{ ...volume, content: fileSystem('ext4', null) }, false],
  ] as const)('can be known again by what it shows: %o, %s', (look, expected) => {
    expect(isComparable(look)).toBe(expected);
  });
});
