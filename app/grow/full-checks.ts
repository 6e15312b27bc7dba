/**
 * What is done with a file system that nobody uses before the first change: a whole check by its own checker,
 * which only looks, so that one with a fault stays where it is, as it is; and, where it will be mounted to be
 * grown, a rehearsal of that, read-only, so that a kernel that cannot mount it says so before its partition
 * has grown.
 *
 * A check takes as long as the file system is large. It may be ended at any moment.
 */
import { DiskferryError, messageOf } from '../base/error.ts';
import type { MountableDevice } from '../devices/private-mount.ts';
import { withPrivateMount } from '../devices/private-mount.ts';
import { runReader } from '../devices/program.ts';
import { needsCheck } from './content-decision.ts';
import { privateMounts } from './file-system-size.ts';
import type { GrowableType } from './found.ts';

/** Each exits with 0 when it finds nothing to mend. */
const checkers: Readonly<Record<GrowableType, readonly string[]>> = {
  ext2: ['e2fsck', '-f', '-n'],
  ext3: ['e2fsck', '-f', '-n'],
  ext4: ['e2fsck', '-f', '-n'],
  xfs: ['xfs_repair', '-n'],
  btrfs: ['btrfs', 'check', '--readonly'],
  f2fs: ['fsck.f2fs', '--dry-run'],
  // Goes through the whole volume before it tells how small it could be made.
  ntfs: ['ntfsresize', '--info', '--no-progress-bar'],
};

/** fsck.f2fs tells faults by words alone. */
const faultWords = /\[Fail\]|\[ASSERT\]|Can't find a valid F2FS/;

export const checkerOf = (type: GrowableType): string => checkers[type][0] ?? '';

/** Throws `needs-check`, and `interrupted` when the signal ends it. */
export async function checkWhole(path: string, type: GrowableType, signal: AbortSignal): Promise<void> {
  const [program = '', ...parameters] = checkers[type];
  let faultLines = 0;
  const onLine = (line: string): void => {
    if (type === 'f2fs' && faultWords.test(line)) faultLines += 1;
  };
  const exitCode = await runReader(program, [...parameters, path], { onLine, signal }).catch((error: unknown) => {
    throw signal.aborted ? interrupted(path, error) : error;
  });
  if (exitCode === 0 && faultLines === 0) return;
  throw needsCheck({ name: path, type }, `is not whole: ${program} finds something to mend (exit code ${exitCode})`);
}

function interrupted(path: string, cause: unknown): DiskferryError {
  const message = `${path}: interrupted while its file system was checked`;
  return new DiskferryError('interrupted', message, { context: { device: path }, cause });
}

/** What keeps each from writing: a log that it finds it would replay, and it is empty anyway. */
const readOnly = {
  ext2: ['ro'],
  ext3: ['ro', 'noload'],
  ext4: ['ro', 'noload'],
  xfs: ['ro', 'norecovery'],
  btrfs: ['ro'],
} as const;

/** Throws `cannot-be-grown`. */
export async function rehearseMount(device: MountableDevice, type: keyof typeof readOnly): Promise<void> {
  const { type: driver, options } = privateMounts[type];
  try {
    await withPrivateMount(device, { type: driver, options: [...options, ...readOnly[type]] }, () => Promise.resolve());
  } catch (error) {
    const message = `${device.path}: its ${type} grows mounted, and cannot be mounted here: ${messageOf(error)}`;
    throw new DiskferryError('cannot-be-grown', message, { context: { device: device.path }, cause: error });
  }
}
