/** `diskferry migrate`: a whole job in the foreground, from the plan to the report. */
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import { DiskferryError, messageOf } from '../../base/error.ts';
import { controlSocketName, jobsDirectoryName } from '../../contract/control.ts';
import type { JobEventOf } from '../../contract/events.ts';
import { exitCodes } from '../../contract/exit-codes.ts';
import type { ExitCode } from '../../contract/exit-codes.ts';
import type { Plan, Speed } from '../../contract/plan.ts';
import { speedSchema } from '../../contract/plan.ts';
import { assertAsConfirmed } from '../../migration/confirmed-plan.ts';
import { ControlServer } from '../../migration/control-server.ts';
import { Job } from '../../migration/job.ts';
import { makeJobDirectory, refuseAfterDeath, writeJobRecord } from '../../migration/job-record.ts';
import { confirmPlan } from '../confirm.ts';
import { outliveFaults } from '../outlive-faults.ts';
import { readPassphrase } from '../passphrase.ts';
import type { PlanOptions } from '../plan-options.ts';
import { addPlanOptions, makePlan } from '../plan-options.ts';
import { planText } from '../plan-text.ts';
import type { EventView } from '../progress-view.ts';
import { makeEventView } from '../progress-view.ts';
import { reportError } from '../report-error.ts';
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

/** What belongs to one run of the command. */
interface Run {
  readonly name: string;
  /** The job's own directory. */
  readonly directory: string;
  readonly plan: Plan;
  readonly passphrase: Uint8Array | undefined;
  readonly options: MigrateOptions;
  readonly view: EventView;
}

/** Of the source's name in the job's. */
const nameLengthMax = 40;

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
      'systemd unit to stop while the volume is put in place (may be repeated)',
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
  await prepareState(directory, () => makeJobDirectory(directory));
  const run: Run = {
    name,
    directory,
    plan,
    passphrase,
    options,
    view: makeEventView(process.stderr, options.json === true),
  };
  const job = makeJob(run);
  try {
    return await runJob(job, run);
  } finally {
    run.view.close();
    // While the data is on both disks the record stays, so that nobody starts over from the source unaware.
    if (job.dataIs !== 'both') await removeRecord(directory);
  }
}

/** The move has ended by now: what is left of its record is no failure of it. */
async function removeRecord(directory: string): Promise<void> {
  try {
    await rm(directory, { recursive: true });
  } catch (error) {
    process.stderr.write(
      `the record of this move, which is over, is still there; remove it: ${messageOf(error)}\n`,
    );
  }
}

/** Throws the first of all that speaks against the job. */
async function planJob(options: MigrateOptions): Promise<Plan> {
  const plan = await makePlan(options, 'carry-out');
  requireUsers(plan, options);
  if (options.keyFile !== undefined) requireContainer(plan);
  if (options.socket !== undefined) requireSocket(plan, options.socket);
  await refuseAfterDeath(plan);
  return plan;
}

/**
 * Much can happen before the person answers: what spoke against the job before the question may do so after
 * it.
 */
async function confirm(plan: Plan, options: MigrateOptions): Promise<Plan> {
  process.stderr.write(`${planText(plan, process.stderr)}\n`);
  await confirmPlan(plan);
  const now = await planJob(options);
  assertAsConfirmed(plan, now);
  return now;
}

/** Who is stopped must be started again, and who is started must have been stopped. */
function requireBothCommands({ stopCommand, startCommand }: MigrateOptions): void {
  if ((stopCommand === undefined) === (startCommand === undefined)) return;
  const [given, missing] =
    stopCommand === undefined ? ['--start-command', '--stop-command'] : ['--stop-command', '--start-command'];
  throw new DiskferryError('usage', `${given}: needs ${missing} as well: what is stopped is started again`);
}

function requireSocket({ frontend }: Plan, socket: string): void {
  if (frontend !== 'nbd-socket')
    throw new DiskferryError('usage', `--socket: is for --frontend nbd-socket, not for ${frontend}`);
  requireFreeSocketPath(resolve(socket));
}

