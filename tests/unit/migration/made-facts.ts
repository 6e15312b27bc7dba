/** Facts about a made-up machine on which a migration from /dev/sdb to /dev/sdc has nothing to object to. */
import { mebibyte } from '../../../app/base/units.ts';
import type { BlockDevice } from '../../../app/devices/block-device.ts';
import type { CloserFacts, DiskFacts } from '../../../app/devices/disk-facts.ts';
import type { Inventory } from '../../../app/devices/inventory.ts';
import type { Storage } from '../../../app/devices/overlap.ts';
import type { Facts, FolderFacts, HostFacts } from '../../../app/migration/facts.ts';
import { blockDevice, file, inventoryOf, mount } from '../devices/made-inventory.ts';

export const root = blockDevice('8:0', { path: '/dev/sda' });
export const sourceDevice = blockDevice('8:16', { path: '/dev/sdb', serial: 'S-B' });
export const destinationDevice = blockDevice('8:32', { path: '/dev/sdc', serial: 'S-C' });
export const rootMount = mount({ id: 1, target: '/', majorMinor: '8:0', devices: ['8:0'] });

export const nothingCloser: CloserFacts = { exclusiveRefusal: null, writers: [], memberCount: 1 };

export function diskFacts(device: BlockDevice, values: Partial<DiskFacts> = {}): DiskFacts {
  const { path, majorMinor, sizeBytes, diskSequence, serial, wwn, content, model, bus, readOnly } = device;
  const { logicalBlockBytes, physicalBlockBytes } = device;
  return {
    ...{ path, sizeBytes, logicalBlockBytes, physicalBlockBytes, readOnly, model, serial, bus, content },
    kind: 'block',
    storage: { kind: 'block', majorMinor },
    readRefusal: null,
    writeRefusal: null,
    identity: { path, majorMinor, inode: null, sizeBytes, diskSequence, serial, wwn, content },
    closer: null,
    ...values,
  };
}

/** An image file on the root disk. */
export function imageFacts(path: string, inode: number, values: Partial<DiskFacts> = {}): DiskFacts {
  const storage: Storage = file('8:0', inode, path);
  const facts = diskFacts(blockDevice('8:0', { path, serial: null }), { kind: 'file', storage });
  return { ...facts, logicalBlockBytes: null, physicalBlockBytes: null, content: null, ...values };
}

export const rootFolder: FolderFacts = {
  path: '/var/lib/diskferry',
  existing: '/var/lib',
  exists: true,
  device: '8:0',
  writeRefusal: null,
  availableBytes: 2 ** 40,
  occupiedBytes: 0,
};

export const host: HostFacts = {
  userId: 0,
  availableMemoryBytes: 4096 * mebibyte,
  hasFuse: true,
  hasLoopControl: true,
  kernelOffers: {
    ublk: { state: 'missing', why: 'this kernel has neither ublk nor its module ublk_drv' },
    nbd: { state: 'missing', why: 'this kernel has neither nbd nor its module nbd' },
  },
  hasDeviceMapper: false,
  ioUringDisabled: 0,
  systemPaths: ['/', '/boot', '/usr/bin/node'],
};

export function makeInventory(values: Partial<Inventory> = {}): Inventory {
  const { devices = [], mounts = [], swaps = [] } = values;
  return inventoryOf({
    devices: [root, sourceDevice, destinationDevice, ...devices],
    mounts: [rootMount, ...mounts],
    swaps,
  });
}

export function makeFacts(values: Partial<Facts> = {}): Facts {
  return {
    inventory: makeInventory(),
    source: diskFacts(sourceDevice),
    destination: diskFacts(destinationDevice),
    destinationFolder: null,
    stateDirectory: rootFolder,
    host,
    allocation: null,
    hiddenOnDestination: [],
    stack: null,
    ...values,
  };
}
