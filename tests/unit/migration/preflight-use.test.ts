/**
 * Refusals for who uses the disks: the running system, mounts, swap, device-mapper, loop devices, processes.
 */
import { describe, expect, test } from 'vitest';
import { noContent } from '../../../app/devices/block-device.ts';
import { mebibyte } from '../../../app/base/units.ts';
import { decidePlan } from '../../../app/migration/plan.ts';
import { blockDevice, file, loopOver, mount, partition } from '../devices/made-inventory.ts';
import {
  destinationDevice,
  diskFacts,
  makeFacts,
  makeInventory,
  nothingCloser,
  sourceDevice,
} from './made-facts.ts';
import {
  destination,
  expectRefusal,
  image,
  inventory,
  options,
  source,
  sourceMount,
  sourcePart,
} from './refusals.ts';
import type { Refusal } from './refusals.ts';

const writer = { pid: 42, command: 'qemu', how: 'open file', path: '/dev/sdb' } as const;
const destinationPart = partition('8:33', { diskMajorMinor: '8:32', offsetBytes: mebibyte }, 512 * mebibyte);

/** What the fuse frontend of another job makes: a file that is a mount, and a loop device over it. */
const virtualFile = file('0:70', 2, '/job/virtual-device');
const virtualDevice = {
  devices: [loopOver('7:9', virtualFile)],
  mounts: [mount({ target: '/job/virtual-device', majorMinor: '0:70', fsType: 'fuse.diskferry' })],
};

