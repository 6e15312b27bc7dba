/**
 * Which device-mapper devices lie on a disk right now, from sysfs: an LV may have been activated, extended or
 * removed since anybody looked. Devices of our own that are private ways to a disk do not count as its users.
 */
import { join } from 'node:path';
import { ownerOf } from './stack.ts';
import { listFolder, readAttribute } from './sysfs-files.ts';

/** Their names, as device-mapper knows them; `sysPath` as in sysfs.ts. */
export function mappedHoldersOf(majorMinor: string, sysPath = '/sys'): string[] {
  const folder = join(sysPath, 'dev/block', majorMinor, 'holders');
  return listFolder(folder).flatMap((holder) => {
    // A RAID array among the holders has neither.
    const uuid = readAttribute(join(folder, holder, 'dm/uuid'));
    const name = readAttribute(join(folder, holder, 'dm/name'));
    if (uuid === null || name === null) return [];
    const owner = ownerOf(uuid);
    return owner.owner === 'own' && owner.isPrivate ? [] : [name];
  });
}
