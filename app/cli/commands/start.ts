/**
 * `diskferry start`: gives the service a job and returns; the job goes on whatever becomes of this terminal.
 * What is started is exactly the plan that was shown: the service gives a token for it.
 */
import { Option } from 'commander';
import type { Command } from 'commander';
import { resolve } from 'node:path';
import type { ServiceClient } from '../../client/service-client.ts';
import { parseSize } from '../../base/parse-size.ts';
import type { ExitCode } from '../../contract/exit-codes.ts';
import { exitCodes } from '../../contract/exit-codes.ts';
import type { Plan, Speed } from '../../contract/plan.ts';
import { speedSchema } from '../../contract/plan.ts';
import type { ServiceResult } from '../../contract/service.ts';
import { confirmPlan } from '../confirm.ts';
import { readPassphrase } from '../passphrase.ts';
import type { PlanOptions } from '../plan-options.ts';
import { addPlanOptions } from '../plan-options.ts';
import { planText } from '../plan-text.ts';
import { reportFailure } from '../report-error.ts';
import { requireService } from '../service-line.ts';

interface StartOptions extends PlanOptions {
  readonly yes?: boolean;
  readonly speed: Speed;
  readonly hold?: boolean;
  readonly stopUnit?: readonly string[];
  readonly keyFile?: string;
}

export function addStartCommand(program: Command): void {
  addPlanOptions(program.command('start'), { hasStateDirectory: false })
    .description('give the service a disk or volume to move, and return')
    .option('--yes', 'erase the destination without asking')
    .addOption(
      new Option('--speed <speed>', 'how fast to copy beside what uses the volume')
        .choices(speedSchema.options)
        .default('balanced'),
    )
    .option('--hold', 'wait when everything has crossed, until "diskferry cutover JOB"')
    .option(
      '--stop-unit <name>',
      'active systemd unit to stop while the volume is put in place (may be repeated)',
      collect,
    )
    .option('--key-file <path>', 'holds the passphrase of the LUKS container on the source')
    .action(async (options: StartOptions) => {
      const client = await requireService();
      try {
        process.exitCode = await start(client, options);
      } finally {
        client.close();
      }
    });
}

function collect(value: string, previous: readonly string[] | undefined): string[] {
  return [...(previous ?? []), value];
}

async function start(client: ServiceClient, options: StartOptions): Promise<ExitCode> {
  const { plan, token, notes } = await client.request('plan', {
    source: resolve(options.source),
    destination: resolve(options.destination),
    ...(options.create === undefined ? {} : { createBytes: parseSize(options.create) }),
    mode: options.mode,
    frontend: options.frontend,
    verifies: options.verify === true,
    unmountsAtCutOver: options.unmountAtCutover === true,
    allowsNoJournal: options.experimentalNoJournal === true,
  });
  for (const note of notes) process.stderr.write(`Note: ${note}\n`);
  if (options.yes !== true) await confirm(plan);
  const { stopUnit = [], speed, hold } = options;
  const passphrase = await readPassphrase(plan, options.keyFile);
  const begun = await client.request('start', {
    ...{ token, speed, hold: hold === true, units: [...stopUnit] },
    ...(passphrase === undefined ? {} : { passphrase: Buffer.from(passphrase).toString('base64') }),
  });
  passphrase?.fill(0);
  return sayBegun(begun, options.json === true);
}

async function confirm(plan: Plan): Promise<void> {
  process.stderr.write(`${planText(plan, process.stderr)}\n`);
  await confirmPlan(plan);
}

/** The plan, or why it could not begin. */
function sayBegun({ job, first }: ServiceResult<'start'>, json: boolean): ExitCode {
  if (first.event === 'failed') return reportFailure(first, { json });
  const text = json ? JSON.stringify(first) : `${job} has begun. See it with "diskferry watch ${job}".`;
  process.stdout.write(`${text}\n`);
  return exitCodes.done;
}
