/**
 * Storage of a made-up machine, for tests of what is decided over an inventory. Defaults suit a plain 1 GiB
 * disk.
 */
import type { BlockDevice, PartitionPlace } from '../../../app/devices/block-device.ts';
import { noContent } from '../../../app/devices/block-device.ts';
import type { Inventory, MountedVolume } from '../../../app/devices/inventory.ts';
import type { Storage } from '../../../app/devices/overlap.ts';

export function block(majorMinor: string): Storage & { kind: 'block' } {
  return { kind: 'block', majorMinor };
}

export function file(device: string, inode: number, path: string): Storage & { kind: 'file' } {
  return { kind: 'file', file: { device, inode }, path };
}

export function blockDevice(majorMinor: string, values: Partial<BlockDevice> = {}): BlockDevice {
  const kernelName = `device-${majorMinor.replace(':', '-')}`;
  return {
    majorMinor,
    kernelName,
    path: `/dev/${kernelName}`,
    kind: 'disk',
    sizeBytes: 1 << 30,
    logicalBlockBytes: 512,
    physicalBlockBytes: 512,
    readOnly: false,
    removable: false,
    isZoned: false,
    diskSequence: null,
    link: null,
    isRotational: null,
    partition: null,
    loop: null,
    mapper: null,
    slaves: [],
    model: null,
    vendor: null,
    serial: null,
    wwn: null,
    bus: null,
    content: noContent,
    usedBytes: null,
    partitionUuid: null,
    ...values,
  };
}

export function partition(majorMinor: string, place: PartitionPlace, sizeBytes: number): BlockDevice {
  return blockDevice(majorMinor, { kind: 'part', partition: place, sizeBytes });
}

export function loopOver(
  majorMinor: string,
  backing: Storage,
  values: Partial<BlockDevice> = {},
): BlockDevice {
  const isFile = backing.kind === 'file';
  const loop = {
    path: isFile ? backing.path : '/dev/somewhere',
    file: isFile ? backing.file : null,
    block: isFile ? null : backing.majorMinor,
    offsetBytes: 0,
    limitBytes: 0,
  };
  return blockDevice(majorMinor, {
    kind: 'loop',
    path: `/dev/loop${majorMinor.split(':')[1]}`,
    loop,
    ...values,
  });
}

export function mount(values: Partial<MountedVolume>): MountedVolume {
  return {
    id: 1,
    parentId: 0,
    majorMinor: '8:1',
    root: '/',
    target: '/',
    mountOptions: ['rw', 'relatime'],
    fsType: 'ext4',
    source: '/dev/sda1',
    superOptions: ['rw', 'errors=remount-ro'],
    propagation: { peerGroup: null, masterGroup: null, isUnbindable: false },
    devices: [],
    userOptions: [],
    ...values,
  };
}

export function inventoryOf(values: Partial<Inventory>): Inventory {
  return { devices: [], mounts: [], swaps: [], driveList: { drives: [], refusal: null }, ...values };
}
