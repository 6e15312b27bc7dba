/**
 * A whole check of a file system that nobody uses, by its own checker, which only looks: before the first change, so
 * that a file system with a fault stays where it is, as it is. May take minutes on a large one.
 */
import type { GrowableType } from './found.ts';
import { runProgram } from '../devices/program.ts';
import { needsCheck } from './content-decision.ts';

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

/** Throws `needs-check`. */
export async function checkWhole(path: string, type: GrowableType): Promise<void> {
  const [program = '', ...parameters] = checkers[type];
  const { exitCode, stdout, stderr } = await runProgram(program, [...parameters, path]);
  if (exitCode === 0 && !(type === 'f2fs' && faultWords.test(stdout + stderr))) return;
  throw needsCheck({ name: path, type }, `is not whole: ${program} finds something to mend (exit code ${exitCode})`);
}
