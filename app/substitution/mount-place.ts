/**
 * Makes one mount of the volume again as it was, on whichever device has the volume now: the kernel's
 * options, those that only mount(8) keeps, and how it passes on mounts that are made inside (its
 * propagation).
 *
 * Mounts that were peers, or master and slave, become so again only when one is made from the other, as it
 * was the first time: each mount of the device by itself would begin a group of its own.
 */
import type { PlannedMount } from '../contract/plan.ts';
import { runCommand } from '../devices/command.ts';

/** `others` are in place already. */
export async function mountPlace(
  mount: PlannedMount,
  device: string,
  others: readonly PlannedMount[],
): Promise<void> {
  const { target, fsType, options, readOnlyHere } = mount;
  const given = [userOptions(mount), options].filter((part) => part !== '').join(',');
  const origin = others.find((other) => isMadeFrom(mount, other));
  const what =
    origin === undefined
      ? ['-t', fsType, '-o', given, '--', device, target]
      : ['-o', `bind,${given}`, '--', origin.target, target];
  await runCommand('mount', what, `mounting ${device} on ${target}`);
  // In a second step, because "ro" in the first would make the whole volume read-only, and a bind mount
  // begins with the options of what it is made from.
  const here = ['-o', `remount,bind,${options}${readOnlyHere ? ',ro' : ''}`, '--', target];
  if (readOnlyHere || origin !== undefined)
    await runCommand('mount', here, `setting the options of ${target}`);
  for (const kind of propagationOf(mount)) {
    await runCommand('mount', [`--make-${kind}`, '--', target], `making ${target} ${kind}`);
  }
}

export function isMadeFrom(
  { root, propagation: { peerGroup, masterGroup } }: PlannedMount,
  other: PlannedMount,
): boolean {
  const group = other.propagation.peerGroup;
  return group !== null && other.root === root && (group === peerGroup || group === masterGroup);
}

/** What leads from any propagation to this one, in order. */
function propagationOf({ propagation: { peerGroup, masterGroup, isUnbindable } }: PlannedMount): string[] {
  if (isUnbindable) return ['unbindable'];
  if (masterGroup !== null) return ['slave', ...(peerGroup === null ? [] : ['shared'])];
  return [peerGroup === null ? 'private' : 'shared'];
}

/** `user` and its kin bring noexec, nosuid and nodev along, unless the opposite follows. */
const withRestrictions = /^(user|users|owner|group)(=|$)/;
const restrictions = ['exec', 'suid', 'dev'] as const;

function userOptions({ userOptions: own, options }: PlannedMount): string {
  if (own === '' || !own.split(',').some((option) => withRestrictions.test(option))) return own;
  const allowed = restrictions.filter((what) => !options.split(',').includes(`no${what}`));
  return [own, ...allowed].join(',');
}