function requireContainer({ source, mappedUsers }: Plan): void {
  if (mappedUsers.some(({ needsPassphrase }) => needsPassphrase)) return;
  const message = `--key-file: no passphrase is needed to move ${source.path}`;
  throw new DiskferryError('usage', message, { context: { device: source.path } });
}

function requireUsers({ way, source }: Plan, { stopCommand, stopUnit = [] }: MigrateOptions): void {
  if (way === 'remount' || (stopCommand === undefined && stopUnit.length === 0)) return;
  const given = stopCommand === undefined ? '--stop-unit' : '--stop-command';
  const message = `${given}: ${source.path} is not mounted, so there is nothing to stop for`;
  throw new DiskferryError('usage', message, { context: { device: source.path } });
}

/** Something that can be typed in a shell, whatever the source is called. */
function nameJob(plan: Plan): string {
  const words = basename(plan.source.path).match(/[A-Za-z0-9]+/g) ?? ['job'];
  return `${words.join('-').slice(0, nameLengthMax)}-${randomBytes(2).toString('hex')}`;
}

async function prepareState(directory: string, prepare: () => Promise<void>): Promise<void> {
  try {
    await prepare();
  } catch (cause) {
    const message = `${directory}: the job cannot keep its state there: ${messageOf(cause)}`;
    throw new DiskferryError('state-directory-unusable', message, { context: { directory }, cause });
  }
}

function makeJob({ name, directory, plan, passphrase, options, view }: Run): Job {
  const { stopUnit = [], stopCommand, startCommand } = options;
  return new Job({
    job: name,
    plan,
    directory,
    socketPath: resolve(options.socket ?? join(directory, 'nbd.sock')),
    speed: options.speed,
    hold: options.hold === true,
    users: { units: stopUnit, stopCommand, startCommand },
    passphrase,
    emit: (event) => {
      view.handle(event);
      if (event.event === 'planned') warnOfPlan(event, view);
    },
  });
}

/** With `--yes` nobody has read the plan. */
function warnOfPlan({ job, timeMs, plan }: JobEventOf<'planned'>, view: EventView): void {
  for (const { code, message } of plan.warnings)
    view.handle({ event: 'warning', job, timeMs, code, message });
}

async function runJob(job: Job, { name, directory, plan, options, view }: Run): Promise<ExitCode> {
  const control = await listenForControl(job, directory);
  const stopListening = undoOnSignals(job);
  const stopOutliving = outliveFaults();
  try {
    await prepareState(directory, () => writeJobRecord(directory, plan));
    return (await job.run()) === 'finished' ? exitCodes.done : exitCodes.undone;
  } catch (error) {
    view.close();
    return reportError(error, { json: options.json === true, job: name, dataIs: job.dataIs });
  } finally {
    stopListening();
    await control.close();
    stopOutliving();
  }
}

async function listenForControl(job: Job, directory: string): Promise<ControlServer> {
  const path = join(directory, controlSocketName);
  try {
    return await ControlServer.listen(path, {
      status: () => job.status(),
      pause: () => job.pause(),
      resume: () => job.resume(),
      speed: ({ speed }) => job.setSpeed(speed),
      cutover: () => job.cutOver(),
      undo: () => job.undo(),
    });
  } catch (cause) {
    const message = `${path}: the job cannot listen there: ${messageOf(cause)}`;
    throw new DiskferryError('state-directory-unusable', message, { context: { directory }, cause });
  }
}

/**
 * Ctrl-C and a polite kill go back to the source, as far as the job allows; they never leave it half done.
 */
function undoOnSignals(job: Job): () => void {
  const undo = (): void => {
    try {
      job.undo();
      process.stderr.write('Going back to the source; please wait until everything written is safe there.\n');
    } catch (error) {
      if (!(error instanceof DiskferryError)) throw error;
      process.stderr.write(`${error.message}\n`);
    }
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, undo);
  return () => {
    for (const signal of signals) process.off(signal, undo);
  };
}
