/**
 * Everything that preflight must know about the source or the destination, as plain data. Follows links,
 * looks at the inventory, asks for permissions; opens nothing. What only root finds out is added by
 * `lookCloser`.
 */
import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { sectorBytes } from '../base/units.ts';
import type { DeviceContent, DeviceIdentity } from '../contract/plan.ts';
import type { BlockDevice, FileKey } from './block-device.ts';
import { majorMinorOf } from './block-device.ts';
import { countBtrfsDevices, probeContent } from './content.ts';
import { tryExclusiveOpen } from './exclusive-open.ts';
import type { Inventory } from './inventory.ts';
import { findDevice } from './inventory.ts';
import type { Storage } from './overlap.ts';
import type { ProcessUse } from './processes.ts';
import { findWriters } from './processes.ts';

export type PathKind = 'block' | 'file' | 'directory' | 'character device' | 'fifo' | 'socket';

export interface DiskFacts {
  /** As the user wrote it. */
  readonly path: string;
  readonly kind: 'block' | 'file';
  readonly storage: Storage;
  readonly sizeBytes: number;
  /** Null for a file, which takes on what the other disk has. */
  readonly logicalBlockBytes: number | null;
  readonly physicalBlockBytes: number | null;
  readonly readOnly: boolean;
  /** What access(2) refuses, by errno name (EACCES, EROFS, …); null when it allows. */
  readonly readRefusal: string | null;
  readonly writeRefusal: string | null;
  readonly model: string | null;
  readonly serial: string | null;
  readonly bus: string | null;
  readonly content: DeviceContent | null;
  readonly identity: DeviceIdentity;
  /** Null before root has looked. */
  readonly closer: CloserFacts | null;
}

/** What needs root. */
export interface CloserFacts {
  /**
   * Null when the device could be opened exclusively (and was closed again), else the errno's name. Null for
   * files.
   */
  readonly exclusiveRefusal: string | null;
  /** Processes that have the disk open for writing; none where nobody has looked for them. */
  readonly writers: readonly ProcessUse[];
  /** Of how many devices its file system consists. */
  readonly memberCount: number;
}

/** When there is no disk at the path. */
export interface AbsentDisk {
  readonly path: string;
  readonly kind: 'missing' | 'unreachable' | 'not-a-disk';
  /** What is there instead, or the errno's name of what keeps us from looking. */
  readonly reason: string;
}

export function isAbsent(disk: DiskFacts | AbsentDisk): disk is AbsentDisk {
  return disk.kind !== 'block' && disk.kind !== 'file';
}

export function readDiskFacts(inventory: Inventory, path: string): DiskFacts | AbsentDisk {
  let stat: BigIntStats;
  let realPath: string;
  try {
    realPath = realpathSync(path);
    // A path under /proc/PID/fd leads to the open disk itself, also when its name leads elsewhere by now.
    stat = statSync(path, { bigint: true });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    const isMissing = code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENXIO';
    return { path, kind: isMissing ? 'missing' : 'unreachable', reason: code };
  }
  if (stat.isBlockDevice()) {
    const device = findDevice(inventory, majorMinorOf(stat.rdev));
    // A node without a device behind it, left over or made by hand.
    return device === undefined ? { path, kind: 'missing', reason: 'ENXIO' } : readBlockFacts(device, path);
  }
  if (stat.isFile()) return readFileFacts(path, realPath, stat);
  return { path, kind: 'not-a-disk', reason: kindOfPath(stat) };
}

function kindOfPath(stat: BigIntStats): PathKind {
  if (stat.isDirectory()) return 'directory';
  if (stat.isCharacterDevice()) return 'character device';
  return stat.isFIFO() ? 'fifo' : 'socket';
}

/** The facts of a device of the inventory. `path` is how people named it. */
export function readBlockFacts(device: BlockDevice, path: string): DiskFacts {
  const { majorMinor, sizeBytes, serial, wwn, diskSequence, content } = device;
  return {
    path,
    kind: 'block',
    storage: { kind: 'block', majorMinor },
    sizeBytes,
    logicalBlockBytes: device.logicalBlockBytes,
    physicalBlockBytes: device.physicalBlockBytes,
    readOnly: device.readOnly,
    readRefusal: refusalOf(path, constants.R_OK),
    writeRefusal: refusalOf(path, constants.W_OK),
    model: device.model,
    serial,
    bus: device.bus,
    content,
    identity: { path, majorMinor, inode: null, sizeBytes, diskSequence, serial, wwn, content },
    closer: null,
  };
}

function readFileFacts(path: string, realPath: string, stat: BigIntStats): DiskFacts {
  const file: FileKey = { device: majorMinorOf(stat.dev), inode: Number(stat.ino) };
  const sizeBytes = Number(stat.size);
  const writeRefusal = refusalOf(realPath, constants.W_OK);
  return {
    path,
    kind: 'file',
    storage: { kind: 'file', file, path: realPath },
    sizeBytes,
    logicalBlockBytes: null,
    physicalBlockBytes: null,
    readOnly: writeRefusal === 'EROFS',
    readRefusal: refusalOf(realPath, constants.R_OK),
    writeRefusal,
    model: null,
    serial: null,
    bus: null,
    content: null,
    identity: {
      path,
      majorMinor: file.device,
      inode: file.inode,
      sizeBytes,
      diskSequence: null,
      serial: null,
      wwn: null,
      content: null,
    },
    closer: null,
  };
}

function refusalOf(path: string, mode: number): string | null {
  try {
    accessSync(path, mode);
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

export interface CloserLook {
  /** Takes as long as there are open files on the whole machine. */
  readonly findsWriters: boolean;
}

/**
 * Adds what opening the disk tells: content, exclusive open, writers. As root, right before the job starts.
 */
export async function lookCloser(disk: DiskFacts, { findsWriters }: CloserLook): Promise<DiskFacts> {
  const isReadable = disk.readRefusal === null && disk.sizeBytes >= sectorBytes;
  const content = isReadable ? await probeContent(disk.path) : disk.content;
  const closer: CloserFacts = {
    exclusiveRefusal: disk.kind === 'block' ? await tryExclusiveOpen(disk.path) : null,
    writers: findsWriters ? await findWriters(disk.storage) : [],
    memberCount: content?.fileSystemType === 'btrfs' ? await countBtrfsDevices(disk.path) : 1,
  };
  return { ...disk, content, identity: { ...disk.identity, content }, closer };
}
