/** Which version of Linux runs, for what a kernel does not say of itself. */
import { release } from 'node:os';

/** Of a release such as `6.12.94+deb13-cloud-amd64`. */
export function isKernelSince(major: number, minor: number, kernelRelease = release()): boolean {
  const [majorNow = 0, minorNow = 0] = kernelRelease.split('.').map((part) => Number.parseInt(part, 10));
  return majorNow > major || (majorNow === major && minorNow >= minor);
}
