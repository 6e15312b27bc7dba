/**
 * Disk images that Diskferry makes itself for `--create SIZE`: sparse, new, and readable by their owner only,
 * because they will hold whole file systems with everybody's files. One that nobody needs is removed, but
 * only if it is the very file that was made: what somebody else has put in its place is not ours.
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  openSync,
  unlinkSync,
} from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { DiskferryError } from '../base/error.ts';
import type { ErrorCode } from '../base/error.ts';

/** A file as the kernel knows it, whatever its name. */
interface FileNumbers {
  readonly dev: bigint;
  readonly ino: bigint;
}

export class NewImage {
  readonly #path: string;
  readonly #made: FileNumbers;

  constructor(path: string, made: FileNumbers) {
    this.#path = path;
    this.#made = made;
  }

  /** Throws `device-changed` when what was opened at the path is not the file that was made. */
  async assertIs(handle: FileHandle): Promise<void> {
    if (this.#isMade(await handle.stat({ bigint: true }))) return;
    const message = `${this.#path}: is not the image that was made for this job`;
    throw new DiskferryError('device-changed', message, { context: { device: this.#path } });
  }

  /** Does nothing when it has gone or something else is in its place. */
  remove(): void {
    const found = lstatSync(this.#path, { bigint: true, throwIfNoEntry: false });
    if (found !== undefined && this.#isMade(found)) unlinkSync(this.#path);
  }

  #isMade({ dev, ino }: FileNumbers): boolean {
    return dev === this.#made.dev && ino === this.#made.ino;
  }
}

/**
 * Makes the image; refuses when anything is at the path already. Call it only after the user confirmed the
 * plan.
 */
export function createImageFile(path: string, sizeBytes: number): NewImage {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
  let fd: number;
  try {
    fd = openSync(path, flags, 0o600);
  } catch (cause) {
    throw creationError(path, cause as NodeJS.ErrnoException);
  }
  const image = new NewImage(path, fstatSync(fd, { bigint: true }));
  try {
    ftruncateSync(fd, sizeBytes);
    fsyncSync(fd);
    return image;
  } catch (cause) {
    image.remove();
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
