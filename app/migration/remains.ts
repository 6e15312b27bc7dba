/**
 * What a dead job has left in the kernel and in its directory: its control socket, a file served by nobody
 * with a loop device over it, a stopped ublk disk, device-mapper devices. Taken away before the job goes on,
 * but never from under somebody: who still has the dead virtual device must let it go first.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DiskferryError, messageOf } from '../base/error.ts';
import { controlSocketName } from '../contract/control.ts';
import { runCommand } from '../devices/command.ts';
import { removeMapped } from '../devices/device-mapper.ts';
import { findDevice } from '../devices/inventory.ts';
import type { Inventory } from '../devices/inventory.ts';
import { devicesOn } from '../devices/overlap.ts';
import { virtualFileName } from '../engine/fuse-device.ts';
import { LiveFiles } from '../engine/live-files.ts';
import { disconnectAbandoned } from '../engine/nbd-kernel-device.ts';
import { removeAbandoned } from '../engine/ublk-disk.ts';
import type { JobRecord } from './job-record.ts';

export interface DeadJob {
  readonly directory: string;
  readonly record: JobRecord;
}

/**
 * Who waits for a virtual device that nobody will serve, such as an unmount, gets errors: he could not let it go, nor what
 * lies on it. Before anything else that may refuse to go on with the job.
 */
export async function endWaits({ job, plan }: Pick<JobRecord, 'job' | 'plan'>): Promise<void> {
  if (!plan.needsRoot) return;
  await disconnectAbandoned(job);
  await removeAbandoned(job);
}

/** Throws `virtual-device-held` while somebody has the dead job's virtual device. */
export async function clearRemains(inventory: Inventory, dead: DeadJob): Promise<void> {
  const { directory, record } = dead;
  const left = await removeMappedRemains(inventory, record.job);
  await clearFuse(left, join(directory, virtualFileName));
  // Only for a successor; the journal is what a job goes on from.
  if (!LiveFiles.isHeld(record.job)) LiveFiles.discard(record.job);
  for (const path of [join(directory, controlSocketName), record.socketPath]) await rm(path, { force: true });
}

/**
 * In the order in which they lie on each other: what users have, what leads past, the two private ones. Returns
 * the inventory without them: what has been taken away uses nothing any more.
 */
async function removeMappedRemains(inventory: Inventory, job: string): Promise<Inventory> {
  let left = inventory;
  for (const suffix of ['', '-direct', '-source', '-destination']) {
    const name = `diskferry-${job}${suffix}`;
    const device = left.devices.find(({ mapper }) => mapper?.name === name);
    if (device === undefined) continue;
    requireUnused(left, device.majorMinor);
    await takeAway(device.path, () => removeMapped(name));
    left = { ...left, devices: left.devices.filter((one) => one !== device) };
  }
  return left;
}

async function clearFuse(inventory: Inventory, path: string): Promise<void> {
  for (const { loop, majorMinor, path: device } of inventory.devices) {
    if (loop?.path !== path) continue;
    requireUnused(inventory, majorMinor);
    await takeAway(device, () => runCommand('losetup', ['--detach', device], `detaching ${device}`));
  }
  if (inventory.mounts.some(({ target }) => target === path))
    await takeAway(path, () => runCommand('umount', ['--lazy', '--', path], `unmounting ${path}`));
  await rm(path, { force: true });
}

function requireUnused(inventory: Inventory, majorMinor: string): void {
  const path = findDevice(inventory, majorMinor)?.path ?? majorMinor;
  const mount = inventory.mounts.find(({ devices }) => devices.includes(majorMinor));
  const [holder] = devicesOn(inventory, { kind: 'block', majorMinor });
  const user = mount === undefined ? holder?.path : `what is mounted on ${mount.target}`;
  if (user === undefined) return;
  throw new DiskferryError(
    'virtual-device-held',
    `${path}: the virtual device of the dead job is still used by ${user}`,
    { context: { device: path, user } },
  );
}

async function takeAway(path: string, act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
  } catch (cause) {
    const message = `${path}: the dead job's device cannot be taken away: ${messageOf(cause)}`;
    throw new DiskferryError('virtual-device-held', message, { context: { device: path }, cause });
  }
}
