/**
 * Disk images that Diskferry makes itself for `--create SIZE`: sparse, new, and readable by their owner only,
 * because they will hold whole file systems with everybody's files.
 */
import { closeSync, constants, fsyncSync, ftruncateSync, openSync, unlinkSync } from 'node:fs';
import { DiskferryError } from '../base/error.ts';
import type { ErrorCode } from '../base/error.ts';

/**
 * Makes the image; refuses when anything is at the path already. Call it only after the user confirmed the
 * plan.
 */
export function createImageFile(path: string, sizeBytes: number): void {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
  let fd: number;
  try {
    fd = openSync(path, flags, 0o600);
  } catch (cause) {
    throw creationError(path, cause as NodeJS.ErrnoException);
  }
  try {
    ftruncateSync(fd, sizeBytes);
    fsyncSync(fd);
  } catch (cause) {
    unlinkSync(path);
    throw creationError(path, cause as NodeJS.ErrnoException);
  } finally {
    closeSync(fd);
  }
}

const creationCodes: Readonly<Record<string, ErrorCode>> = {
  EEXIST: 'destination-exists',
  EACCES: 'device-permission-denied',
  EPERM: 'device-permission-denied',
  EROFS: 'device-read-only',
  ENOENT: 'device-missing',
  ENOTDIR: 'device-missing',
  // No file system here holds a file of that size.
  EFBIG: 'destination-too-small',
  ENOSPC: 'destination-too-small',
};

function creationError(path: string, cause: NodeJS.ErrnoException): DiskferryError {
  const code = creationCodes[cause.code ?? ''] ?? 'destination-write-failed';
  return new DiskferryError(code, `${path}: could not create the image: ${cause.message}`, {
    context: { device: path },
    cause,
  });
}
