/** How much a disk discards at once, by its queue's limit in sysfs; 0: it cannot. */
import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readAttribute } from './sysfs-files.ts';

export function discardBytesMax(majorMinor: string, sysPath = '/sys'): number {
  const link = join(sysPath, 'dev/block', majorMinor);
  if (!existsSync(link)) return 0;
  const folder = realpathSync(link);
  const diskFolder = existsSync(join(folder, 'partition')) ? dirname(folder) : folder;
  return Number(readAttribute(join(diskFolder, 'queue/discard_max_bytes')) ?? 0);
}
