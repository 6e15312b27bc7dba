/**
 * The kernel goes by the partitions that the destination had before, until it is told which lie on it now. What keeps it
 * from that changes nothing about where the data is.
 */
import { messageOf } from '../base/error.ts';
import type { PlannedDisk } from '../contract/plan.ts';
import { updatePartitions } from '../devices/kernel-partitions.ts';

/** After the disk has been let go. Returns what people should know and do when the kernel cannot be told. */
export async function showPartitions({ path, kind, identity }: PlannedDisk): Promise<string | undefined> {
  if (identity === null || kind === 'file') return undefined;
  try {
    await updatePartitions(path, identity.majorMinor);
    return undefined;
  } catch (error) {
    return `the kernel may still show its old partitions: run partprobe ${path} (${messageOf(error)})`;
  }
}
