import { describe, expect, test } from 'vitest';
import { isInside, mountOfPath, parseMountInfo, unescapeOctal } from '../../../app/devices/mounts.ts';

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

  test('tells what a bind mount picked', () => {
    expect(mounts[3]).toMatchObject({ root: '/sub/dir', majorMinor: '7:1' });
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
