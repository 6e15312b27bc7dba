/**
 * Looks at a disk that is to be grown, from its partition table up to the file system, as root. Writes
 * nothing and keeps nothing open. Looked at anew before and after each step: names and numbers may change
 * meanwhile, and what is on the disk is the only record of how far a grow has come.
 */
import { realpathSync } from 'node:fs';
import { DiskferryError } from '../base/error.ts';
import type { ErrorCode } from '../base/error.ts';
import type { PlannedDisk } from '../contract/plan.ts';
import type { BlockDevice } from '../devices/block-device.ts';
import { probeContent } from '../devices/content.ts';
import { isAbsent, readBlockFacts, readDiskFacts } from '../devices/disk-facts.ts';
import type { Inventory } from '../devices/inventory.ts';
import { findDevice, readInventory } from '../devices/inventory.ts';
import { holdersOf } from '../devices/stack.ts';
import { readAttribute } from '../devices/sysfs-files.ts';
import { readLayers } from './layers.ts';
import type { Found, FoundTable, ShownPartition } from './found.ts';
import { contentBehind } from './gap.ts';
import { requirePrograms } from './needed-programs.ts';
import { readTable } from './partition-table.ts';
import { lastRow } from './room.ts';
import { writersOf } from './writers.ts';

export interface GrowRequest {
  readonly path: string;
  /** Null: the one that `path` is, or the last one. */
  readonly partition: number | null;
  /** The LV to grow, with or without its group; null: the last one on the physical volume. */
  readonly volume: string | null;
}

/** Throws what makes the device none that can be grown at all, whatever lies on it. */
export async function look(request: GrowRequest): Promise<Found> {
  const inventory = await readInventory({ probes: false, votes: false });
  const named = requireDevice(inventory, request.path);
  const { disk, partition } = diskOf(inventory, named, request.partition);
  requirePlainDisk(disk);
  const table = await tableOf(disk, partition);
  const shown = partitionsOf(inventory, disk);
  requireUnclaimed(inventory, disk, table);
  const number = table === null ? null : (partition ?? lastRow(table)?.number ?? null);
  const device = table === null ? disk : inventory.devices.find((one) => isPartition(one, disk, number));
  const layers = device === undefined ? [] : await readLayers(inventory, device, request.volume);
  if (request.volume !== null && !layers.some(({ kind }) => kind === 'physical-volume'))
    throw refuse('usage', request.path, 'no physical volume of LVM lies there, so there is no LV to name');
  const row = table?.rows.find((one) => one.number === number);
  const planned = await planDisk(disk);
  return {
    ...{ disk: planned, table, shown, partition: number, layers },
    writers: await writersOf(inventory, disk, layers),
    behind: table === null ? null : await contentBehind(disk, table, row),
    device: device === undefined || device === disk ? planned : await planDisk(device),
  };
}

function refuse(code: ErrorCode, device: string, why: string, more: Record<string, string> = {}): DiskferryError {
  return new DiskferryError(code, `${device}: ${why}`, { context: { device, ...more } });
}

function requireDevice(inventory: Inventory, path: string): BlockDevice {
  const facts = readDiskFacts(inventory, path);
  if (isAbsent(facts)) {
    const { kind, reason } = facts;
    if (kind === 'missing') throw refuse('device-missing', path, 'there is no such disk');
    throw refuse(kind === 'not-a-disk' ? 'device-not-a-disk' : 'device-open-failed', path, `is a ${reason}`);
  }
  const device = facts.storage.kind === 'block' ? findDevice(inventory, facts.storage.majorMinor) : undefined;
  if (device !== undefined) return device;
  throw refuse('not-attached', path, 'is a file, and what lies on it grows through a loop device only', { file: realpathSync(path) });
}

interface Place {
  readonly disk: BlockDevice;
  readonly partition: number | null;
}

