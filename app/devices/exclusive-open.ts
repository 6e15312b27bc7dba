/**
 * Whether a block device is free: O_EXCL on a block device claims it for as long as it is open, and fails
 * with EBUSY while anything in the kernel holds it (mounts in any namespace, device-mapper, md, swap, another
 * Diskferry). The claim is given up at once: the engine makes its own.
 */
import { closeSync, constants, openSync } from 'node:fs';

/** Null when the device could be claimed, else the errno's name. */
export function tryExclusiveOpen(path: string): string | null {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_EXCL | constants.O_NONBLOCK);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
  closeSync(fd);
  return null;
}
