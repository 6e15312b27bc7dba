/**
 * Opens the disks of a job: once, exclusively, and only if the opened thing is the disk of the plan. The
 * comparison is made on the file descriptor after opening, so that no change of names or cables can come in
 * between (invariant 9).
 */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { ErrorCode } from '../base/error.ts';
import { DiskferryError } from '../base/error.ts';
import { sectorBytes } from '../base/units.ts';
import type { DeviceIdentity, PlannedDisk } from '../contract/plan.ts';
import { addon, isAddonError } from '../../native/binding.ts';
import { majorMinorOf } from './block-device.ts';
import { probeContent } from './content.ts';
import { isAbsent, readDiskFacts } from './disk-facts.ts';
import { assertSameDevice } from './identity.ts';
import { readDiskSequence } from './sysfs.ts';
import { readInventory } from './inventory.ts';

export interface OpenDisk {
  /** For all I/O. */
  readonly handle: FileHandle;
  /**
   * On the disk itself: the same as `handle`, unless that leads to a private device over it
   * (private-disk.ts).
   */
  readonly base: FileHandle;
  /** Whether I/O goes past the page cache. Always so for block devices. */
  readonly isDirect: boolean;
  /** Gives up the disk. */
  close(): Promise<void>;
}

interface Opened {
  readonly handle: FileHandle;
  readonly isDirect: boolean;
}

/** `shared`: device-mapper devices lie on it and are to stay there, so nobody can claim it for himself. */
export type Claim = 'exclusive' | 'shared';
/**
 * How a disk is known again. `by-boot`: by what the kernel gives once in a boot, for a successor in the same one, and
 * for whoever keeps a successor waiting. What the disk holds has changed since, and to look around at other devices
 * would wait for the one that nobody serves yet.
 */
export type Known = 'by-plan' | 'by-boot';

/**
 * Until the handle is closed nobody else can claim a block device, and no other Diskferry can open a file.
 * The source is opened for reading only. Throws `device-changed`, `device-in-use` or what opening gave.
 */
export async function openDisk(
  planned: PlannedDisk,
  access: 'read' | 'write',
  claim: Claim = 'exclusive',
  known: Known = 'by-plan',
): Promise<OpenDisk> {
  const mode = access === 'read' ? constants.O_RDONLY : constants.O_RDWR;
  const claimed = claim === 'exclusive' ? constants.O_EXCL : 0;
  // O_EXCL on a block device claims it: nobody can mount or claim it while it is open. On a file it has no
  // meaning.
  const opened: Opened =
    planned.kind === 'block'
      ? { handle: await openPath(planned.path, mode | claimed | constants.O_DIRECT), isDirect: true }
      : await openFile(planned.path, mode);
  try {
    if (planned.kind === 'file') lockFile(planned.path, opened.handle);
    if (planned.identity !== null)
      await assertSame(planned.path, opened.handle, { identity: planned.identity, known });
    return { ...opened, base: opened.handle, close: () => opened.handle.close() };
  } catch (error) {
    await opened.handle.close();
    throw error;
  }
}

/**
 * The same disk for writing, opened when it is first needed, through the descriptor and not the path; that
 * one keeps the claim.
 */
export class WritingHandle {
  readonly #disk: OpenDisk;
  #handle: FileHandle | undefined;

  constructor(disk: OpenDisk) {
    this.#disk = disk;
  }

  async fd(): Promise<number> {
    const direct = this.#disk.isDirect ? constants.O_DIRECT : 0;
    this.#handle ??= await openPath(descriptorPath(this.#disk.base), constants.O_RDWR | direct);
    return this.#handle.fd;
  }

  async close(): Promise<void> {
    await this.#handle?.close();
  }
}

/**
 * Drops what the kernel remembers of a block device's content: direct writes went past it, and who opens the
 * disk next must see what is there. BLKFLSBUF of linux/fs.h. Files keep their page cache right by themselves.
 */
export async function dropCache(disk: OpenDisk): Promise<void> {
  const handles = disk.base === disk.handle ? [disk.handle] : [disk.handle, disk.base];
  for (const handle of handles) {
    const stat = await handle.stat();
    if (stat.isBlockDevice()) await addon().blockFlushBuffers(handle.fd);
  }
}

