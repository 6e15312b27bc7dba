/**
 * Where a job's disk lay, so that it is found again at whatever name it has now: after a reboot sda may be
 * sdb, and a loop device may have another number or have to be attached anew. A disk is known by its serial
 * and WWN or by what lies in it (same-disk.ts), a partition also by where it begins, a loop device by its
 * file, a device of device-mapper by its uuid, an image file by its path and inode.
 */
import * as z from 'zod';
import { DiskferryError } from '../base/error.ts';
import type { Plan, PlannedDisk } from '../contract/plan.ts';
import type { BlockDevice, MapperIdentity } from '../devices/block-device.ts';
import { isAbsent, readBlockFacts, readDiskFacts } from '../devices/disk-facts.ts';
import type { DiskFacts } from '../devices/disk-facts.ts';
import type { Inventory } from '../devices/inventory.ts';
import { findDevice } from '../devices/inventory.ts';
import { isSameDisk } from './same-disk.ts';

/** All null for a file and for a whole disk. */
export const diskPlaceSchema = z.object({
  loop: z
    .object({ path: z.string(), inode: z.number().nullable(), offsetBytes: z.number() })
    .nullable(),
  /** From the start of its disk. */
  partitionBytes: z.number().nullable(),
  mapperUuid: z.string().nullable(),
});
export type DiskPlace = z.infer<typeof diskPlaceSchema>;

export const diskPlacesSchema = z.object({ source: diskPlaceSchema, destination: diskPlaceSchema });
export type DiskPlaces = z.infer<typeof diskPlacesSchema>;

export function placesOf(inventory: Inventory, { source, destination }: Plan): DiskPlaces {
  return { source: placeOf(inventory, source), destination: placeOf(inventory, destination) };
}

function placeOf(inventory: Inventory, { kind, identity }: PlannedDisk): DiskPlace {
  const device = kind === 'block' ? findDevice(inventory, identity?.majorMinor ?? '') : undefined;
  return device === undefined ? nowhere : placeOfDevice(device);
}

const nowhere: DiskPlace = { loop: null, partitionBytes: null, mapperUuid: null };

function placeOfDevice({ loop, partition, mapper }: BlockDevice): DiskPlace {
  return {
    loop:
      loop === null
        ? null
        : { path: loop.path, inode: loop.file?.inode ?? null, offsetBytes: loop.offsetBytes },
    partitionBytes: partition?.offsetBytes ?? null,
    mapperUuid: mapperUuidOf(mapper),
  };
}

function mapperUuidOf(mapper: MapperIdentity | null): string | null {
  return mapper === null || mapper.uuid === '' ? null : mapper.uuid;
}

export interface DiskToFind {
  readonly role: 'source' | 'destination';
  readonly disk: PlannedDisk;
  readonly place: DiskPlace;
  /** The kernel's numbers are those of the same boot. */
  readonly isSameBoot: boolean;
}

/** The disk as it is named now. Throws `disk-not-found`, also when two could be it. */
export function findDisk(inventory: Inventory, wanted: DiskToFind): PlannedDisk {
  return wanted.disk.kind === 'file'
    ? asNamedNow(findFile(inventory, wanted), wanted)
    : chooseDisk(
        inventory.devices.filter((device) => isIt(device, wanted)),
        wanted,
      );
}

function asNamedNow({ path, identity }: DiskFacts, wanted: DiskToFind): PlannedDisk {
  // Its content has changed with the job; what must be as it was is compared elsewhere (source-sample.ts).
  return { ...wanted.disk, path, toBeCreated: false, identity: { ...identity, content: null } };
}

function findFile(inventory: Inventory, { role, disk, isSameBoot }: DiskToFind): DiskFacts {
  const facts = readDiskFacts(inventory, disk.path);
  if (isAbsent(facts)) throw notFound(role, `${disk.path}: there is no such file`);
  const isIt = facts.kind === 'file' && facts.sizeBytes === disk.sizeBytes;
  const now = { ...disk, identity: facts.identity };
  if (!isIt || !isSameDisk(disk, now, isSameBoot))
    throw notFound(role, `${disk.path}: is not the file that the job moved`);
  return facts;
}

/** Of the block devices that could be it. Throws `disk-not-found` unless that is one. */
export function chooseDisk([first, second]: readonly BlockDevice[], wanted: DiskToFind): PlannedDisk {
  const { role, disk } = wanted;
  if (first === undefined) throw notFound(role, `${disk.path}: no disk here is the one that the job moved`);
  if (second !== undefined)
    throw notFound(role, `${disk.path}: ${first.path} and ${second.path} both look like the one that the job moved`);
  return asNamedNow(readBlockFacts(first, first.path), wanted);
}

/** Nothing but what lies in it tells which disk it is, once the machine has been started anew. */
export function isNameless({ loop, mapper, serial, wwn }: BlockDevice): boolean {
  return loop === null && mapperUuidOf(mapper) === null && serial === null && wwn === null;
}

/** As far as that can be told of a disk without a name whose content is hidden. */
export function couldBeNameless(device: BlockDevice, { disk, place }: DiskToFind): boolean {
  const [recorded, now] = [disk.identity, placeOfDevice(device)];
  const wasNameless = recorded?.inode === null && recorded.serial === null && recorded.wwn === null;
  const isPlace = now.partitionBytes === place.partitionBytes && place.loop === null && place.mapperUuid === null;
  return wasNameless && isPlace && isNameless(device) && device.sizeBytes === disk.sizeBytes;
}

function isIt(device: BlockDevice, { disk, place, isSameBoot }: DiskToFind): boolean {
  const now = placeOfDevice(device);
  if (device.sizeBytes !== disk.sizeBytes || now.partitionBytes !== place.partitionBytes) return false;
  if (place.loop !== null) return now.loop !== null && isSameLoop(place.loop, now.loop);
  if (now.loop !== null) return false;
  if (place.mapperUuid !== null) return now.mapperUuid === place.mapperUuid;
  const { identity } = readBlockFacts(device, device.path);
  return now.mapperUuid === null && isSameDisk(disk, { ...disk, path: device.path, identity }, isSameBoot);
}

/** A path alone would be another file's as soon as that has taken its place. */
function isSameLoop(one: NonNullable<DiskPlace['loop']>, other: NonNullable<DiskPlace['loop']>): boolean {
  return one.path === other.path && one.inode === other.inode && one.offsetBytes === other.offsetBytes;
}

function notFound(role: DiskToFind['role'], message: string): DiskferryError {
  return new DiskferryError('disk-not-found', message, { context: { role } });
}
