/**
 * What the rest of Diskferry knows about a block device: plain data, gathered once by inventory.ts from sysfs
 * and lsblk, without opening the device. Devices refer to each other by `majorMinor` ("8:1"), the only name
 * that the kernel never gives twice at one time.
 */
import { statSync } from 'node:fs';
import type { DeviceKind } from '../contract/device-tree.ts';
import type { DeviceContent } from '../contract/plan.ts';
import type { DiskLink } from './disk-link.ts';

export interface PartitionPlace {
  readonly diskMajorMinor: string;
  readonly offsetBytes: number;
}

/**
 * What a loop device lies on. Exactly one of `file` and `block` is known, or none when its path leads
 * nowhere.
 */
export interface LoopBacking {
  readonly path: string;
  readonly file: FileKey | null;
  /** `majorMinor` of a block device that the loop device was set up over. */
  readonly block: string | null;
  readonly offsetBytes: number;
  /** 0: up to the end. */
  readonly limitBytes: number;
}

/**
 * What device-mapper itself calls a device of its. The part of the uuid before the first dash says whose it
 * is.
 */
export interface MapperIdentity {
  readonly name: string;
  readonly uuid: string;
}

/** A regular file, whichever path or link leads to it. */
export interface FileKey {
  /** `major:minor` as stat gives it. */
  readonly device: string;
  readonly inode: number;
}

export interface BlockDevice {
  readonly majorMinor: string;
  readonly kernelName: string;
  readonly path: string;
  readonly kind: DeviceKind;
  readonly sizeBytes: number;
  readonly logicalBlockBytes: number;
  readonly physicalBlockBytes: number;
  readonly readOnly: boolean;
  readonly removable: boolean;
  /** Zones must be written in order, which nothing here does. */
  readonly isZoned: boolean;
  readonly diskSequence: string | null;
  /** How its disk is connected; null where nothing says it. */
  readonly link: DiskLink | null;
  /** As its disk says; bridges say so of everything. Null where it says nothing. */
  readonly isRotational: boolean | null;
  readonly partition: PartitionPlace | null;
  readonly loop: LoopBacking | null;
  /** Null for everything that is no device-mapper device. */
  readonly mapper: MapperIdentity | null;
  /** What it is made of (device-mapper, md), as `majorMinor`. */
  readonly slaves: readonly string[];
  readonly model: string | null;
  readonly vendor: string | null;
  readonly serial: string | null;
  readonly wwn: string | null;
  readonly bus: string | null;
  /** Null when nobody has looked. */
  readonly content: DeviceContent | null;
  /** Of the mounted file system. */
  readonly usedBytes: number | null;
  /** From the partition table; null for anything else. */
  readonly partitionUuid: string | null;
}

export const noContent: DeviceContent = {
  fileSystemType: null,
  fileSystemUuid: null,
  label: null,
  partitionTableType: null,
  partitionTableUuid: null,
};

/** "8:1" from the number that stat gives, which packs 12 bits of major and 20 of minor in glibc's way. */
export function majorMinorOf(device: bigint): string {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n);
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}

/** Of the device that a node leads to now. */
export function deviceNumberAt(path: string): string {
  return majorMinorOf(statSync(path, { bigint: true }).rdev);
}

/** One string per file, for comparing and for sets. */
export function fileKeyText(file: FileKey): string {
  return `${file.device}:${file.inode}`;
}
