/**
 * What has crossed completely from the disk's start on: the extent that may be served straight by the
 * destination, past the router (*direct*). The copy loop runs from the start, so this is nearly all that has
 * crossed.
 *
 * Flags are never cleared, so an extent that was found stays right for as long as the job lives. Once it is
 * direct nobody here sees what is written to it any more: all of it counts as written from before that
 * moment, so that undo carries all of it back. In between comes a flush of the destination: what was copied
 * there must not hang on a later flush, which may be the consumer's own, and whose failure nobody here would
 * see.
 */
import { blockBytes } from '../base/units.ts';
import type { FlagMap } from './flag-map.ts';

/** The length of the extent, in bytes. The disk's last block may be short. */
export function crossedPrefixBytes(flags: FlagMap, sizeBytes: number): number {
  return Math.min(sizeBytes, flags.nextClear(0) * blockBytes);
}

export interface ChangedSince {
  readonly written: FlagMap;
  readonly copied: FlagMap;
}

/** From now on anything in the extent may be changed unseen. */
export function markDirect({ written, copied }: ChangedSince, lengthBytes: number): void {
  const end = Math.ceil(lengthBytes / blockBytes);
  written.setRange(0, end);
  copied.clearRange(0, end);
}
