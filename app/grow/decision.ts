/**
 * What is found on a disk → what grows, layer by layer, from the disk upwards, or why nothing may be done.
 * Pure; every refusal is here, and comes before anything is written.
 *
 * A plan only tells sizes. Which step is due is seen from what is on the disk: a layer that already has its
 * new size does not grow again. So a plan made after a crash has just the steps that are left.
 */
import { DiskferryError } from '../base/error.ts';
import type { GrowLayer, GrowPlan } from '../contract/grow.ts';
import type { PlannedDisk } from '../contract/plan.ts';
import { fileSystemLayer, luksLayer, physicalVolumeLayer, volumeLayer } from './content-decision.ts';
import type { Found, FoundLayer, FoundRow, FoundTable, ShownPartition } from './found.ts';
import { nothingToGrow, notesOf } from './notes.ts';
import { lastRow, overlapOf, protectiveType, requirePlain, roomOf, rowBehind } from './room.ts';

export interface GrowOptions {
  readonly repairsBackupTable: boolean;
}

/** Throws the first refusal, also when nothing can grow. */
export function decideGrow(found: Found, options: GrowOptions): GrowPlan {
  const plan = planGrow(found, options);
  if (plan.layers.some(({ grows }) => grows)) return plan;
  throw nothingToGrow(found);
}

/** The same, where it is no surprise that nothing grows any more. */
export function planGrow(found: Found, options: GrowOptions): GrowPlan {
  const { disk, table, device, shown } = found;
  if (table === null && shown.length > 0)
    throw new DiskferryError('partitions-not-shown', `${disk.path}: the kernel shows partitions, and it has no table`, {
      context: { device: disk.path },
    });
  const below = table === null ? { layers: [], availableBytes: disk.sizeBytes } : partitionLayers(found, table, options);
  const layers = [...below.layers, ...contentLayers(found, below.availableBytes)];
  if (layers.some(({ grows }) => grows)) refuseWriter(found);
  return {
    ...{ disk, device, partition: found.partition, layers },
    repairsBackupTable: table?.backup === 'damaged',
    needsPassphrase: needsPassphrase(found, layers),
    notes: notesOf(found, layers),
  };
}

function refuse(code: 'cannot-be-grown' | 'disk-cut-off' | 'table-damaged', device: string, why: string): DiskferryError {
  return new DiskferryError(code, `${device}: ${why}`, { context: { device } });
}

/** After all that says more about it: an NTFS that is mounted has a program that writes it. */
function refuseWriter({ writers: [writer] }: Found): void {
  if (writer === undefined) return;
  const { device, command, pid } = writer;
  const who = `${command || 'a process'} (process ${pid})`;
  throw new DiskferryError('device-in-use', `${device}: is open for writing by ${who}`, {
    context: { device, process: pid },
  });
}

// ---- the partition table and the partition

interface Below {
  readonly layers: readonly GrowLayer[];
  readonly availableBytes: number;
}

function partitionLayers(found: Found, table: FoundTable, options: GrowOptions): Below {
  const { disk } = found;
  requireSoundTable(disk, table, options);
  const row = requireRow(found, table);
  requirePlain(disk.path, table, row);
  const overlapping = overlapOf(table, row);
  if (overlapping !== undefined)
    throw refuse('table-damaged', disk.path, `its partitions ${row.number} and ${overlapping.number} overlap`);
  const shown = requireShown(found, table, row);
  const { count } = roomOf(table, row);
  const { blockBytes } = table;
  const [tableBytes, afterBytes] = [row.count * blockBytes, count * blockBytes];
  const partition: GrowLayer = {
    ...{ kind: 'partition', name: found.device.path, type: table.type, uuid: row.uuid },
    // What the kernel has is what everything in it can use: after a crash it may be behind the table.
    ...{ beforeBytes: Math.min(tableBytes, shown.sizeBytes), afterBytes, slackBytes: 0 },
    grows: afterBytes > tableBytes || shown.sizeBytes !== afterBytes,
    by: afterBytes > tableBytes ? `sfdisk -N ${row.number}, resizepart` : 'resizepart',
  };
  const behind = tableLayer(disk.path, table, partition.grows && afterBytes > tableBytes);
  return { layers: [...behind, { ...partition, by: partition.grows ? partition.by : '' }], availableBytes: afterBytes };
}

function requireSoundTable(
  { path: disk, sizeBytes }: PlannedDisk,
  table: FoundTable,
  { repairsBackupTable }: GrowOptions,
): void {
  if (table.isPrimaryDamaged) throw refuse('table-damaged', disk, 'its main partition table is damaged');
  if (table.type === 'dos' && table.rows.some(({ type }) => type.toLowerCase() === protectiveType))
    throw refuse('table-damaged', disk, 'its MBR says that there is a GPT, and no valid one is found');
  requireWholeDisk(disk, table, sizeBytes);
  if (table.backup === 'damaged' && !repairsBackupTable)
    throw refuse('table-damaged', disk, 'the backup of its partition table is damaged');
}

