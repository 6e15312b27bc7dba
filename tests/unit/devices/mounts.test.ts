import { describe, expect, test } from 'vitest';
import { isInside, mountOfPath, parseMountInfo, unescapeOctal } from '../../../app/devices/mounts.ts';
import { parseUserOptions } from '../../../app/devices/user-mount-options.ts';

const text = String.raw`
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
61 27 0:44 /@home /mnt/with\040space\011tab\134slash rw,noatime shared:7 master:2 - btrfs /dev/loop0 rw,space_cache=v2,subvolid=256,subvol=/@home
62 27 7:1 /sub/dir /mnt/bind ro - xfs /dev/disk/by-label/gr\303\274n rw,noquota
`;

describe('parseMountInfo', () => {
  const mounts = parseMountInfo(text);

  test('keeps the order of mounting and leaves out empty lines', () => {
    expect(mounts.map(({ id }) => id)).toEqual([22, 27, 61, 62]);
  });

  test('undoes the octal escapes, byte by byte', () => {
    expect(mounts[2]?.target).toBe('/mnt/with space\ttab\\slash');
    expect(mounts[3]?.source).toBe('/dev/disk/by-label/grün');
  });

  test('reads past any number of optional fields', () => {
    expect(mounts[2]).toMatchObject({
      root: '/@home',
      fsType: 'btrfs',
      source: '/dev/loop0',
      mountOptions: ['rw', 'noatime'],
      superOptions: ['rw', 'space_cache=v2', 'subvolid=256', 'subvol=/@home'],
    });
  });

  test('tells how mounts inside are passed on', () => {
    const of = (peerGroup: number | null, masterGroup: number | null, isUnbindable = false) => ({
      propagation: { peerGroup, masterGroup, isUnbindable },
    });
    const unbindable = parseMountInfo('63 27 7:1 / /mnt/u ro unbindable - xfs /dev/loop1 rw')[0];
    expect([...mounts, unbindable]).toMatchObject([
      of(null, null),
      of(1, null),
      of(7, 2),
      of(null, null),
      of(null, null, true),
    ]);
  });

  test('tells what a bind mount picked', () => {
    expect(mounts[3]).toMatchObject({ root: '/sub/dir', majorMinor: '7:1' });
  });
});

describe('parseUserOptions', () => {
  test("leaves out the kernel's options, and keeps quoted commas together", () => {
    const options = 'rw,noatime,discard,_netdev,x-a.b="1,2"';
    const mount = { id: 44, options, 'vfs-options': 'rw,noatime', 'fs-options': 'rw,discard' };
    const nothing = { id: 45, options: null, 'vfs-options': null, 'fs-options': null };
    const found = parseUserOptions(JSON.stringify({ filesystems: [mount, nothing] }));
    expect([found.get(44)?.join(','), found.get(45)]).toEqual(['_netdev,x-a.b="1,2"', []]);
  });
});

describe('unescapeOctal', () => {
  test.each([
    [String.raw`a\040b`, 'a b'],
    [String.raw`\134040`, String.raw`\040`],
    [String.raw`a\9`, String.raw`a\9`],
    ['grün', 'grün'],
  ])('%s', (escaped, plain) => {
    expect(unescapeOctal(escaped)).toBe(plain);
  });
});

describe('mountOfPath', () => {
  const mounts = [
    { target: '/', n: 1 },
    { target: '/srv', n: 2 },
    { target: '/srv', n: 3 },
    { target: '/srv/a', n: 4 },
  ];

  test.each([
    ['/etc', 1],
    ['/srv', 3],
    ['/srvx', 1],
    ['/srv/ab', 3],
    ['/srv/a/b', 4],
  ])('%s lies on mount %i: the longest target, and of equal ones the last', (path, n) => {
    expect(mountOfPath(mounts, path)?.n).toBe(n);
  });

  test('a folder contains itself and what is below it, nothing else', () => {
    expect([
      isInside('/a', '/a'),
      isInside('/a/b', '/a'),
      isInside('/ab', '/a'),
      isInside('/ab', '/'),
    ]).toEqual([true, true, false, true]);
  });
});
