/** `diskferry devices`: what there is on this machine, and what of it can be moved. */
import type { Command } from 'commander';
import { readDeviceTrees } from '../../migration/device-trees.ts';
import { deviceText } from '../device-text.ts';

export function addDevicesCommand(program: Command): void {
  program
    .command('devices')
    .description('show the disks of this machine and what lies on them')
    .option('--json', 'one JSON object per line on stdout')
    .action(async ({ json }: { readonly json?: boolean }) => {
      for (const tree of await readDeviceTrees()) {
        process.stdout.write(json === true ? `${JSON.stringify(tree)}\n` : `${deviceText(tree)}\n`);
      }
    });
}
