/**
 * What a person said yes to must still be so when the job starts, however long they thought about it. The
 * plan is made anew then, which repeats preflight; here the two are compared in what was confirmed: which
 * disks, and how the source is taken out of its users' hands. The rest, such as warnings and mount options,
 * is taken as it is now.
 */
import { DiskferryError } from '../base/error.ts';
import type { Plan, PlannedDisk } from '../contract/plan.ts';
import { assertSameDevice } from '../devices/identity.ts';

/** Throws `device-changed` when `now` is not what was confirmed. */
export function assertAsConfirmed(confirmed: Plan, now: Plan): void {
  assertSameDisk(confirmed.source, now.source);
  assertSameDisk(confirmed.destination, now.destination);
  const [before, after] = [confirmed, now].map(usedAt);
  if (before === after) return;
  const { path } = confirmed.source;
  const message = `${path}: has changed since the plan was made: it was ${before} and is ${after}`;
  throw new DiskferryError('device-changed', message, { context: { device: path } });
}

/** An image that is to be made has no identity; preflight has seen that nothing is there still. */
function assertSameDisk(confirmed: PlannedDisk, now: PlannedDisk): void {
  if (confirmed.identity !== null && now.identity !== null)
    assertSameDevice(confirmed.identity, now.identity);
}

function usedAt({ mounts }: Plan): string {
  return mounts.length === 0
    ? 'not mounted'
    : `mounted on ${mounts.map(({ target }) => target).join(' and ')}`;
}
