/** Every file system in every use: whether it may grow, and how. */
import { describe, expect, it, test } from 'vitest';
import type { DiskferryError } from '../../../app/base/error.ts';
import { growWay, needsCheck } from '../../../app/grow/content-decision.ts';
import type { FileSystemUse, GrowableType } from '../../../app/grow/found.ts';
import { fileSystemUses, growableTypes } from '../../../app/grow/found.ts';
import { makeFileSystem } from './made-found.ts';

function outcome(type: GrowableType, use: FileSystemUse, mayGrowMounted = true): string {
  try {
    return growWay(makeFileSystem({ type, use, mayGrowMounted, mountPoints: ['/home of all'] }));
  } catch (error) {
    return (error as DiskferryError).code;
  }
}

const refused = 'mount-not-supported';
const ext = { unmounted: 'privately', mounted: 'mounted', 'read-only': refused, hidden: refused, elsewhere: 'device-in-use' };
const online = { ...ext, mounted: 'privately', hidden: 'privately' };
const offline = { ...ext, unmounted: 'unmounted', mounted: refused };
const expected: Record<GrowableType, Record<FileSystemUse, string>> = {
  ...{ ext2: ext, ext3: ext, ext4: ext, xfs: online, btrfs: online, f2fs: offline, ntfs: offline },
};

describe.each(growableTypes)('%s', (type) => {
  test.each(fileSystemUses)('that is %s', (use) => {
    expect(outcome(type, use)).toBe(expected[type][use]);
  });
});

describe('ext4 where the kernel lets nobody grow it mounted', () => {
  test.each(fileSystemUses)('and that is %s', (use) => {
    expect(outcome('ext4', use, false)).toBe(offline[use]);
  });
});

it('names where it is mounted, with its spaces', () => {
  const system = makeFileSystem({ type: 'ntfs', use: 'mounted', mountPoints: ['/home of all', '/b'] });
  expect(() => growWay(system)).toThrow('/dev/sdb1: its ntfs is mounted on /home of all, /b, and grows only unmounted');
});

it('names the checker and what it is to check', () => {
  expect(needsCheck({ name: '/dev/sdb1', type: 'xfs' }, 'is not whole').context).toMatchObject({
    checker: 'xfs_repair /dev/sdb1',
  });
});
