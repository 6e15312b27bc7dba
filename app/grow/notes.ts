/**
 * What people are told with a plan: sentences that they must have read before they say yes, and why there is
 * none. Pure.
 */
import { DiskferryError } from '../base/error.ts';
import type { GrowLayer } from '../contract/grow.ts';
import { growWay } from './content-decision.ts';
import type { Found, FoundPhysicalVolume } from './found.ts';
import { roomOf } from './room.ts';

export function nothingToGrow({ disk, table, partition }: Found): DiskferryError {
  const row = table === null ? undefined : table.rows.find(({ number }) => number === partition);
  const next = table === null || row === undefined ? null : roomOf(table, row).nextNumber;
  const where =
    row === undefined
      ? 'what lies on it takes all of it'
      : next === null
        ? `there is no room behind partition ${row.number}, and what lies in it takes all of it`
        : `partition ${row.number} has no room behind it, because partition ${next} follows, and what lies in it takes all of it`;
  return new DiskferryError('nothing-to-grow', `${disk.path}: ${where}`, { context: { device: disk.path } });
}

/** Room that was kept free on purpose, for snapshots perhaps, is not seen from that which has just come. */
function freeBeforeNote(
  { name, group, freeExtentCount, extentBytes }: FoundPhysicalVolume,
  layers: readonly GrowLayer[],
): string | never[] {
  const volume = layers.find(({ kind, grows }) => kind === 'logical-volume' && grows);
  if (volume === undefined || freeExtentCount === 0) return [];
  const free = `the ${freeExtentCount * extentBytes} bytes of ${group} that are free on ${name} already`;
  return `${volume.name} takes all there is: ${free} as well.`;
}

const interruptible = 'A power cut while it grows may damage it: have a backup.';

export function notesOf({ table, layers: found, disk, behind }: Found, layers: readonly GrowLayer[]): string[] {
  const notes = found.flatMap((layer) => {
    if (layer.kind === 'physical-volume') return layer.alone ?? freeBeforeNote(layer, layers);
    if (layer.kind !== 'file-system' || !layers.some(({ kind, grows }) => kind === layer.kind && grows)) return [];
    if (growWay(layer) === 'unmounted' && layer.type !== 'ntfs')
      return `${layer.name}: its ${layer.type} grows while it is not mounted. ${interruptible}`;
    return layer.type === 'ntfs' ? `Windows will check this NTFS when it starts. ${interruptible}` : [];
  });
  if (behind !== null && layers.some(({ kind, grows }) => kind === 'partition' && grows))
    notes.push(
      `Behind the partition lies what looks like ${behind}, perhaps a partition that was deleted: it will be overwritten.`,
    );
  const reachBytes = table === null ? Infinity : table.endAfter * table.blockBytes;
  if (table?.type === 'dos' && reachBytes < disk.sizeBytes)
    notes.push(`An MBR reaches no further than ${reachBytes} bytes; what lies behind stays unused.`);
  return notes;
}
