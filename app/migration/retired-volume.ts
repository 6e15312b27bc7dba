/**
 * What the destination of a move shows when the move has ended, and whether it shows the same later: the volume, and
 * what lies in each of its partitions, by type and UUID. Sizes and labels may change since, and so may swap, which is
 * often made anew; what is added besides is the user's.
 */
import * as z from 'zod';
import { DiskferryError, messageOf } from '../base/error.ts';
import type { DeviceContent } from '../contract/plan.ts';
import { contentSchema } from '../contract/plan.ts';
import { probeContent } from '../devices/content.ts';
import type { TableEntry } from '../devices/partition-table.ts';
import { listPartitions } from '../devices/partition-table.ts';

export const volumeLookSchema = z.object({
  content: contentSchema,
  partitions: z.array(z.object({ offsetBytes: z.int().nonnegative(), content: contentSchema })),
});
export type VolumeLook = z.infer<typeof volumeLookSchema>;

/** The partitions are those of the disk's own table, whatever the kernel shows. Throws what blkid and partx give. */
export async function lookAtVolume(path: string): Promise<VolumeLook> {
  const content = await probeContent(path);
  const table = content.partitionTableType === null ? [] : await partitionsOn(path);
  const looks = table
    .filter(({ isExtended }) => !isExtended)
    .map(async ({ offsetBytes, sizeBytes }) => ({
      offsetBytes,
      content: await probeContent(path, { offsetBytes, lengthBytes: sizeBytes }),
    }));
  return { content, partitions: await Promise.all(looks) };
}

async function partitionsOn(path: string): Promise<TableEntry[]> {
  try {
    return await listPartitions(path);
  } catch (cause) {
    if (cause instanceof DiskferryError) throw cause;
    const message = `${path}: its partitions cannot be listed: ${messageOf(cause)}`;
    throw new DiskferryError('command-failed', message, { context: { device: path }, cause });
  }
}

/** Whether there is anything by which it can be known again. Pure. */
export function isComparable({ content, partitions }: VolumeLook): boolean {
  if (content.fileSystemType === 'ambiguous') return false;
  const isKnown = content.fileSystemUuid !== null || content.partitionTableUuid !== null;
  return isKnown || partitions.some((partition) => isLasting(partition.content));
}

/** The first thing that is not there any more, for people; undefined: all of it is. Pure. */
export function missingOf(before: VolumeLook, now: VolumeLook): string | undefined {
  const whole = differenceOf(before.content, now.content);
  if (whole !== undefined) return whole;
  for (const { offsetBytes, content } of before.partitions) {
    if (!isLasting(content)) continue;
    const there = now.partitions.find((one) => one.offsetBytes === offsetBytes);
    const what = `its partition at ${offsetBytes}`;
    if (there === undefined) return `${what} is gone`;
    const difference = differenceOf(content, there.content);
    if (difference !== undefined) return `${what}: ${difference}`;
  }
  return undefined;
}

function isLasting({ fileSystemType, fileSystemUuid }: DeviceContent): boolean {
  return fileSystemUuid !== null && fileSystemType !== 'swap' && fileSystemType !== 'ambiguous';
}

function differenceOf(before: DeviceContent, now: DeviceContent): string | undefined {
  for (const [type, uuid] of [
    ['fileSystemType', 'fileSystemUuid'],
    ['partitionTableType', 'partitionTableUuid'],
  ] as const) {
    if (before[uuid] === null) continue;
    if (before[type] !== now[type] || before[uuid] !== now[uuid])
      return `it was ${textOf(before[type], before[uuid])} and is ${textOf(now[type], now[uuid])}`;
  }
  return undefined;
}

function textOf(type: string | null, uuid: string | null): string {
  return type === null ? 'nothing that is known' : `${type} ${uuid ?? 'without a UUID'}`;
}
