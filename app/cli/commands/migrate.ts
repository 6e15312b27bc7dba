/**
 * `diskferry migrate`: a whole job in the foreground, from the plan to the report. This process plans, asks, starts
 * the job process and shows what it reports; signals that it gets are passed on. When it is killed, the job
 * goes on without it: `diskferry watch JOB` shows it again.
 */
import { join, resolve } from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import { DiskferryError } from '../../base/error.ts';
import { controlSocketName, jobsDirectoryName } from '../../contract/control.ts';
import type { ExitCode } from '../../contract/exit-codes.ts';
import type { Plan, Speed } from '../../contract/plan.ts';
import { speedSchema } from '../../contract/plan.ts';
import { assertAsConfirmed } from '../../migration/confirmed-plan.ts';
import {
  nameJob,
  requireBeginning,
  requireBothCommands,
  requireContainer,
} from '../../migration/job-order.ts';
import type { NewOrder } from '../../migration/supervisor.ts';
import { confirmPlan } from '../confirm.ts';
import { followJob } from '../follow-job.ts';
import { readPassphrase } from '../passphrase.ts';
import type { PlanOptions } from '../plan-options.ts';
import { addPlanOptions, makePlan } from '../plan-options.ts';
import { requireFreeSocketPath, requireSocketLength } from '../socket-path.ts';

interface MigrateOptions extends PlanOptions {
  readonly yes?: boolean;
  readonly speed: Speed;
  readonly socket?: string;
  readonly hold?: boolean;
  readonly stopUnit?: readonly string[];
  readonly stopCommand?: string;
  readonly startCommand?: string;
  readonly keyFile?: string;
}

export function addMigrateCommand(program: Command): void {
  addPlanOptions(program.command('migrate'))
    .description('move a disk or volume while it stays in use: plan, start, copy, cut over, report')
    .option('--yes', 'erase the destination without asking')
    .addOption(
      new Option('--speed <speed>', 'how fast to copy beside what uses the volume')
        .choices(speedSchema.options)
        .default('balanced'),
    )
    .option('--socket <path>', 'where the nbd-socket frontend listens')
    .option('--hold', 'wait when everything has crossed, until "diskferry cutover JOB"')
    .option(
      '--stop-unit <name>',
      'active systemd unit to stop while the volume is put in place (may be repeated)',
      collect,
    )
    .option('--stop-command <command>', 'stops what uses the volume; must return when it has let go')
    .option('--start-command <command>', 'starts it again')
    .option(
      '--key-file <path>',
      'holds the passphrase of the LUKS container on the source, instead of asking for it',
    )
    .action(async (options: MigrateOptions) => {
      process.exitCode = await migrate(options);
    });
}

function collect(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value];
}

async function migrate(options: MigrateOptions): Promise<ExitCode> {
  requireBothCommands(options);
  const first = await planJob(options);
  const name = nameJob(first);
  const directory = join(first.stateDirectory, jobsDirectoryName, name);
  requireSocketLength(join(directory, controlSocketName), 'state-directory-unusable');
  const plan = options.yes === true ? first : await confirm(first, options);
  const passphrase = await readPassphrase(plan, options.keyFile);
  const order = makeOrder(plan, { name, directory, passphrase, options });
  const { stateDirectory } = plan;
  const { hold } = order.request;
  return followJob({ order, json: options.json === true, hold, verifies: plan.verifies, stateDirectory });
}

/** Throws the first of all that speaks against the job. */
async function planJob(options: MigrateOptions): Promise<Plan> {
  const plan = await makePlan(options, 'carry-out');
  if (options.keyFile !== undefined) requireContainer(plan, '--key-file');
  if (options.socket !== undefined) requireSocket(plan, options.socket);
  await requireBeginning(plan, usersOf(options));
  return plan;
}

/**
 * Much can happen before the person answers: what spoke against the job before the question may do so after
 * it.
 */
async function confirm(plan: Plan, options: MigrateOptions): Promise<Plan> {
  // Here only: programs, and who has said yes before, need not wait for it to load.
  const { planText } = await import('../plan-text.ts');
  process.stderr.write(`${planText(plan, process.stderr)}\n`);
  await confirmPlan(plan);
  const now = await planJob(options);
  assertAsConfirmed(plan, now);
  return now;
}

function requireSocket({ frontend }: Plan, socket: string): void {
  if (frontend !== 'nbd-socket')
    throw new DiskferryError('usage', `--socket: is for --frontend nbd-socket, not for ${frontend}`);
  requireFreeSocketPath(resolve(socket));
}

function usersOf({ stopUnit = [], stopCommand, startCommand }: MigrateOptions): NewOrder['request']['users'] {
  return { units: stopUnit, stopCommand, startCommand };
}

interface OrderParts {
  readonly name: string;
  readonly directory: string;
  readonly passphrase: Uint8Array | undefined;
  readonly options: MigrateOptions;
}

function makeOrder(plan: Plan, { name, directory, passphrase, options }: OrderParts): NewOrder {
  const request = {
    ...{ job: name, plan, speed: options.speed },
    socketPath: resolve(options.socket ?? join(directory, 'nbd.sock')),
    hold: options.hold === true,
    users: usersOf(options),
  };
  return { request, directory, passphrase };
}
