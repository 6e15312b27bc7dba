/**
 * All that preflight decides on, gathered once and as plain data: the machine's storage, both disks, and what
 * the host offers. Two stages: the first needs no privileges and opens nothing, so that most refusals come
 * before anybody is asked for a password; the second ("closer"), as root and right before the job starts,
 * opens the disks for a look.
 */
import { accessSync, constants, existsSync, readFileSync, realpathSync, statSync, statfsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { present } from '../base/error.ts';
import { kibibyte, sectorBytes } from '../base/units.ts';
import type { Allocation } from '../devices/allocated.ts';
import { readDiskAllocation } from '../devices/allocated-disk.ts';
import { majorMinorOf } from '../devices/block-device.ts';
import { isDeviceMapperOffered } from '../devices/device-mapper.ts';
import { hiddenOn } from '../devices/disk-at-rest.ts';
import type { AbsentDisk, DiskFacts } from '../devices/disk-facts.ts';
import { isAbsent, lookCloser, readDiskFacts } from '../devices/disk-facts.ts';
import type { Inventory } from '../devices/inventory.ts';
import { readInventory } from '../devices/inventory.ts';
import type { StackFacts } from '../devices/stack-facts.ts';
import { readStackFacts } from '../devices/stack-facts.ts';
import type { KernelOffers } from './frontend-choice.ts';
import { loadOffers, readKernelOffers } from './frontend-choice.ts';
import { mountsOf } from './use-checks.ts';

export interface Facts {
  readonly inventory: Inventory;
  readonly source: DiskFacts | AbsentDisk;
  readonly destination: DiskFacts | AbsentDisk;
  /** Where the destination's file is, or would be created; null for everything else. */
  readonly destinationFolder: FolderFacts | null;
  readonly stateDirectory: FolderFacts;
  readonly host: HostFacts;
  /** What the source's file system uses, when it was asked for and the source is not mounted. */
  readonly allocation: AllocationFacts | null;
  /** What an earlier job has hidden there, as libblkid names it; nothing when nobody has looked closer. */
  readonly hiddenOnDestination: readonly string[];
  /** What lies on the source by device-mapper; null when nobody has looked closer. */
  readonly stack: StackFacts | null;
}

export interface FolderFacts {
  /** As it was asked for. */
  readonly path: string;
  /** The folder itself or the nearest one above it that exists, without links. */
  readonly existing: string;
  readonly exists: boolean;
  /** `majorMinor` as stat gives it. */
  readonly device: string;
  readonly writeRefusal: string | null;
  readonly availableBytes: number;
  /** What the file occupies already: a destination that is overwritten needs no space for it. */
  readonly occupiedBytes: number;
}

export interface HostFacts {
  readonly userId: number;
  readonly availableMemoryBytes: number;
  readonly hasFuse: boolean;
  readonly hasLoopControl: boolean;
  readonly kernelOffers: KernelOffers;
  /** It is there, or can be loaded. */
  readonly hasDeviceMapper: boolean;
  /**
   * kernel.io_uring_disabled: 0 for everybody, 1 for root, 2 for nobody; kernels without it allow everybody.
   */
  readonly ioUringDisabled: number;
  /** Folders that this system and Diskferry itself run from. */
  readonly systemPaths: readonly string[];
}

/** The numbers of an Allocation, without its extents. */
export type AllocationFacts =
  | { readonly kind: 'known'; readonly allocatedBytes: number }
  | { readonly kind: 'unknown'; readonly reason: string };

export interface GatherOptions {
  /** What a first look found a moment ago: of that, only the disks are looked at again. */
  readonly basis?: Facts | undefined;
  readonly sourcePath: string;
  readonly destinationPath: string;
  readonly stateDirectory: string;
  /** Opens both disks for a look; as root, or for image files as their owner. */
  readonly looksCloser: boolean;
  /** Of the closer look. */
  readonly findsWriters: boolean;
  /**
   * Reads the map of the source's free space too; may take long on a large volume. Only with `looksCloser`.
   */
  readonly readsAllocation: boolean;
  /**
   * Loads the kernel module that this frontend, as the user wrote it, needs; as root. Undefined: loads
   * nothing.
   */
  readonly loadsFrontend?: string | undefined;
}

export async function gatherFacts(options: GatherOptions): Promise<Facts> {
  const inventory = options.basis?.inventory ?? (await readInventory({ probes: false, votes: true }));
  const look = async (path: string): Promise<DiskFacts | AbsentDisk> => {
    const disk = readDiskFacts(inventory, path);
    return isAbsent(disk) || !options.looksCloser ? disk : lookCloser(disk, options);
  };
  const source = await look(options.sourcePath);
  const destination = await look(options.destinationPath);
  return {
    inventory,
    source,
    destination,
    destinationFolder: mayBeFile(destination) ? readFileFolder(options.destinationPath) : null,
    stateDirectory: readFolder(options.stateDirectory),
    host: await readHost(options),
    hiddenOnDestination: options.looksCloser ? await readHidden(destination) : [],
    stack: options.looksCloser ? await readStack(inventory, source) : null,
    allocation: options.readsAllocation ? await readAllocation(inventory, source) : null,
  };
}

async function readStack(inventory: Inventory, source: DiskFacts | AbsentDisk): Promise<StackFacts | null> {
  if (isAbsent(source) || source.storage.kind === 'file') return null;
  return readStackFacts(inventory, { majorMinor: source.storage.majorMinor, path: source.path });
}

async function readHidden(disk: DiskFacts | AbsentDisk): Promise<string[]> {
  if (isAbsent(disk) || disk.readRefusal !== null) return [];
  const { path, kind, sizeBytes } = disk;
  return hiddenOn({ path, kind, logicalBlockBytes: disk.logicalBlockBytes ?? sectorBytes }, [sizeBytes]);
}

function mayBeFile({ kind }: DiskFacts | AbsentDisk): boolean {
  return kind === 'file' || kind === 'missing';
}

/** Of a mounted file system no map is true for longer than a moment. */
async function readAllocation(
  inventory: Inventory,
  source: DiskFacts | AbsentDisk,
): Promise<AllocationFacts | null> {
  return isAbsent(source) || mountsOf(inventory, source).length > 0 ? null : summarise(inventory, source);
}

async function summarise(inventory: Inventory, source: DiskFacts): Promise<AllocationFacts> {
  const allocation: Allocation = await readDiskAllocation(inventory, source);
  return allocation.kind === 'known'
    ? { kind: 'known', allocatedBytes: allocation.allocatedBytes }
    : allocation;
}

function readFileFolder(path: string): FolderFacts {
  if (!existsSync(path)) return readFolder(dirname(resolve(path)));
  const occupiedBytes = statSync(path).blocks * sectorBytes;
  return { ...readFolder(dirname(realpathSync(path))), occupiedBytes };
}

function readFolder(path: string): FolderFacts {
  let existing = resolve(path);
  while (!isFolder(existing)) existing = dirname(existing);
  existing = realpathSync(existing);
  const { bavail, bsize } = statfsSync(existing);
  return {
    path,
    existing,
    exists: isFolder(path),
    device: majorMinorOf(statSync(existing, { bigint: true }).dev),
    writeRefusal: writeRefusalOf(existing),
    availableBytes: bavail * bsize,
    occupiedBytes: 0,
  };
}

function isFolder(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory();
}

function writeRefusalOf(folder: string): string | null {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

// A disk under any of these is one that the machine cannot do without while it runs.
const systemFolders = ['/', '/boot', '/boot/efi', '/efi', '/usr', '/var', '/etc'];

/** What the running system needs: its own folders, and where Node and Diskferry lie. */
export function readSystemPaths(): string[] {
  return [...systemFolders, realpathSync(process.execPath), fileURLToPath(import.meta.url)];
}

async function readHost({ basis, loadsFrontend }: GatherOptions): Promise<HostFacts> {
  const host = basis?.host ?? (await askHost());
  if (loadsFrontend === undefined) return host;
  return { ...host, kernelOffers: await loadOffers(host.kernelOffers, loadsFrontend) };
}

async function askHost(): Promise<HostFacts> {
  const disabledPath = '/proc/sys/kernel/io_uring_disabled';
  return {
    userId: present(process.geteuid, 'Linux has user ids')(),
    availableMemoryBytes: readAvailableMemory(),
    hasFuse: existsSync('/dev/fuse'),
    hasLoopControl: existsSync('/dev/loop-control'),
    kernelOffers: await readKernelOffers(),
    hasDeviceMapper: await isDeviceMapperOffered(),
    ioUringDisabled: existsSync(disabledPath) ? Number(readFileSync(disabledPath, 'utf8')) : 0,
    systemPaths: readSystemPaths(),
  };
}

function readAvailableMemory(): number {
  const kibibytes = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
  return Number(present(kibibytes, '/proc/meminfo tells MemAvailable')) * kibibyte;
}
