/** Who lies on a device by device-mapper right now, with the tables that are to move. */
import { DiskferryError } from '../base/error.ts';
import { tableOf } from '../devices/device-mapper.ts';
import { withoutDirect } from '../devices/direct-part.ts';
import type { Segment } from '../devices/dm-table.ts';
import { movedTo } from '../devices/dm-table.ts';
import { mappedHoldersOf } from '../devices/mapped-holders.ts';
import type { MappedUser } from './mapped-volume.ts';

/** Other devices by which users may reach the same sectors, as `majorMinor`. */
export interface OtherWays {
  /** With the same sectors at the same places: whoever lies there is a user too. */
  readonly twin?: string | undefined;
  /** Parts of users may lead there (devices/direct-part.ts). */
  readonly direct?: string | undefined;
}

/** Throws `stack-not-supported` when one has a segment of a kind that cannot be moved. */
export async function readMappedUsers(
  majorMinor: string,
  { twin, direct }: OtherWays = {},
): Promise<MappedUser[]> {
  const names = [majorMinor, ...(twin === undefined ? [] : [twin])].flatMap((device) =>
    mappedHoldersOf(device),
  );
  return Promise.all(
    [...new Set(names)].map(async (name) => {
      const running = await tableOf(name);
      requireMovable(name, running);
      const united = twin === undefined ? running : movedTo(running, { from: twin, to: majorMinor });
      const segments = direct === undefined ? united : withoutDirect(united, majorMinor, direct);
      return { name, segments, running };
    }),
  );
}

function requireMovable(name: string, segments: readonly Segment[]): void {
  const foreign = segments.map(({ mapping }) => mapping).find(({ type }) => type === 'other');
  if (foreign?.type !== 'other') return;
  const message = `/dev/mapper/${name}: has a segment of the kind "${foreign.target}", which cannot be moved while it is in use`;
  throw new DiskferryError('stack-not-supported', message, { context: { device: `/dev/mapper/${name}` } });
}
