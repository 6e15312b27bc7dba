/** `diskferry devices`: what there is on this machine, and what of it can be moved. */
import type { Command } from 'commander';
import { readDeviceTrees } from '../../migration/device-trees.ts';
import { deviceText } from '../device-text.ts';
import { stateDirectoryOf } from '../state-directory.ts';

export function addDevicesCommand(program: Command): void {
  program
    .command('devices')
    .description('show the disks of this machine and what lies on them')
    .option(
      '--state-dir <path>',
      'where jobs keep their state (default: DISKFERRY_STATE_DIR or /var/lib/diskferry)',
    )
    .option('--json', 'one JSON object per line on stdout')
    .action(async ({ json, stateDir }: { readonly json?: boolean; readonly stateDir?: string }) => {
      for (const tree of await readDeviceTrees(stateDirectoryOf(stateDir))) {
        process.stdout.write(json === true ? `${JSON.stringify(tree)}\n` : `${deviceText(tree)}\n`);
      }
    });
}