/**
 * A table that was made for a larger disk: an image that was cut off, a clone on a disk that is too small. A
 * backup of it at this disk's end would be written over what lies last, and hide that something is missing.
 */
function requireWholeDisk(disk: string, table: FoundTable, diskBytes: number): void {
  const row = rowBehind(table, diskBytes);
  if (row !== undefined)
    throw refuse('disk-cut-off', disk, `its partition ${row.number} reaches behind where this disk can have partitions`);
  if (table.endAfter < table.endBefore)
    throw refuse('disk-cut-off', disk, 'its partition table was made for a larger disk');
}

function requireRow({ disk, partition }: Found, table: FoundTable): FoundRow {
  const row = partition === null ? lastRow(table) : table.rows.find(({ number }) => number === partition);
  if (row !== undefined) return row;
  if (partition === null) throw refuse('cannot-be-grown', disk.path, 'its partition table lists no partition');
  const context = { device: disk.path };
  throw new DiskferryError('usage', `${disk.path}: has no partition ${partition}`, { context });
}

/** The kernel may be behind in size (a crash, a late re-read), never ahead, and never at another place. */
function requireShown({ disk, shown }: Found, table: FoundTable, row: FoundRow): ShownPartition {
  const own = shown.find(({ number }) => number === row.number);
  const isRight =
    own !== undefined &&
    own.offsetBytes === row.start * table.blockBytes &&
    own.sizeBytes <= row.count * table.blockBytes;
  if (isRight) return own;
  const what = own === undefined ? 'does not show' : 'shows at another place or with another size than the table';
  throw new DiskferryError('partitions-not-shown', `${disk.path}: the kernel ${what} its partition ${row.number}`, {
    context: { device: disk.path },
  });
}

/** Moved only when that is of use: to a partition that then grows, or because it is damaged. */
function tableLayer(disk: string, table: FoundTable, isOfUse: boolean): GrowLayer[] {
  const { type, uuid, blockBytes, backup } = table;
  if (type === 'dos') return [];
  const grows = backup === 'damaged' || (backup === 'elsewhere' && isOfUse);
  const [beforeBytes, afterBytes] = [table.endBefore * blockBytes, table.endAfter * blockBytes];
  const by = grows ? 'sfdisk --relocate gpt-bak-std' : '';
  return [{ kind: 'table', name: disk, type, uuid, beforeBytes, afterBytes, slackBytes: 0, grows, by }];
}

// ---- what lies in it

function contentLayers({ layers: found }: Found, deviceBytes: number): GrowLayer[] {
  const layers: GrowLayer[] = [];
  let availableBytes = deviceBytes;
  for (const layer of found) {
    const { freeBytes, ...decided } = contentLayer(layer, availableBytes);
    layers.push(decided);
    availableBytes = freeBytes ?? decided.afterBytes;
  }
  return layers;
}

/** `freeBytes`: what the next layer may take, where it is not this one's size. */
function contentLayer(layer: FoundLayer, availableBytes: number): GrowLayer & { readonly freeBytes?: number } {
  switch (layer.kind) {
    case 'luks':
      return luksLayer(layer, availableBytes);
    case 'physical-volume':
      return physicalVolumeLayer(layer, availableBytes);
    case 'logical-volume':
      return volumeLayer(layer, availableBytes);
    case 'file-system':
      return fileSystemLayer(layer, availableBytes);
    case 'other':
      throw otherContent(layer.name, layer.type);
  }
}

const foreign: Readonly<Record<string, string>> = {
  swap: 'swap',
  vfat: 'FAT, which cannot be grown safely',
  exfat: 'exFAT, which cannot be grown safely',
  linux_raid_member: 'a member of a Linux RAID',
  zfs_member: 'a member of a ZFS pool',
  BitLocker: 'a BitLocker volume',
  bcache: 'a bcache device',
  ambiguous: 'content of several kinds at once',
};

function otherContent(device: string, type: string | null): DiskferryError {
  if (type === 'crypto_LUKS')
    return new DiskferryError('container-closed', `${device}: holds a LUKS container that is not open`, {
      context: { device },
    });
  const what = type === null ? 'no content that is known' : (foreign[type] ?? `${type}, which Diskferry does not grow`);
  return refuse('cannot-be-grown', device, `holds ${what}`);
}

function needsPassphrase({ layers: found }: Found, layers: readonly GrowLayer[]): boolean {
  const growing = new Set(layers.filter(({ grows }) => grows).map(({ name }) => name));
  return found.some((layer) => layer.kind === 'luks' && layer.needsPassphrase && growing.has(layer.name));
}
