/**
 * `diskferry grow`: makes what lies on a disk use the room behind it, after a move to a larger one. Shows what will grow
 * from which size to which, asks, and goes from the partition table up to the file system. Run again after a crash, it
 * goes on with what is left.
 */
import { resolve } from 'node:path';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import type { ExitCode } from '../../contract/exit-codes.ts';
import { exitCodes } from '../../contract/exit-codes.ts';
import type { GrowEvent, GrowLayer, GrowPlan } from '../../contract/grow.ts';
import type { AskedGrow } from '../../migration/grow-request.ts';
import { growAsPlanned, planGrow } from '../../migration/grow-request.ts';
import { confirmGrow } from '../confirm.ts';
import { formatBytes } from '../format.ts';
import { growText, layerName } from '../grow-text.ts';
import { readPassphraseFor } from '../passphrase.ts';
import { stateDirectoryOf, systemStateDirectory } from '../state-directory.ts';
import { stateDirectoryOption } from '../state-option.ts';
import { stopOnSignals } from '../stop-signals.ts';

interface GrowCommandOptions {
  readonly partition?: number;
  readonly volume?: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly repairBackupTable?: boolean;
  readonly keyFile?: string;
  readonly stateDir?: string;
  readonly json?: boolean;
}

export function addGrowCommand(program: Command): void {
  program
    .command('grow')
    .description('grow what lies on a disk into the room behind it: partition, LUKS, LVM and file system')
    .argument('<device>', 'a disk, of which the last partition grows, a partition, or a volume without partitions')
    .option('--partition <number>', 'the partition to grow, where it is not the last one', partitionNumber)
    .option('--volume <name>', 'the LV to grow, where it is not the last one on the physical volume')
    .option('--dry-run', 'show what would grow; nothing is written')
    .option('--yes', 'grow without asking')
    .option('--repair-backup-table', 'make a damaged backup of a GPT anew from its main table')
    .option('--key-file <path>', 'holds the passphrase of the LUKS container, instead of asking for it')
    .option(...stateDirectoryOption)
    .option('--json', 'one JSON object per line on stdout')
    .action(async (device: string, options: GrowCommandOptions) => {
      process.exitCode = await grow(device, options);
    });
}

function partitionNumber(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It is no partition number.');
}

async function grow(device: string, options: GrowCommandOptions): Promise<ExitCode> {
  const asked: AskedGrow = {
    request: { path: resolve(device), partition: options.partition ?? null, volume: options.volume ?? null },
    options: { repairsBackupTable: options.repairBackupTable === true },
    // A job that was begun with other words has its state elsewhere; it may have died, and nothing else tells of it.
    stateDirectories: [
      ...new Set([stateDirectoryOf(options.stateDir), stateDirectoryOf(undefined), systemStateDirectory]),
    ],
  };
  const plan = await planGrow(asked);
  tell(options, { event: 'grow-planned', job: '', timeMs: Date.now(), plan });
  // With --yes as well: who reads the log later must know what was done.
  process.stderr.write(`${growText(plan, process.stderr)}\n`);
  if (options.dryRun === true) return exitCodes.done;
  if (options.yes !== true) await confirmGrow(plan);
  await carryOut(asked, plan, options);
  tell(options, { event: 'grow-finished', job: '', timeMs: Date.now() });
  process.stderr.write(`${plan.disk.path}: has grown.\n`);
  return exitCodes.done;
}

function tell({ json }: GrowCommandOptions, event: GrowEvent): void {
  if (json === true) process.stdout.write(`${JSON.stringify(event)}\n`);
}

async function carryOut(asked: AskedGrow, plan: GrowPlan, options: GrowCommandOptions): Promise<void> {
  const container = plan.layers.find(({ kind }) => kind === 'luks');
  const passphrase =
    plan.needsPassphrase && container !== undefined
      ? await readPassphraseFor(container.name, options.keyFile)
      : undefined;
  // A program in its step is never ended: a signal only ends a check, and keeps the next step from being begun.
  const stop = stopOnSignals(`${plan.disk.path}: stops as soon as nothing is half done.`);
  try {
    await growAsPlanned({ ...asked, plan, passphrase, signal: stop.signal, tellCheck, tell: tellGrown });
  } finally {
    stop.end();
    passphrase?.fill(0);
  }

  function tellCheck(device: string, checker: string): void {
    tell(options, { event: 'grow-checking', job: '', timeMs: Date.now(), device, checker });
    process.stderr.write(`${device}: is checked whole by ${checker} first; nothing is written before.\n`);
  }

  function tellGrown(layer: GrowLayer, sizeBytes: number): void {
    tell(options, { event: 'grew', job: '', timeMs: Date.now(), layer, sizeBytes });
    process.stderr.write(`${layerName(layer)}: ${formatBytes(sizeBytes)}\n`);
  }
}
