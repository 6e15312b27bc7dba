/**
 * Nodes under /dev of devices that the kernel has just made. With devtmpfs they are there at once; where /dev
 * is a plain directory, as in some containers, we make them ourselves, from the numbers in sysfs.
 */
import { readFileSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { addon } from '../../native/binding.ts';
import { majorMinorOf } from './block-device.ts';

export interface DeviceNode {
  readonly path: string;
  readonly type: 'block' | 'character';
  /** The device's folder in sysfs. */
  readonly sysfsPath: string;
}

/** Returns whether it had to be made. A node of that name that leads elsewhere is replaced. */
export async function ensureNode({ path, type, sysfsPath }: DeviceNode): Promise<boolean> {
  const majorMinor = readFileSync(`${sysfsPath}/dev`, 'utf8').trim();
  if (leadsTo(path, type, majorMinor)) return false;
  await rm(path, { force: true });
  const [major = 0, minor = 0] = majorMinor.split(':').map(Number);
  if (type === 'block') addon().makeBlockNode(path, major, minor);
  else addon().makeCharacterNode(path, major, minor);
  return true;
}

function leadsTo(path: string, type: DeviceNode['type'], majorMinor: string): boolean {
  const status = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (status === undefined) return false;
  const isOfType = type === 'block' ? status.isBlockDevice() : status.isCharacterDevice();
  return isOfType && majorMinorOf(status.rdev) === majorMinor;
}
