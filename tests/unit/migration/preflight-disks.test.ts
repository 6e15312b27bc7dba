/** Refusals for what the two disks are by themselves and to each other. */
import { describe, expect, test } from 'vitest';
import { mebibyte } from '../../../app/base/units.ts';
import { noContent } from '../../../app/devices/block-device.ts';
import { decidePlan } from '../../../app/migration/plan.ts';
import { block, file, partition } from '../devices/made-inventory.ts';
import { diskFacts, host, imageFacts, makeFacts } from './made-facts.ts';
import {
  destination,
  expectRefusal,
  image,
  inventory,
  options,
  otherImage,
  source,
  sourceMount,
  sourcePart,
} from './refusals.ts';
import type { Refusal } from './refusals.ts';

const refusals: Refusal[] = [
  [
    'destination in a ZFS pool',
    'destination-is-member',
    'a member of a ZFS pool',
    destination({ content: { ...noContent, fileSystemType: 'zfs_member' } }),
  ],
  [
    'source missing',
    'device-missing',
    '/dev/x',
    { source: { path: '/dev/x', kind: 'missing', reason: 'ENOENT' } },
  ],
  [
    'destination missing',
    'device-missing',
    '/x',
    { destination: { path: '/x', kind: 'missing', reason: 'ENOENT' } },
  ],
  [
    'a directory',
    'device-not-a-disk',
    'directory',
    { source: { path: '/d', kind: 'not-a-disk', reason: 'directory' } },
  ],
  [
    'a fifo',
    'device-not-a-disk',
    'fifo',
    { destination: { path: '/f', kind: 'not-a-disk', reason: 'fifo' } },
  ],
  [
    'behind a closed folder',
    'device-permission-denied',
    '/x',
    { source: { path: '/x', kind: 'unreachable', reason: 'EACCES' } },
  ],
  [
    'behind a ring of links',
    'device-missing',
    'ELOOP',
    { source: { path: '/x', kind: 'unreachable', reason: 'ELOOP' } },
  ],
  ['source empty', 'device-empty', '/dev/sdb', source({ sizeBytes: 0 })],
  ['destination empty', 'device-empty', '/dev/sdc', destination({ sizeBytes: 0 })],
  [
    'image of 1000 bytes',
    'size-not-in-blocks',
    '512',
    { source: imageFacts('/a.img', 11, { sizeBytes: 1000 }) },
  ],
  [
    'part of a 4096-byte block',
    'size-not-in-blocks',
    '4096',
    source({ sizeBytes: 4096 * 9 + 512, logicalBlockBytes: 4096 }),
  ],
  [
    'destination image with part of a block of the source',
    'size-not-in-blocks',
    '4096',
    {
      ...source({ logicalBlockBytes: 4096 }),
      destination: imageFacts('/a.img', 11, { sizeBytes: 2 ** 31 + 512 }),
    },
  ],
  ['one disk twice', 'device-same', '/dev/sdc', destination({ storage: block('8:16') })],
  [
    'one file under two names',
    'device-same',
    '/l.img',
    { source: image, destination: imageFacts('/l.img', 11) },
  ],
  [
    'a partition of the source',
    'device-overlaps',
    '/dev/sdb',
    { ...inventory({ devices: [sourcePart] }), destination: diskFacts(sourcePart) },
  ],
  [
    'an image on the source',
    'device-overlaps',
    '/mnt/a.img',
    {
      ...inventory({ mounts: [sourceMount] }),
      destination: imageFacts('/mnt/a.img', 5, { storage: file('8:16', 5, '/mnt/a.img') }),
    },
  ],
  [
    'destination a sector smaller',
    'destination-too-small',
    '512 bytes less',
    destination({ sizeBytes: (1 << 30) - 512 }),
  ],
  ['4096-byte blocks onto 512', 'logical-block-size-differs', '4096', source({ logicalBlockBytes: 4096 })],
  [
    '512-byte blocks onto 4096',
    'logical-block-size-differs',
    '4096',
    destination({ logicalBlockBytes: 4096 }),
  ],
  [
    'an image onto 4096',
    'logical-block-size-differs',
    '4096',
    { source: image, ...destination({ logicalBlockBytes: 4096 }) },
  ],
  ['source read-only', 'device-read-only', '/dev/sdb', source({ readOnly: true })],
  ['destination read-only', 'device-read-only', '/dev/sdc', destination({ readOnly: true })],
  [
    'source not readable',
    'device-permission-denied',
    'reading',
    source({ readRefusal: 'EACCES', writeRefusal: 'EACCES' }),
  ],
  ['destination not writable', 'device-permission-denied', 'writing', destination({ writeRefusal: 'EPERM' })],
  [
    'an image of somebody else, without root',
    'device-permission-denied',
    '/srv/b.img',
    {
      source: image,
      destination: { ...otherImage, writeRefusal: 'EACCES' },
      host: { ...host, userId: 1000 },
    },
    { frontend: 'nbd-socket' },
  ],
];

describe('preflight, the two disks', () => {
  test('has nothing to object to two plain disks', () => {
    expect(decidePlan(makeFacts(), options).way).toBe('attach');
  });

  test.each(refusals)('refuses: %s (%s)', (...row) => {
    expectRefusal(row);
  });

  test('takes two partitions of one disk', () => {
    const other = partition('8:18', { diskMajorMinor: '8:16', offsetBytes: 1024 * mebibyte }, 512 * mebibyte);
    const facts = makeFacts({
      ...inventory({ devices: [sourcePart, other] }),
      source: diskFacts(sourcePart),
      destination: diskFacts(other),
    });
    expect(decidePlan(facts, options).way).toBe('attach');
  });

  test('lets root be asked for where only root may open the disks', () => {
    const facts = makeFacts({ ...source({ readRefusal: 'EACCES' }), host: { ...host, userId: 1000 } });
    expect(decidePlan(facts, options).needsRoot).toBe(true);
  });
});