const refusals: Refusal[] = [
  [
    'the virtual device of another job as source',
    'device-in-use',
    'running migration',
    { ...inventory(virtualDevice), source: diskFacts(loopOver('7:9', virtualFile)) },
  ],
  [
    'the virtual device of another job as destination',
    'device-in-use',
    'running migration',
    { ...inventory(virtualDevice), destination: diskFacts(loopOver('7:9', virtualFile)) },
  ],
  [
    'the disk of the running system',
    'device-holds-system',
    '/',
    { source: diskFacts(blockDevice('8:0', { path: '/dev/sda' })) },
  ],
  [
    'the running system as destination',
    'device-holds-system',
    '/',
    { destination: diskFacts(blockDevice('8:0', { path: '/dev/sda' })) },
  ],
  [
    'the disk that node runs from',
    'device-holds-system',
    '/usr/bin/node',
    inventory({ mounts: [{ ...sourceMount, target: '/usr' }] }),
  ],
  [
    'source is swap',
    'device-is-swap',
    '/dev/sdb',
    inventory({ swaps: [{ path: '/dev/sdb', block: '8:16', file: null }] }),
  ],
  [
    'a swap file on the source',
    'device-is-swap',
    '/mnt/swap',
    inventory({
      mounts: [sourceMount],
      swaps: [{ path: '/mnt/swap', block: null, file: { device: '8:16', inode: 3 } }],
    }),
  ],
  [
    'destination is swap',
    'device-is-swap',
    '/dev/sdc',
    inventory({ swaps: [{ path: '/dev/sdc', block: '8:32', file: null }] }),
  ],
  [
    'a partition of the destination is swap',
    'device-is-swap',
    'device-8-33',
    inventory({
      devices: [destinationPart],
      swaps: [{ path: destinationPart.path, block: '8:33', file: null }],
    }),
  ],
  [
    'source image attached to a loop device',
    'device-has-loop',
    '/dev/loop5',
    { ...inventory({ devices: [loopOver('7:5', image.storage)] }), source: image },
  ],
  [
    'destination image attached to a loop device',
    'device-has-loop',
    '/dev/loop5',
    { ...inventory({ devices: [loopOver('7:5', image.storage)] }), destination: image },
  ],
  [
    'source in a RAID',
    'content-not-supported',
    'RAID',
    source({ content: { ...noContent, fileSystemType: 'linux_raid_member' } }),
  ],
  [
    'a partition of the source in a pool',
    'content-not-supported',
    'ZFS',
    inventory({ devices: [{ ...sourcePart, content: { ...noContent, fileSystemType: 'zfs_member' } }] }),
  ],
  [
    'a Btrfs of two devices',
    'content-not-supported',
    '2',
    source({ closer: { ...nothingCloser, memberCount: 2 } }),
  ],
  [
    'a zoned source',
    'content-not-supported',
    'zoned',
    { inventory: { ...makeInventory(), devices: [{ ...sourceDevice, isZoned: true }, destinationDevice] } },
  ],
  [
    'a zoned destination',
    'content-not-supported',
    'zoned',
    { inventory: { ...makeInventory(), devices: [sourceDevice, { ...destinationDevice, isZoned: true }] } },
  ],
  [
    'LVM on the source',
    'source-has-holders',
    '/dev/mapper/vg-a',
    inventory({
      devices: [blockDevice('253:0', { kind: 'lvm', path: '/dev/mapper/vg-a', slaves: ['8:16'] })],
    }),
  ],
  [
    'LVM on a partition of the source',
    'source-has-holders',
    '/dev/mapper/vg-a',
    inventory({
      devices: [
        sourcePart,
        blockDevice('253:0', { kind: 'lvm', path: '/dev/mapper/vg-a', slaves: ['8:17'] }),
      ],
    }),
  ],
  [
    'a loop device over a file on the source',
    'source-has-holders',
    '/dev/loop5',
    inventory({ mounts: [sourceMount], devices: [loopOver('7:5', file('8:16', 9, '/mnt/c.img'))] }),
  ],
  [
    'a bind mount of a folder',
    'mount-not-supported',
    '/mnt',
    inventory({ mounts: [{ ...sourceMount, root: '/home' }] }),
  ],
  [
    'a FUSE driver',
    'mount-not-supported',
    'fuseblk',
    inventory({ mounts: [{ ...sourceMount, fsType: 'fuseblk' }] }),
  ],
  [
    'a mounted partition of the source',
    'mount-not-supported',
    '/p',
    inventory({ devices: [sourcePart], mounts: [mount({ target: '/p', devices: ['8:17'] })] }),
  ],
  [
    'another file system mounted inside',
    'mount-not-supported',
    '/mnt/in',
    inventory({ mounts: [sourceMount, mount({ id: 8, parentId: 7, target: '/mnt/in', devices: [] })] }),
  ],
  [
    'a Btrfs mounted over two devices',
    'mount-not-supported',
    '/mnt',
    inventory({ mounts: [{ ...sourceMount, devices: ['8:16', '8:32'] }] }),
  ],
  [
    'source open elsewhere',
    'device-in-use',
    'qemu',
    source({ closer: { ...nothingCloser, writers: [writer] } }),
  ],
  [
    'destination open elsewhere',
    'device-in-use',
    'process 42',
    destination({ closer: { ...nothingCloser, writers: [writer] } }),
  ],
  [
    'source claimed',
    'device-in-use',
    '/dev/sdb',
    source({ closer: { ...nothingCloser, exclusiveRefusal: 'EBUSY' } }),
  ],
  [
    'destination claimed',
    'device-in-use',
    '/dev/sdc',
    destination({ closer: { ...nothingCloser, exclusiveRefusal: 'EBUSY' } }),
  ],
  [
    'destination mounted',
    'destination-mounted',
    '/x',
    inventory({ mounts: [mount({ target: '/x', devices: ['8:32'] })] }),
  ],
  [
    'a partition of the destination mounted',
    'destination-mounted',
    '/x',
    inventory({ devices: [destinationPart], mounts: [mount({ target: '/x', devices: ['8:33'] })] }),
  ],
  [
    'LVM on the destination',
    'device-in-use',
    'vg-b',
    inventory({
      devices: [blockDevice('253:1', { kind: 'lvm', path: '/dev/mapper/vg-b', slaves: ['8:32'] })],
    }),
  ],
];

describe('preflight, the use of the disks', () => {
  test.each(refusals)('refuses: %s (%s)', (...row) => {
    expectRefusal(row);
  });

  test('does not take the mount of a mounted source for a claim', () => {
    const facts = makeFacts({
      ...inventory({ mounts: [sourceMount] }),
      ...source({ closer: { ...nothingCloser, exclusiveRefusal: 'EBUSY' } }),
    });
    expect(decidePlan(facts, options).way).toBe('remount');
  });
});
