/**
 * Which device-mapper devices lie on a disk right now, from sysfs: an LV may have been activated, extended or
 * removed since anybody looked. Devices of our own that are private ways to a disk do not count as its users.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ownerOf } from './stack.ts';

/** Their names, as device-mapper knows them; `sysPath` as in sysfs.ts. */
export function mappedHoldersOf(majorMinor: string, sysPath = '/sys'): string[] {
  const folder = join(sysPath, 'dev/block', majorMinor, 'holders');
  return listed(folder).flatMap((holder) => {
    const uuid = attribute(folder, holder, 'dm/uuid');
    const name = attribute(folder, holder, 'dm/name');
    if (uuid === null || name === null) return [];
    const owner = ownerOf(uuid);
    return owner.owner === 'own' && owner.isPrivate ? [] : [name];
  });
}

function attribute(folder: string, holder: string, name: string): string | null {
  return orGone(() => readFileSync(join(folder, holder, name), 'utf8').trim(), null);
}

function listed(folder: string): string[] {
  return orGone(() => readdirSync(folder), []);
}

/** Devices come and go while we read, and a RAID array among the holders has no such attributes. */
function orGone<T>(read: () => T, nothing: T): T {
  try {
    return read();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENODEV' || code === 'ENXIO') return nothing;
    throw error;
  }
}
