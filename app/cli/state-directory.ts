/** Where jobs keep their state: `--state-dir`, DISKFERRY_STATE_DIR, or the system's place. */
import { resolve } from 'node:path';

const systemStateDirectory = '/var/lib/diskferry';

export function stateDirectoryOf(option: string | undefined): string {
  return resolve(option ?? process.env['DISKFERRY_STATE_DIR'] ?? systemStateDirectory);
}
