/** `diskferry devices`: what there is on this machine, and what of it can be moved. */
import type { Command } from 'commander';
import { setTimeout as sleep } from 'node:timers/promises';
import { fingerprint, pollMs } from '../../migration/device-watch.ts';
import { DiskferryError } from '../../base/error.ts';
import type { DeviceTrees } from '../../migration/device-trees.ts';
import { readDeviceTrees } from '../../migration/device-trees.ts';
import { deviceText } from '../device-text.ts';
import { byService } from '../service-line.ts';
import { stateDirectoryOf } from '../state-directory.ts';
import { stateDirectoryOption } from '../state-option.ts';

interface DevicesOptions {
  readonly json?: boolean;
  readonly stateDir?: string;
  readonly watch?: boolean;
}

export function addDevicesCommand(program: Command): void {
  program
    .command('devices')
    .description('show the disks of this machine and what lies on them')
    .option('--watch', 'go on, and show them again whenever a disk comes, goes or changes')
    .option(...stateDirectoryOption)
    .option('--json', 'one JSON object per line on stdout')
    .action(showDevices);
}

async function showDevices(options: DevicesOptions): Promise<void> {
  for (;;) {
    // What changes while we look must show the next time.
    const before = fingerprint();
    await showOnce(options);
    if (options.watch !== true) return;
    while (fingerprint() === before) await sleep(pollMs);
    if (options.json !== true) process.stdout.write('\n');
  }
}

async function showOnce({ json, stateDir }: DevicesOptions): Promise<void> {
  const { trees, notes } = await treesSeen(stateDir);
  for (const note of notes) process.stderr.write(`${note}; its word is missing.\n`);
  for (const tree of trees)
    process.stdout.write(json === true ? `${JSON.stringify(tree)}\n` : `${deviceText(tree)}\n`);
}

/** The service sees more than people who are not root. Whom it refuses sees what everybody may. */
async function treesSeen(stateDir: string | undefined): Promise<DeviceTrees> {
  const isRoot = process.geteuid?.() === 0;
  const byIt = isRoot
    ? undefined
    : await byService({ stateDir }, (client) => client.request('devices', {}).catch(orOwnEyes));
  return byIt?.done ?? readDeviceTrees(stateDirectoryOf(stateDir));
}

function orOwnEyes(error: unknown): undefined {
  if (error instanceof DiskferryError && error.code === 'not-authorised') return undefined;
  throw error;
}
