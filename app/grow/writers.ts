/**
 * Programs that have something of what is to grow open for writing: a virtual machine with the partition as
 * its disk, dd, fdisk. The kernel does not keep anybody from it, so an exclusive open succeeds beside them;
 * but such a program has a picture of its own of what lies there, and what it writes later would be written
 * over what has grown.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BlockDevice } from '../devices/block-device.ts';
import type { Inventory } from '../devices/inventory.ts';
import type { Storage } from '../devices/overlap.ts';
import { findWritersOf } from '../devices/processes.ts';
import type { FoundLayer, FoundWriter } from './found.ts';

/** Some programs only ask a disk for something; and one of a grow that was killed may be about to end. */
const passingMsMax = 3000;
const pollMs = 100;

export async function writersOf(
  inventory: Inventory,
  disk: BlockDevice,
  layers: readonly FoundLayer[],
): Promise<FoundWriter[]> {
  const storages = storagesOf(inventory, disk, layers);
  const untilMs = performance.now() + passingMsMax;
  for (;;) {
    const writers = (await findWritersOf(storages)).map(({ path, command, pid }) => ({ device: path, command, pid }));
    if (writers.length === 0 || performance.now() > untilMs) return writers;
    await sleep(pollMs);
  }
}

/** The disk, the file under a loop device, and each device above with something on it that may grow. Pure. */
export function storagesOf(inventory: Inventory, disk: BlockDevice, layers: readonly FoundLayer[]): Storage[] {
  const names = new Set(layers.flatMap((layer) => (layer.kind === 'luks' ? [layer.name, layer.below] : layer.name)));
  const above = inventory.devices.filter(({ path }) => names.has(path));
  const file = disk.loop?.file ?? null;
  return [
    ...[disk, ...above].map(({ majorMinor }): Storage => ({ kind: 'block', majorMinor })),
    ...(file === null || disk.loop === null ? [] : [{ kind: 'file', file, path: disk.loop.path } as const]),
  ];
}
