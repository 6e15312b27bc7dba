/**
 * What lies on a disk that is to be grown, as plain data: what look.ts reads and decision.ts decides on.
 * Sizes are bytes, except in a partition table, whose unit is the disk's logical block, as there.
 */
import type { PlannedDisk } from '../contract/plan.ts';

export interface FoundRow {
  readonly number: number;
  readonly start: number;
  readonly count: number;
  /** As sfdisk names it: a GUID for GPT, hexadecimal digits for MBR. */
  readonly type: string;
  readonly uuid: string | null;
  /** Its name, attributes and boot flag, for comparing. */
  readonly marks: string;
}

/** `elsewhere`: where the disk ended once that it was copied from. `none`: an MBR has no backup. */
export type BackupTable = 'at-end' | 'elsewhere' | 'damaged' | 'none';

export interface FoundTable {
  readonly type: 'gpt' | 'dos';
  readonly uuid: string;
  readonly blockBytes: number;
  readonly backup: BackupTable;
  readonly isPrimaryDamaged: boolean;
  /**
   * The first block that no partition may use, as the table says, and as it can be once its backup is at the
   * end.
   */
  readonly endBefore: number;
  readonly endAfter: number;
  readonly rows: readonly FoundRow[];
  /** First blocks of the partitions that a hybrid MBR lists a second time. */
  readonly hybridStarts: readonly number[];
}

/** A partition as the kernel has it. */
export interface ShownPartition {
  readonly number: number;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

export interface FoundLuks {
  readonly kind: 'luks';
  readonly name: string;
  readonly uuid: string | null;
  /** Its LUKS container lies on this device. */
  readonly below: string;
  readonly sizeBytes: number;
  /** Where its data begins on that device. */
  readonly offsetBytes: number;
  /** Its size is a multiple of this. */
  readonly unitBytes: number;
  /** Its key is in a keyring, and must be read from the header again. */
  readonly needsPassphrase: boolean;
  /** Why it cannot be grown, as the end of a sentence that begins with its name. */
  readonly obstacle: string | null;
}

export interface FoundPhysicalVolume {
  readonly kind: 'physical-volume';
  readonly name: string;
  readonly uuid: string;
  readonly group: string;
  readonly extentBytes: number;
  readonly firstExtentBytes: number;
  readonly extentCount: number;
  readonly freeExtentCount: number;
  readonly obstacle: string | null;
  /** Why no LV grows with it, as a sentence; null where one does. */
  readonly alone: string | null;
}

export interface FoundLogicalVolume {
  readonly kind: 'logical-volume';
  /** group/volume */
  readonly name: string;
  readonly uuid: string;
  readonly sizeBytes: number;
}

export const growableTypes = ['ext2', 'ext3', 'ext4', 'xfs', 'btrfs', 'f2fs', 'ntfs'] as const;
export type GrowableType = (typeof growableTypes)[number];

/**
 * `hidden`: mounted where something else is mounted over it. `elsewhere`: something holds it that we cannot
 * see, such as a mount in a container.
 */
export const fileSystemUses = ['unmounted', 'mounted', 'read-only', 'hidden', 'elsewhere'] as const;
export type FileSystemUse = (typeof fileSystemUses)[number];

export interface FoundFileSystem {
  readonly kind: 'file-system';
  /** The device that it lies on. */
  readonly name: string;
  readonly type: GrowableType;
  readonly uuid: string | null;
  readonly sizeBytes: number;
  /** Its size is a multiple of this. */
  readonly unitBytes: number;
  /** By how much its tool may leave it smaller than its device besides. */
  readonly slackBytes: number;
  /**
   * What it cannot become larger than, with the reason as the end of a sentence; null where no disk is too
   * large.
   */
  readonly limit: { readonly bytes: number; readonly why: string } | null;
  readonly use: FileSystemUse;
  /** The kernel lets us grow it while it is mounted; ext4 asks for a privilege that a container may lack. */
  readonly mayGrowMounted: boolean;
  /** Where, for people. */
  readonly mountPoints: readonly string[];
  /** What its superblock says against growing it before it was checked; null when it says clean. */
  readonly defect: string | null;
  readonly obstacle: string | null;
}

/** Content that nothing here can grow, among it LUKS that is not open; null: none that is known. */
export interface FoundOther {
  readonly kind: 'other';
  readonly name: string;
  readonly type: string | null;
}

export type FoundLayer =
  | FoundLuks
  | FoundPhysicalVolume
  | FoundLogicalVolume
  | FoundFileSystem
  | FoundOther;

/** A process that has the disk, or a device of the layers, open for writing. */
export interface FoundWriter {
  readonly device: string;
  readonly command: string;
  readonly pid: number;
}

export interface Found {
  readonly disk: PlannedDisk;
  /** Null: the disk is one volume. */
  readonly table: FoundTable | null;
  readonly shown: readonly ShownPartition[];
  /** Of the disk or the partition that was asked for; the number is null where there is no table. */
  readonly partition: number | null;
  readonly device: PlannedDisk;
  readonly layers: readonly FoundLayer[];
  readonly writers: readonly FoundWriter[];
  /** What is recognised in the room behind the partition. */
  readonly behind: string | null;
}
