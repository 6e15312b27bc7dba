/**
 * Whether a block device is free: O_EXCL on a block device claims it for as long as it is open, and fails
 * with EBUSY while anything in the kernel holds it (mounts in any namespace, device-mapper, md, swap, another
 * Diskferry). The claim is given up at once: the engine makes its own.
 *
 * A program opens it: to open a sick disk may take minutes, in which a process that opens it itself answers nobody.
 */
import { closeSync, constants, openSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { builtFile } from '../base/built-file.ts';
import { DiskferryError } from '../base/error.ts';
import { headerMsMax, runProgram } from './program.ts';

/** Null when the device could be claimed, else the errno's name: ETIMEDOUT where it does not answer. */
export async function tryExclusiveOpen(path: string, timeMsMax = headerMsMax): Promise<string | null> {
  const words = ['claim', path];
  const end = await runProgram(builtFile('native/diskferry-harden'), words, timeMsMax).catch(orLate);
  if (end === undefined) return 'ETIMEDOUT';
  const [, errno] = /^(\d+)\n$/.exec(end.stdout) ?? [];
  if (errno === undefined)
    throw new DiskferryError('command-failed', `${path}: cannot be claimed: ${end.stderr.trim()}`);
  return errno === '0' ? null : getSystemErrorName(-Number(errno));
}

/** It was started, and had to be ended. */
function orLate(error: unknown): undefined {
  if (error instanceof DiskferryError && error.code === 'command-failed' && error.cause === undefined) return;
  throw error;
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