function diskOf(inventory: Inventory, named: BlockDevice, asked: number | null): Place {
  if (named.mapper !== null) {
    const below = named.slaves.flatMap((slave) => findDevice(inventory, slave)?.path ?? []).join(' or ');
    throw refuse('source-is-mapped', named.path, 'lies on another device by device-mapper', { below });
  }
  if (named.partition === null) return { disk: named, partition: asked };
  const disk = findDevice(inventory, named.partition.diskMajorMinor);
  const partition = numberOf(named);
  if (disk === undefined) throw refuse('device-missing', named.path, 'its disk has gone');
  if (asked !== null && asked !== partition)
    throw refuse('usage', named.path, `is partition ${partition}, and not ${asked}`);
  return { disk, partition };
}

function numberOf({ majorMinor }: BlockDevice): number {
  return Number(readAttribute(`/sys/dev/block/${majorMinor}/partition`));
}

/**
 * Served by a program, perhaps a migration's: what is written there is written to a disk that has another
 * name.
 */
const servedNames = /^(ublkb|nbd)\d+$/;

function requirePlainDisk({ path, kind, kernelName, readOnly, isZoned, sizeBytes, slaves }: BlockDevice): void {
  if (servedNames.test(kernelName))
    throw refuse('cannot-be-grown', path, 'is served by a program (ublk, nbd), perhaps by a migration');
  const isPlain = (kind === 'disk' || kind === 'loop') && slaves.length === 0 && !isZoned;
  if (!isPlain) throw refuse('cannot-be-grown', path, `is no plain disk (${isZoned ? 'zoned' : kind})`);
  if (readOnly) throw refuse('device-read-only', path, 'is read-only');
  if (sizeBytes === 0) throw refuse('device-empty', path, 'has a size of 0 bytes');
}

// ---- the table

async function tableOf(disk: BlockDevice, partition: number | null): Promise<FoundTable | null> {
  const { partitionTableType, fileSystemType } = await probeContent(disk.path);
  if (partitionTableType === null) {
    if (partition === null) return null;
    throw refuse('usage', disk.path, 'has no partition table');
  }
  if (fileSystemType !== null)
    throw refuse('cannot-be-grown', disk.path, `has a partition table and ${fileSystemType} on it at once`);
  if (partitionTableType === 'PMBR')
    throw refuse('table-damaged', disk.path, 'its MBR says that there is a GPT, and no valid one is found');
  requirePrograms(disk.path, 'table');
  requirePrograms(disk.path, 'partition');
  return readTable(disk);
}

function isPartition(device: BlockDevice, disk: BlockDevice, number: number | null): boolean {
  return device.partition?.diskMajorMinor === disk.majorMinor && numberOf(device) === number;
}

function partitionsOf({ devices }: Inventory, disk: BlockDevice): ShownPartition[] {
  return devices.flatMap((device) =>
    device.partition?.diskMajorMinor === disk.majorMinor
      ? [{ number: numberOf(device), offsetBytes: device.partition.offsetBytes, sizeBytes: device.sizeBytes }]
      : [],
  );
}

/**
 * A disk with partitions that others have as a whole: multipath, RAID, a loop device. That somebody has
 * claimed it by an exclusive open needs no question of its own: such a claim keeps its partitions from being
 * claimed, which is asked for what lies on them (layers.ts).
 */
function requireUnclaimed(inventory: Inventory, disk: BlockDevice, table: FoundTable | null): void {
  if (table === null) return;
  const holder = holdersOf(inventory, disk.majorMinor)[0] ?? loopOver(inventory, disk);
  if (holder !== undefined) throw refuse('device-in-use', disk.path, `is in use by ${holder.path}`);
}

function loopOver({ devices }: Inventory, { majorMinor }: BlockDevice): BlockDevice | undefined {
  return devices.find(({ loop }) => loop?.block === majorMinor);
}

/** With what lies on it now, as identities are compared. */
async function planDisk(device: BlockDevice): Promise<PlannedDisk> {
  const content = await probeContent(device.path);
  const { path, kind, sizeBytes, model, serial, bus, identity } = readBlockFacts({ ...device, content }, device.path);
  const { logicalBlockBytes, physicalBlockBytes } = device;
  const shape = { toBeCreated: false, sizeBytes, logicalBlockBytes, physicalBlockBytes };
  return { path, kind, ...shape, model, serial, bus, content, identity };
}
