/**
 * Who uses a disk, for frontends whose kernel side does not count its users: processes that have it or one of
 * its partitions open, and loop devices on it. What claims it (mounts, device-mapper, swap) shows in an
 * exclusive open, which the caller makes first, so that no more of that kind can come.
 */
import { findOpeners } from './processes.ts';
import { readSysfsDevices } from './sysfs.ts';

/** In words for people; undefined when nobody uses it but us, who have it open as `ownFd`. */
export function findDiskUse(majorMinor: string, ownFd: number): string | undefined {
  const devices = readSysfsDevices();
  const parts = devices.filter(({ partition }) => partition?.diskMajorMinor === majorMinor);
  const numbers = new Set([majorMinor, ...parts.map((part) => part.majorMinor)]);
  const loop = devices.find((device) => numbers.has(device.loop?.block ?? ''));
  if (loop !== undefined) return `${loop.path} lies on it`;
  const [opener] = findOpeners(numbers, ownFd);
  return opener === undefined ? undefined : `${opener.command} (process ${opener.pid}) has it open`;
}
