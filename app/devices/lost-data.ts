/**
 * Whether a read has failed because the disk has lost what was there, so that other places may be read all the
 * same. Direct reads of a block device tell which of several things it was, the others just EIO.
 */

/** Linux, block/blk-core.c, blk_errors: medium, target, protection, time-out, and whatever else. */
const lostData = new Set<unknown>(['EIO', 'ENODATA', 'EREMOTEIO', 'EILSEQ', 'ETIMEDOUT']);

export function isLostData(error: unknown): boolean {
  return error instanceof Error && 'code' in error && lostData.has(error.code);
}
