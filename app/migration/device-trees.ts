/**
 * What `devices` shows: the machine's disks as trees, with what lies on them and why a device can or cannot
 * be the source or the destination. Nothing is left out but what has no size (empty loop devices and card
 * readers).
 */
import { adviceFor } from '../contract/advice.ts';
import type { DeviceTree, Eligibility } from '../contract/device-tree.ts';
import type { BlockDevice } from '../devices/block-device.ts';
import { readBlockFacts } from '../devices/disk-facts.ts';
import type { Inventory } from '../devices/inventory.ts';
import { readInventory } from '../devices/inventory.ts';
import { readSystemPaths } from './facts.ts';
import { soloObjection } from './preflight.ts';

/** Of the machine as it is now. Without root, what lies on disks that udev has no record of stays unknown. */
export async function readDeviceTrees(): Promise<DeviceTree[]> {
  return makeDeviceTrees(await readInventory({ probes: true }), readSystemPaths());
}

/** One tree per device that lies on no other one, in the order of their names. */
export function makeDeviceTrees(inventory: Inventory, systemPaths: readonly string[]): DeviceTree[] {
  const roots = inventory.devices.filter(
    (device) => device.sizeBytes > 0 && lowerDevices(device).length === 0,
  );
  return sorted(roots).map((root) => makeTree(inventory, root, systemPaths));
}

function sorted(devices: readonly BlockDevice[]): BlockDevice[] {
  return [...devices].sort((one, other) => one.path.localeCompare(other.path, 'en', { numeric: true }));
}

/** What the device lies on directly; a loop device over a file stands for itself. */
function lowerDevices(device: BlockDevice): string[] {
  return [...device.slaves, device.partition?.diskMajorMinor, device.loop?.block].flatMap(
    (lower) => lower ?? [],
  );
}

function makeTree(inventory: Inventory, device: BlockDevice, systemPaths: readonly string[]): DeviceTree {
  const { path, kind, majorMinor, sizeBytes, logicalBlockBytes, physicalBlockBytes, readOnly, removable } =
    device;
  const { model, vendor, serial, wwn, bus, content, usedBytes } = device;
  const mounts = inventory.mounts.filter(({ devices }) => devices.includes(majorMinor));
  const children = inventory.devices.filter((other) => lowerDevices(other).includes(majorMinor));
  return {
    ...{ path, kind, majorMinor, sizeBytes, logicalBlockBytes, physicalBlockBytes, readOnly, removable },
    ...{ model, vendor, serial, wwn, bus, content, usedBytes },
    mountPoints: mounts.map(({ target }) => target),
    isSwap: inventory.swaps.some(({ block }) => block === majorMinor),
    offsetBytes: device.partition?.offsetBytes ?? null,
    backingFile: device.loop?.path ?? null,
    asSource: eligibility(inventory, device, 'source', systemPaths),
    asDestination: eligibility(inventory, device, 'destination', systemPaths),
    children: sorted(children).map((child) => makeTree(inventory, child, systemPaths)),
  };
}

function eligibility(
  inventory: Inventory,
  device: BlockDevice,
  role: 'source' | 'destination',
  systemPaths: readonly string[],
): Eligibility {
  const disk = readBlockFacts(device, device.path);
  const objection = soloObjection(inventory, disk, role, systemPaths);
  if (objection === undefined) return { eligible: true, reason: null };
  const { code, message } = objection;
  return { eligible: false, reason: { code, message, advice: adviceFor(objection).advice } };
}
