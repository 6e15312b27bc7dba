/** Refusals for what the machine lacks, for what this version cannot do, and for --create. */
import { describe, expect, test } from 'vitest';
import { mebibyte } from '../../../app/base/units.ts';
import { decidePlan } from '../../../app/migration/plan.ts';
import { loopOver, partition } from '../devices/made-inventory.ts';
import { diskFacts, host, makeFacts, rootFolder } from './made-facts.ts';
import { absent, expectRefusal, image, inventory, options, otherImage, sourceMount } from './refusals.ts';
import type { Refusal } from './refusals.ts';

const refusals: Refusal[] = [
  ['no /dev/fuse', 'no-frontend', '/dev/fuse', { host: { ...host, hasFuse: false } }],
  ['no /dev/loop-control', 'no-frontend', '/dev/loop-control', { host: { ...host, hasLoopControl: false } }],
  ['a frontend of another version', 'no-frontend', 'iscsi', {}, { frontend: 'iscsi' }],
  ['a kernel without ublk', 'no-frontend', 'ublk_drv', {}, { frontend: 'ublk' }],
  ['a kernel without nbd', 'no-frontend', 'module nbd', {}, { frontend: 'nbd' }],
  [
    'a mounted source without a block device',
    'no-frontend',
    'nbd-socket',
    inventory({ mounts: [sourceMount] }),
    { frontend: 'nbd-socket' },
  ],
  ['mirror mode', 'mode-not-supported', 'mirror', {}, { mode: 'mirror' }],
  ['io_uring forbidden', 'no-io-uring', 'io_uring_disabled', { host: { ...host, ioUringDisabled: 2 } }],
  [
    'io_uring for root only',
    'no-io-uring',
    'io_uring_disabled',
    { source: image, destination: otherImage, host: { ...host, userId: 1000, ioUringDisabled: 1 } },
    { frontend: 'nbd-socket' },
  ],
  [
    'too little memory',
    'memory-too-small',
    'MiB',
    { host: { ...host, availableMemoryBytes: 130 * mebibyte } },
  ],
  ['a real source without a journal', 'no-journal-yet', '/dev/sdb', {}, { allowsNoJournal: false }],
  [
    'a real destination without a journal',
    'no-journal-yet',
    '/dev/sdc',
    { source: image },
    { allowsNoJournal: false },
  ],
  ['--create of what exists', 'destination-exists', '/dev/sdc', {}, { createBytes: 1 << 30 }],
  [
    '--create of less',
    'destination-too-small',
    '/n.img',
    { destination: absent('/n.img'), destinationFolder: rootFolder },
    { createBytes: 1 << 20 },
  ],
  [
    '--create in no folder',
    'device-missing',
    '/n.img',
    { destination: absent('/n.img'), destinationFolder: { ...rootFolder, exists: false } },
    { createBytes: 1 << 30 },
  ],
  [
    '--create in a closed folder',
    'device-permission-denied',
    '/n.img',
    { destination: absent('/n.img'), destinationFolder: { ...rootFolder, writeRefusal: 'EACCES' } },
    { createBytes: 1 << 30 },
  ],
  [
    '--create on the source',
    'device-overlaps',
    '/mnt/n.img',
    {
      ...inventory({ mounts: [sourceMount] }),
      destination: absent('/mnt/n.img'),
      destinationFolder: { ...rootFolder, existing: '/mnt', device: '8:16' },
    },
    { createBytes: 1 << 30 },
  ],
];

describe('preflight, the machine and the options', () => {
  test.each(refusals)('refuses: %s (%s)', (...row) => {
    expectRefusal(row);
  });

  test('lets image files and loop devices, with their partitions, go without a journal', () => {
    const loop = loopOver('7:5', image.storage);
    const part = partition('259:0', { diskMajorMinor: '7:5', offsetBytes: mebibyte }, 512 * mebibyte);
    const facts = makeFacts({
      ...inventory({ devices: [loop, part] }),
      source: diskFacts(part),
      destination: otherImage,
    });
    expect(decidePlan(facts, { ...options, allowsNoJournal: false }).destination.path).toBe('/srv/b.img');
  });

  test('takes a sparse 16 TiB image on a machine with 2 GiB of free memory', () => {
    const sizeBytes = 16 * 2 ** 40;
    const facts = makeFacts({
      source: { ...image, sizeBytes },
      destination: { ...otherImage, sizeBytes },
      destinationFolder: rootFolder,
      host: { ...host, availableMemoryBytes: 2048 * mebibyte },
    });
    expect(decidePlan(facts, options).memoryBytes).toBe((1728 + 130) * mebibyte);
  });
});
