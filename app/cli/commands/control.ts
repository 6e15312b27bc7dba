/**
 * Commands that speak to a job which runs in another terminal: status, pause, resume, speed, verify, cutover, undo,
 * retry, accept-unreadable.
 */
import { dirname } from 'node:path';
import { Argument } from 'commander';
import type { Command } from 'commander';
import { DiskferryError } from '../../base/error.ts';
import type { ControlParameters, ControlRequestName, JobStatus, StatusLine } from '../../contract/control.ts';
import type { Speed } from '../../contract/plan.ts';
import { speedSchema } from '../../contract/plan.ts';
import type { RecordedJob } from '../../migration/recorded-jobs.ts';
import { deathOf, findDeadJobs, listJobs } from '../../migration/recorded-jobs.ts';
import { askJob } from '../../migration/control-client.ts';
import { eventText } from '../event-text.ts';
import { controlCommand, stateDirectoryOf } from '../state-directory.ts';

export interface ControlOptions {
  readonly stateDir?: string;
  readonly json?: boolean;
}

export function addControlCommands(program: Command): void {
  const simple = {
    pause: 'stop copying for a while; the volume stays in use',
    resume: 'go on after a pause',
    retry: 'try again what failed, when a job waits for a decision',
    'accept-unreadable': 'go on without what cannot be read, when a job waits for a decision about it',
    verify: 'read the destination back and compare it, once everything has crossed',
    undo: 'go back to the source, losing nothing that was written',
  } as const;
  addStatus(program);
  for (const name of Object.keys(simple) as (keyof typeof simple)[]) {
    control(program.command(name), simple[name]).action((job: string | undefined, options: ControlOptions) =>
      tell(job, name, {}, options),
    );
  }
  control(
    program.command('cutover'),
    'put the destination in the place of the virtual device, once everything has crossed',
  )
    .option('--dry-run', 'show what it would do, and do nothing')
    .action(cutOver);
  program
    .command('speed')
    .description('change how fast the job copies beside what uses the volume')
    .addArgument(new Argument('<speed>', 'how fast').choices(speedSchema.options))
    .argument('[job]', 'the job; may be left out when only one is running')
    .option('--state-dir <path>', 'where jobs keep their state')
    .option('--json', 'one JSON object per line on stdout')
    .action((speed: Speed, job: string | undefined, options: ControlOptions) =>
      tell(job, 'speed', { speed }, options),
    );
}

export function control(command: Command, description: string): Command {
  return command
    .description(description)
    .argument('[job]', 'the job; may be left out when only one is running')
    .option('--state-dir <path>', 'where jobs keep their state')
    .option('--json', 'one JSON object per line on stdout');
}

function addStatus(program: Command): void {
  control(program.command('status'), 'show the jobs that are running, and those that have died').action(
    async (job: string | undefined, options: ControlOptions) => {
      const directory = stateDirectoryOf(options.stateDir);
      const dead = (await findDeadJobs(directory)).filter((one) => job === undefined || one.job === job);
      const found = await statuses(directory, job, dead.length > 0);
      for (const status of found) show(status, directory, options);
      if (found.length + dead.length === 0 && options.json !== true)
        process.stderr.write('No job is running.\n');
      for (const one of dead) showDead(one, options);
    },
  );
}

/** Of all jobs or of the one named, which must be running unless it is known to be dead. */
async function statuses(directory: string, job: string | undefined, isDead: boolean): Promise<JobStatus[]> {
  if (job === undefined) return running(directory);
  return isDead ? [] : [await askJob(directory, job, 'status', {})];
}

function showDead(dead: RecordedJob, { json }: ControlOptions): void {
  const { job, record, directory } = dead;
  const plan = 'defect' in record ? undefined : record.plan;
  if (json === true) {
    const [from, to] = [plan?.source.path ?? null, plan?.destination.path ?? null];
    writeLine({
      job,
      processId: null,
      state: 'died',
      source: from,
      destination: to,
      device: null,
      speed: null,
      progress: null,
      cutOver: [],
      decision: null,
    });
    return;
  }
  const disks = plan === undefined ? 'every disk that it may have moved' : 'both disks';
  const goOn = controlCommand('recover', job, dirname(dirname(directory)));
  process.stderr.write(`${deathOf(dead).message}. Keep ${disks}, and run "${goOn}".\n`);
}

async function tell<Name extends ControlRequestName>(
  job: string | undefined,
  name: Name,
  parameters: ControlParameters<Name>,
  options: ControlOptions,
): Promise<void> {
  const directory = stateDirectoryOf(options.stateDir);
  show(await askJob(directory, await jobToTell(directory, job), name, parameters), directory, options);
}

async function cutOver(
  job: string | undefined,
  options: ControlOptions & { readonly dryRun?: boolean },
): Promise<void> {
  if (options.dryRun !== true) return tell(job, 'cutover', {}, options);
  const directory = stateDirectoryOf(options.stateDir);
  const status = await askJob(directory, await jobToTell(directory, job), 'status', {});
  show(status, directory, options);
  if (options.json !== true)
    for (const [index, step] of status.cutOver.entries()) process.stdout.write(`  ${index + 1}. ${step}\n`);
}

/**
 * The job that is named, or the only one. Throws when it has died: nobody should hear that nothing has
 * happened.
 */
export async function jobToTell(directory: string, named: string | undefined): Promise<string> {
  const jobs = named === undefined ? (await running(directory)).map((status) => status.job) : [named];
  const [only] = jobs;
  const dead = (await findDeadJobs(directory)).find(({ job }) => only === undefined || job === named);
  if (dead !== undefined) throw deathOf(dead);
  if (only !== undefined && jobs.length === 1) return only;
  const message =
    only === undefined ? 'no job is running' : `several jobs are running: ${jobs.join(', ')}: name one`;
  throw new DiskferryError(only === undefined ? 'job-missing' : 'usage', message);
}

/** Directories of jobs that ended without cleaning up answer nothing and are passed over. */
async function running(directory: string): Promise<JobStatus[]> {
  const answers = await Promise.all((await listJobs(directory)).map((job) => statusOf(directory, job)));
  return answers.filter((status) => status !== undefined);
}

async function statusOf(directory: string, job: string): Promise<JobStatus | undefined> {
  try {
    return await askJob(directory, job, 'status', {});
  } catch (error) {
    if (error instanceof DiskferryError && error.code === 'job-missing') return undefined;
    throw error;
  }
}

function show(status: JobStatus, directory: string, options: ControlOptions): void {
  if (options.json === true) {
    writeLine(status);
    return;
  }
  const { job, state, source, destination, device, speed, progress, decision } = status;
  process.stdout.write(
    `${job}: ${state}, ${source} to ${destination}, used through ${device ?? 'nothing yet'}, speed ${speed}\n`,
  );
  if (progress !== null) process.stdout.write(`  ${eventText(progress, directory)}\n`);
  if (decision !== null) process.stdout.write(`  ${eventText(decision, directory)}\n`);
}

function writeLine(status: Omit<StatusLine, 'event' | 'timeMs'>): void {
  const line: StatusLine = { event: 'status', timeMs: Date.now(), ...status };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
