/**
 * Has mounted file systems discard their free space (FITRIM), so that a virtual device underneath learns what
 * nobody relies on and need not copy it. For volumes that are never unmounted; of an unmounted one the exact
 * map is read (devices/allocated.ts).
 *
 * Only the discards themselves are reliable, and they are right whatever happens: what was not discarded is
 * copied. The number of bytes serves for telling people. A file system may discard less than is free: ext4
 * leaves out what it has discarded since it was mounted, perhaps on a device that forgot it.
 */
import { open } from 'node:fs/promises';
import { addon, isAddonError } from '../../native/binding.ts';

export type Trim =
  | { readonly kind: 'trimmed'; readonly target: string; readonly bytes: number }
  /** How much of it is free is not known to the device; `reason` is part of a sentence for people. */
  | { readonly kind: 'unknown'; readonly target: string; readonly reason: string };

/** What file systems say that cannot discard, or not now; anything else is an error. */
const refusals: Readonly<Record<string, string>> = {
  ENOTTY: 'its file system cannot discard free space',
  EOPNOTSUPP: 'its file system or its device cannot discard free space',
  EROFS: 'it is mounted read-only',
};

/** One after the other, in the order given: each may keep its device busy for a while. */
export async function trimFreeSpace(targets: readonly string[]): Promise<Trim[]> {
  const trims: Trim[] = [];
  for (const target of targets) trims.push(await trim(target));
  return trims;
}

async function trim(target: string): Promise<Trim> {
  const folder = await open(target);
  try {
    const bytes = await addon().trimFileSystem(folder.fd);
    if (bytes > 0) return { kind: 'trimmed', target, bytes };
    return { kind: 'unknown', target, reason: 'it is full, or has discarded its free space before' };
  } catch (error) {
    const reason = isAddonError(error) ? refusals[error.code] : undefined;
    if (reason === undefined) throw error;
    return { kind: 'unknown', target, reason };
  } finally {
    await folder.close();
  }
}
