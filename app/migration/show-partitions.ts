/**
 * The kernel goes by the partitions that a disk had before it was hidden or shown, until it is told which lie on it
 * now: without that those of a retired source could be mounted still. What keeps it from being told changes nothing
 * about where the data is.
 */
import { messageOf } from '../base/error.ts';
import type { PlannedDisk } from '../contract/plan.ts';
import { updatePartitions } from '../devices/kernel-partitions.ts';

/** After the disk has been let go. Returns what people should know and do when the kernel cannot be told. */
export async function showPartitions(...disks: readonly PlannedDisk[]): Promise<string[]> {
  const warnings = await Promise.all(disks.map(showPartitionsOf));
  return warnings.flatMap((warning) => warning ?? []);
}

async function showPartitionsOf({ path, kind, identity }: PlannedDisk): Promise<string | undefined> {
  if (identity === null || kind === 'file') return undefined;
  try {
    await updatePartitions(path, identity.majorMinor);
    return undefined;
  } catch (error) {
    return `the kernel may still show its old partitions: run partprobe ${path} (${messageOf(error)})`;
  }
}
