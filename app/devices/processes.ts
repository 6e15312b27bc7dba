/**
 * Which processes keep a volume or a disk busy, from /proc: open files, working and root directories,
 * programs and mapped files. Sees every process as root, else only one's own. Processes end while we look,
 * which is no error.
 *
 * Open files are followed by stat, everything else is compared by path, which needs no access to file systems
 * that may hang.
 */
import { opendirSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import type { BigIntStats, Dir } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import type { FileKey } from './block-device.ts';
import { fileKeyText, majorMinorOf } from './block-device.ts';
import { isInside } from './mounts.ts';
import type { Storage } from './overlap.ts';
import { reachableStat } from './reachable-stat.ts';

export interface ProcessUse {
  readonly pid: number;
  readonly command: string;
  readonly how: 'open file' | 'working directory' | 'root directory' | 'program' | 'mapped file';
  readonly path: string;
}

/** Takes a few milliseconds. */
const filesInARow = 256;

/** What reading /proc gives for a process that has ended or is not ours. */
const passedCodes = new Set(['ENOENT', 'ESRCH', 'EACCES', 'EPERM', 'ENOTDIR']);

function orNothing<T>(read: () => T, nothing: T): T {
  try {
    return read();
  } catch (error) {
    if (passedCodes.has((error as NodeJS.ErrnoException).code ?? '')) return nothing;
    throw error;
  }
}

/**
 * Processes that keep any of the mount points from being unmounted; one entry per process, the most telling
 * one.
 */
export function findUsers(targets: readonly string[]): ProcessUse[] {
  const isOnVolume = (path: string): boolean => targets.some((target) => isInside(path, target));
  return processes().flatMap((pid) => {
    const use = usesOf(pid).find(({ path }) => isOnVolume(path));
    return use === undefined ? [] : [use];
  });
}

/**
 * Processes other than ours that have the disk open for writing. Readers harm nothing: udev opens disks at
 * any moment.
 */
export function findWriters(storage: Storage): Promise<ProcessUse[]> {
  return findWritersOf([storage]);
}

/**
 * The same for any of several, in one walk over all processes; `path` is what each has open. The service walks as well,
 * and any user may have any number of files open: it goes on with its other work in between.
 */
export async function findWritersOf(storages: readonly Storage[]): Promise<ProcessUse[]> {
  const found: ProcessUse[] = [];
  for (const pid of processes().filter((one) => one !== process.pid)) {
    const fd = await findWritable(pid, storages);
    if (fd !== undefined) found.push({ pid, command: commandOf(pid), how: 'open file', path: fd.path });
  }
  return found;
}

async function findWritable(pid: number, storages: readonly Storage[]): Promise<OpenFd | undefined> {
  const folder = `/proc/${pid}/fd`;
  const open = orNothing<Dir | null>(() => opendirSync(folder), null);
  try {
    for (let count = 1; open !== null; count += 1) {
      const entry = orNothing(() => open.readSync(), null);
      if (entry === null) return undefined;
      const fd = openFd(pid, entry.name);
      if (fd !== undefined && isAnyDisk(fd.link, storages) && isWritable(fd)) return fd;
      if (count % filesInARow === 0) await setImmediate();
    }
    return undefined;
  } finally {
    open?.closeSync();
    await setImmediate();
  }
}

/**
 * Processes that have any of the block devices open, for whatever purpose; `ownFd` of our own does not count.
 */
export function findOpeners(majorMinors: ReadonlySet<string>, ownFd: number): ProcessUse[] {
  const isOwn = ({ pid, fd }: OpenFd): boolean => pid === process.pid && Number(fd) === ownFd;
  return processes().flatMap((pid) => {
    const fd = listFds(pid).find((open) => isOneOf(open.link, majorMinors) && !isOwn(open));
    return fd === undefined ? [] : [{ pid, command: commandOf(pid), how: 'open file', path: fd.path }];
  });
}

function processes(): number[] {
  return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
}

function usesOf(pid: number): ProcessUse[] {
  const command = commandOf(pid);
  const uses: ProcessUse[] = listFds(pid).map(({ path }) => ({ pid, command, how: 'open file', path }));
  const links = [
    ['cwd', 'working directory'],
    ['root', 'root directory'],
    ['exe', 'program'],
  ] as const;
  for (const [link, how] of links) {
    const path = linkTarget(`/proc/${pid}/${link}`);
    if (path !== null) uses.push({ pid, command, how, path });
  }
  for (const path of mappedFiles(pid)) uses.push({ pid, command, how: 'mapped file', path });
  return uses;
}

function commandOf(pid: number): string {
  return orNothing(() => readFileSync(`/proc/${pid}/comm`, 'utf8').trim(), '');
}

function linkTarget(link: string): string | null {
  return orNothing<string | null>(() => readlinkSync(link), null);
}

interface OpenFd {
  readonly pid: number;
  readonly fd: string;
  readonly link: string;
  readonly path: string;
}

/** Open files; sockets, pipes and the like are left out. */
function listFds(pid: number): OpenFd[] {
  return orNothing<string[]>(() => readdirSync(`/proc/${pid}/fd`), []).flatMap((fd) => openFd(pid, fd) ?? []);
}

function openFd(pid: number, fd: string): OpenFd | undefined {
  const link = `/proc/${pid}/fd/${fd}`;
  const path = linkTarget(link);
  return path?.startsWith('/') ? { pid, fd, link, path } : undefined;
}

/** Lines look like `55… r-xp 00000000 08:01 1234   /usr/bin/cat`. */
function mappedFiles(pid: number): string[] {
  const maps = orNothing(() => readFileSync(`/proc/${pid}/maps`, 'utf8'), '');
  return maps.split('\n').flatMap((line) => {
    const index = line.indexOf('/');
    return index < 0 ? [] : [line.slice(index)];
  });
}

function isOneOf(link: string, majorMinors: ReadonlySet<string>): boolean {
  const stat = reachableStat(link);
  return stat?.isBlockDevice() === true && majorMinors.has(majorMinorOf(stat.rdev));
}

function isAnyDisk(link: string, storages: readonly Storage[]): boolean {
  const stat = reachableStat(link);
  return stat !== undefined && storages.some((storage) => isDisk(stat, storage));
}

function isDisk(stat: BigIntStats, storage: Storage): boolean {
  if (storage.kind === 'block') return stat.isBlockDevice() && majorMinorOf(stat.rdev) === storage.majorMinor;
  const file: FileKey = { device: majorMinorOf(stat.dev), inode: Number(stat.ino) };
  return stat.isFile() && fileKeyText(file) === fileKeyText(storage.file);
}

/** From `flags:` in fdinfo, octal; the two lowest bits are the access mode, 0 meaning read only. */
function isWritable({ pid, fd }: OpenFd): boolean {
  const info = orNothing(() => readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'), '');
  const flags = /^flags:\s*([0-7]+)$/m.exec(info)?.[1];
  return flags !== undefined && (parseInt(flags, 8) & 3) !== 0;
}
