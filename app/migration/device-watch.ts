/**
 * Notices that disks come, go or change. It polls sysfs, which costs a few milliseconds and works everywhere, also in
 * containers that see no events of the kernel's.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { listFolder } from '../devices/sysfs-files.ts';

/** How often whoever waits for a change should look. */
export const pollMs = 1000;

/** One string for all that people see of the machine's disks; another one after any change of it. */
export function fingerprint(sysPath = '/sys', mountInfoPath = '/proc/self/mountinfo', swapsPath = '/proc/swaps'): string {
  const classPath = join(sysPath, 'class/block');
  const devices = listFolder(classPath).sort().map((name) => {
    const folder = join(classPath, name);
    return [name, ...['dev', 'size', 'ro', 'diskseq', 'dm/uuid', 'loop/backing_file'].map((file) => read(folder, file))].join(' ');
  });
  return [...devices, read('/', mountInfoPath), read('/', swapsPath)].join('\n');
}

/** What has vanished meanwhile reads as nothing. */
function read(folder: string, name: string): string {
  try {
    return readFileSync(join(folder, name), 'latin1').trim();
  } catch {
    return '';
  }
}
