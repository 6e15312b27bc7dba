/** Whether a disk that is here now is one that a job has recorded. Pure. */
import type { DeviceIdentity, PlannedDisk } from '../contract/plan.ts';

/**
 * Whether a disk of a record is this one. Numbers that the kernel gives hold for one boot only; after it, and
 * after unplugging, a disk is known by what lies in it. In doubt it is the same: a refusal is easily
 * resolved.
 */
export function isSameDisk(recorded: PlannedDisk, now: PlannedDisk, isSameBoot: boolean): boolean {
  const [before, after] = [recorded.identity, now.identity];
  // An image that the job was to make is known by its path only.
  if (before === null || after === null) return recorded.path === now.path;
  if (isSameBoot && isSameAppearance(before, after)) return true;
  if (before.sizeBytes !== after.sizeBytes || (before.inode === null) !== (after.inode === null))
    return false;
  return before.inode === null ? hasSameName(before, after) : !isSameBoot && before.inode === after.inode;
}

/** Of two that are here now. */
export function isSamePlace({ identity: one }: PlannedDisk, { identity: other }: PlannedDisk): boolean {
  return one?.majorMinor === other?.majorMinor && one?.inode === other?.inode;
}

function isSameAppearance(one: DeviceIdentity, other: DeviceIdentity): boolean {
  return (['majorMinor', 'inode', 'diskSequence'] as const).every((key) => one[key] === other[key]);
}

/**
 * Serial and WWN decide where both tell one; only otherwise what the disk holds, which a copy holds as well.
 */
function hasSameName(one: DeviceIdentity, other: DeviceIdentity): boolean {
  const hardware = (['serial', 'wwn'] as const).filter((key) => one[key] !== null && other[key] !== null);
  if (hardware.length > 0) return hardware.every((key) => one[key] === other[key]);
  const keys = ['fileSystemUuid', 'partitionTableUuid'] as const;
  return keys.some(
    (key) => typeof one.content?.[key] === 'string' && one.content[key] === other.content?.[key],
  );
}
