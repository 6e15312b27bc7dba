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

/**
 * Holds a claim on the device while `act` runs, so that nobody else comes to use it; without one where it is in use
 * already.
 */
export async function withClaim(path: string, act: () => Promise<void>): Promise<void> {
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_EXCL | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
  }
  try {
    await act();
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
