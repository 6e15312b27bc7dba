/**
 * Who has a flock'd file, from /proc/locks. The kernel keeps a lock until the last request on that descriptor has
 * ended, also when the process that took it is gone: what such a process was writing is then still with a disk.
 *
 * Nothing is decided by it but what people are told: a lock may be let go at any moment, and a number be given to
 * another process.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';

export type LockHolder =
  | { readonly kind: 'process'; readonly processId: number }
  /** The process that took the lock has ended, or is about to. */
  | { readonly kind: 'dead' }
  /** It has been let go, is of another user or container, or the file system has another number in /proc/locks (Btrfs). */
  | { readonly kind: 'unknown' };

/** @param locks as /proc/locks says */
export function lockHolder(path: string, locks: () => string = readLocks): LockHolder {
  try {
    const key = lockKey(path);
    const processId = heldLocks(locks()).find((lock) => lock.key === key)?.processId;
    if (processId === undefined) return { kind: 'unknown' };
    if (isProcessAlive(processId)) return { kind: 'process', processId };
    return isHiddenFromUs(processId) ? { kind: 'unknown' } : { kind: 'dead' };
  } catch {
    return { kind: 'unknown' };
  }
}

/** One that is dying has no memory, and so no command line, any more. */
export function isProcessAlive(processId: number): boolean {
  try {
    return readFileSync(`/proc/${processId}/cmdline`, 'utf8') !== '';
  } catch {
    return false;
  }
}

/** Where /proc shows only one's own processes (hidepid), those of others seem to be gone. */
function isHiddenFromUs(processId: number): boolean {
  if (existsSync(`/proc/${processId}`)) return false;
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function readLocks(): string {
  return readFileSync('/proc/locks', 'latin1');
}

interface HeldLock {
  /** As the kernel prints it: `major:minor:inode`, the first two in hexadecimal digits. */
  readonly key: string;
  readonly processId: number;
}

/** `1: FLOCK  ADVISORY  WRITE 812 fe:00:2147078 0 EOF`; who waits for a lock has an arrow before it. */
function heldLocks(text: string): HeldLock[] {
  const pattern = /^\d+: FLOCK +\w+ +\w+ +(\d+) ([0-9a-f]+:[0-9a-f]+:\d+) /gm;
  return [...text.matchAll(pattern)].map(([, processId, key]) => ({ key: key ?? '', processId: Number(processId) }));
}

function lockKey(path: string): string {
  const { dev, ino } = statSync(path, { bigint: true });
  const [major, minor] = [(dev >> 8n) & 0xfffn, (dev & 0xffn) | ((dev >> 12n) & 0xfff00n)];
  return `${hex(major)}:${hex(minor)}:${ino}`;
}

/** At least two digits. */
function hex(value: bigint): string {
  return value.toString(16).padStart(2, '0');
}
