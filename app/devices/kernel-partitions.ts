/**
 * Makes the kernel's partitions of a disk those of the table that now lies on it. The kernel reads a table
 * when a disk appears and when it is told to, never because somebody wrote another table. Until then the
 * nodes of the old partitions lead to places in the middle of the new content, and whoever mounts one harms
 * it.
 *
 * partx(8) adds and removes single partitions (BLKPG), which also works where the kernel itself knows no
 * partition tables, and never touches the disk's content. A child process: the event loop goes on meanwhile.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runCommand } from './command.ts';
import { probeContent } from './content.ts';
import { areParts, listPartitions, matchParts } from './partition-table.ts';
import { readAttribute } from './sysfs-files.ts';
import { readSysfsDevices } from './sysfs.ts';

/** Users may be waiting for the disk. */
const busyMsMax = 3000;
const busyPollMs = 100;

/**
 * After the disk has been closed. Throws when the kernel's partitions are not those of the disk afterwards.
 */
export async function updatePartitions(path: string, majorMinor: string): Promise<void> {
  const hasNodes = nodesOf(majorMinor).length > 0;
  if (!hasNodes && !takesPartitions(majorMinor)) return;
  const { partitionTableType } = await probeContent(path);
  const table = partitionTableType === null ? [] : await listPartitions(path);
  // Somebody has told it already, and may use them by now.
  if (areParts(table, nodesOf(majorMinor))) return;
  // All go before any comes: partx --update cannot add one where an old one still lies.
  const what = `updating the partitions of ${path}`;
  const isTold = (): boolean => areParts(table, nodesOf(majorMinor));
  if (hasNodes) await deleteNodes(path, what, () => isTold() || nodesOf(majorMinor).length === 0);
  if (table.length > 0 && !isTold()) await runCommand('partx', ['--add', path], what);
  matchParts(table, nodesOf(majorMinor));
}

/**
 * udev looks at a disk and at its partitions when who wrote it lets it go, and what is open cannot be deleted. It may
 * also tell the kernel itself meanwhile.
 */
async function deleteNodes(path: string, what: string, isDone: () => boolean): Promise<void> {
  const endMs = performance.now() + busyMsMax;
  for (;;) {
    try {
      await runCommand('partx', ['--delete', path], what);
      return;
    } catch (error) {
      if (isDone()) return;
      if (performance.now() >= endMs) throw error;
      await sleep(busyPollMs);
    }
  }
}

function nodesOf(majorMinor: string): { offsetBytes: number; sizeBytes: number }[] {
  return readSysfsDevices().flatMap(({ partition, sizeBytes }) =>
    partition?.diskMajorMinor === majorMinor ? [{ offsetBytes: partition.offsetBytes, sizeBytes }] : [],
  );
}

/**
 * Disks that take no partitions have a 1 in `ext_range`, and partitions have no such attribute. A loop device
 * says besides whether it is meant to show partitions: those of one that is not would outlive it.
 */
function takesPartitions(majorMinor: string): boolean {
  const folder = `/sys/dev/block/${majorMinor}`;
  const isMeantTo = readAttribute(join(folder, 'loop/partscan')) !== '0';
  return isMeantTo && Number(readAttribute(join(folder, 'ext_range')) ?? 0) > 1;
}
