/** All has gone over that can be read, and some blocks cannot: which, for the decision and for the report. */
import { DiskferryError } from '../base/error.ts';
import type { Extent } from '../base/units.ts';
import type { UnreadableExtents } from '../flags/unreadable-blocks.ts';

/** So many are named in a message of one line. */
const namedMax = 3;

export class UnreadableError extends DiskferryError {
  readonly unreadable: UnreadableExtents;

  constructor(disk: 'source' | 'destination', device: string, unreadable: UnreadableExtents) {
    super(`${disk}-unreadable`, `${device}: ${unreadable.totalBytes} bytes cannot be read: ${namesOf(unreadable)}`, {
      context: { device, totalBytes: unreadable.totalBytes, extentCount: unreadable.extentCount },
    });
    this.unreadable = unreadable;
  }
}

function namesOf({ extents, extentCount }: UnreadableExtents): string {
  const named = extents.slice(0, namedMax).map(nameOf);
  const more = extentCount - named.length;
  return more > 0 ? `${named.join(', ')} and ${more} more places` : named.join(', ');
}

function nameOf({ offsetBytes, lengthBytes }: Extent): string {
  return `${lengthBytes} at ${offsetBytes}`;
}