/** What O_EXCL is for block devices. The lock goes with the last close of this handle. */
export function lockFile(path: string, handle: FileHandle): void {
  try {
    addon().lockExclusive(handle.fd);
  } catch (cause) {
    if (!isAddonError(cause) || cause.code !== 'EWOULDBLOCK') throw cause;
    throw new DiskferryError('device-in-use', `${path}: another process of Diskferry has it`, {
      context: { device: path },
      cause,
    });
  }
}

/** Direct I/O where the file system can do it in sectors. */
export async function openFile(path: string, mode: number): Promise<Opened> {
  const buffered = await openPath(path, mode);
  const alignment = addon().directIoAlignmentBytes(buffered.fd);
  if (alignment === 0 || alignment > sectorBytes) return { handle: buffered, isDirect: false };
  const handle = await openPath(descriptorPath(buffered), mode | constants.O_DIRECT);
  await buffered.close();
  return { handle, isDirect: true };
}

export async function openPath(path: string, flags: number): Promise<FileHandle> {
  try {
    return await open(path, flags);
  } catch (cause) {
    const errno = (cause as NodeJS.ErrnoException).code ?? String(cause);
    const message = `${path}: cannot be opened: ${errno}`;
    throw new DiskferryError(openErrorCode(errno), message, { context: { device: path }, cause });
  }
}

const openErrorCodes: Readonly<Record<string, ErrorCode>> = {
  EACCES: 'device-permission-denied',
  EPERM: 'device-permission-denied',
  EROFS: 'device-read-only',
  ENOENT: 'device-missing',
  ENODEV: 'device-missing',
  ENXIO: 'device-missing',
  ENOMEDIUM: 'device-empty',
  EBUSY: 'device-in-use',
  ETXTBSY: 'device-in-use',
};

/** What open(2) means by an errno, for a disk. */
export function openErrorCode(errno: string): ErrorCode {
  return openErrorCodes[errno] ?? 'device-open-failed';
}

/**
 * What the descriptor's disk is now. The path serves to look it up; that it still leads to the same disk is
 * checked.
 */
async function identify(path: string, handle: FileHandle): Promise<DeviceIdentity> {
  const facts = readDiskFacts(await readInventory({ probes: false, votes: false }), path);
  if (isAbsent(facts))
    throw new DiskferryError('device-missing', `${path}: the disk has gone`, { context: { device: path } });
  const stat = await handle.stat({ bigint: true });
  const isFile = stat.isFile();
  const content =
    facts.sizeBytes >= sectorBytes ? await probeContent(descriptorPath(handle)) : facts.identity.content;
  return {
    ...facts.identity,
    majorMinor: majorMinorOf(isFile ? stat.dev : stat.rdev),
    inode: isFile ? Number(stat.ino) : null,
    sizeBytes: isFile ? Number(stat.size) : addon().blockGeometry(handle.fd).sizeBytes,
    content,
  };
}

interface KnownIdentity {
  readonly identity: DeviceIdentity;
  readonly known: Known;
}

async function assertSame(path: string, handle: FileHandle, { identity, known }: KnownIdentity): Promise<void> {
  if (known === 'by-boot') await assertSameNumbers(identity, path, handle);
  else assertSameDevice(identity, await identify(path, handle));
}

async function assertSameNumbers(planned: DeviceIdentity, path: string, handle: FileHandle): Promise<void> {
  const stat = await handle.stat({ bigint: true });
  const isFile = stat.isFile();
  const majorMinor = majorMinorOf(isFile ? stat.dev : stat.rdev);
  const now = {
    majorMinor,
    inode: isFile ? Number(stat.ino) : null,
    sizeBytes: isFile ? Number(stat.size) : addon().blockGeometry(handle.fd).sizeBytes,
    diskSequence: isFile ? planned.diskSequence : readDiskSequence(majorMinor),
  };
  for (const key of ['majorMinor', 'inode', 'sizeBytes', 'diskSequence'] as const) {
    if (now[key] === planned[key]) continue;
    const message = `${path}: another disk stands there now: its ${key} is ${now[key]} instead of ${planned[key]}`;
    throw new DiskferryError('device-changed', message, { context: { device: path } });
  }
}

/** Leads to the open disk itself, whatever its name leads to; also understood by programs that we start. */
export function descriptorPath(handle: FileHandle): string {
  return `/proc/${process.pid}/fd/${handle.fd}`;
}
