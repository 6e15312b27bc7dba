/**
 * Files and folders of sysfs, read as long as they are there. Devices come and go while they are looked at, so
 * each may vanish at any moment: before it is opened, and also between that and the reading, which then gives
 * ENODEV (fs/kernfs/file.c).
 */
import { readFileSync, readdirSync } from 'node:fs';

const goneCodes = new Set(['ENOENT', 'ENODEV', 'ENXIO', 'ENOTDIR', 'EINVAL']);

/** What an attribute says, without the line's end. Null when the device has gone or never had it. */
export function readAttribute(path: string): string | null {
  return orGone(() => readFileSync(path, 'utf8').trim(), null);
}

/** The names in a folder; none when the device has gone or never had it. */
export function listFolder(path: string): string[] {
  return orGone(() => readdirSync(path), []);
}

function orGone<T>(read: () => T, nothing: T): T {
  try {
    return read();
  } catch (error) {
    if (goneCodes.has((error as NodeJS.ErrnoException).code ?? '')) return nothing;
    throw error;
  }
}
