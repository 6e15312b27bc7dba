/**
 * Whether a Unix socket can be made at a path: asked before anything starts, because in the middle of a job
 * it would be too late to refuse. Something may still come in between; then the job fails with the same code.
 */
import { accessSync, constants, lstatSync } from 'node:fs';
import { dirname } from 'node:path';
import type { ErrorCode } from '../base/error.ts';
import { DiskferryError } from '../base/error.ts';

/** sun_path has 108 bytes, and the last one ends the string: unix(7). */
const pathBytesMax = 107;

/** Throws `code` for a path that no socket can have, whatever is there. */
export function requireSocketLength(path: string, code: ErrorCode): void {
  const lengthBytes = Buffer.byteLength(path);
  if (lengthBytes <= pathBytesMax) return;
  const message = `${path}: too long for a socket: ${lengthBytes} bytes, and ${pathBytesMax} are possible`;
  throw new DiskferryError(code, message, { context: { path } });
}

/** Throws `socket-unusable` unless a socket can be made at `path`. */
export function requireFreeSocketPath(path: string): void {
  requireSocketLength(path, 'socket-unusable');
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined)
    refuse(path, 'something exists there already');
  const directory = dirname(path);
  try {
    accessSync(directory, constants.W_OK | constants.X_OK);
  } catch (cause) {
    refuse(
      path,
      `${directory} cannot take it: ${(cause as NodeJS.ErrnoException).code ?? String(cause)}`,
      cause,
    );
  }
}

function refuse(path: string, why: string, cause?: unknown): never {
  throw new DiskferryError('socket-unusable', `${path}: no socket can be made there: ${why}`, {
    context: { path },
    cause,
  });
}
