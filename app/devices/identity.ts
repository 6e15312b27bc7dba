/**
 * How a disk is recognised again: taken when the plan is made, compared right before the disk is opened for
 * writing (invariant 9). Between the two a cable may have been pulled and another disk may have got the same
 * name.
 */
import { DiskferryError } from '../base/error.ts';
import type { DeviceContent, DeviceIdentity } from '../contract/plan.ts';
import { contentSchema } from '../contract/plan.ts';

const contentKeys = Object.keys(contentSchema.shape) as (keyof DeviceContent)[];

/**
 * What differs, in words; empty when it is the same disk. Content that one of the two has not looked at is
 * not compared. Everything else must be equal, also where it is null: a disk does not gain or lose its
 * serial.
 */
export function identityDifferences(before: DeviceIdentity, now: DeviceIdentity): string[] {
  const differences: string[] = [];
  const compare = (what: string, one: string | number | null, other: string | number | null): void => {
    if (one !== other) differences.push(`${what} was ${one ?? 'none'} and is ${other ?? 'none'}`);
  };
  compare('device number', before.majorMinor, now.majorMinor);
  compare('inode', before.inode, now.inode);
  compare('size', before.sizeBytes, now.sizeBytes);
  compare('disk sequence number', before.diskSequence, now.diskSequence);
  compare('serial', before.serial, now.serial);
  compare('WWN', before.wwn, now.wwn);
  if (before.content !== null && now.content !== null) {
    for (const key of contentKeys) compare(key, before.content[key], now.content[key]);
  }
  return differences;
}

/** Throws `device-changed` unless both describe the same disk. */
export function assertSameDevice(before: DeviceIdentity, now: DeviceIdentity): void {
  const differences = identityDifferences(before, now);
  if (differences.length === 0) return;
  throw new DiskferryError(
    'device-changed',
    `${before.path}: is not the disk that the plan was made for: ${differences.join(', ')}`,
    { context: { device: before.path, differences } },
  );
}
