/**
 * Commands that speak to a job which runs elsewhere, through the service where it runs: status, pause,
 * resume, speed, verify, cutover, undo, retry, accept-unreadable.
 */
import { dirname } from 'node:path';
import { Argument } from 'commander';
import type { Command } from 'commander';
import { DiskferryError } from '../../base/error.ts';
import type { ControlParameters, ControlRequestName, JobStatus, StatusLine } from '../../contract/control.ts';
import type { ServiceClient } from '../../client/service-client.ts';
import type { Speed } from '../../contract/plan.ts';
import { speedSchema } from '../../contract/plan.ts';
import type { RecordedJob } from '../../migration/recorded-jobs.ts';
import { deathOf, findDeadJobs, findLivingJobs, listJobs, recordLine } from '../../migration/recorded-jobs.ts';
import { askJob } from '../../migration/control-client.ts';
import { byService, serviceJob } from '../service-line.ts';
import { controlCommand, stateDirectoryOf } from '../state-directory.ts';
import { stateDirectoryOption } from '../state-option.ts';
import type { Shown } from '../status-line.ts';
import { showStatus } from '../status-line.ts';

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
    .option(...stateDirectoryOption)
    .option('--json', 'one JSON object per line on stdout')
    .action((speed: Speed, job: string | undefined, options: ControlOptions) =>
      tell(job, 'speed', { speed }, options),
    );
}

/** `leftOut`: when the job may be. */
export function control(command: Command, description: string, leftOut = 'when only one is running'): Command {
  return command
    .description(description)
    .argument('[job]', `the job; may be left out ${leftOut}`)
    .option(...stateDirectoryOption)
    .option('--json', 'one JSON object per line on stdout');
}

function addStatus(program: Command): void {
  const what = 'show the jobs that are running, and those that have died';
  control(program.command('status'), what, 'to see all').action(
    async (job: string | undefined, options: ControlOptions) => {
      const byIt = await byService(options, (client) => serviceStatuses(client, job));
      if (byIt === undefined) return showOwnStatuses(job, options);
      if (byIt.done.length === 0) sayNone(options);
      for (const line of byIt.done) showStatus(line, shown(options));
    },
  );
}

async function serviceStatuses(client: ServiceClient, named: string | undefined): Promise<StatusLine[]> {
  const { jobs } = await client.request('list', {});
  const found = jobs.filter(({ job }) => named === undefined || job === named);
  if (named !== undefined && found.length === 0)
    throw new DiskferryError('job-missing', `${named}: no such job is running`);
  return found;
}

async function showOwnStatuses(job: string | undefined, options: ControlOptions): Promise<void> {
  const directory = stateDirectoryOf(options.stateDir);
  const dead = (await findDeadJobs(directory)).filter((one) => job === undefined || one.job === job);
  const found = await statuses(directory, job, dead.length > 0);
  for (const status of found) showStatus(status, shown(options));
  if (found.length + dead.length === 0) sayNone(options);
  for (const one of dead) showDead(one, options);
}

function sayNone({ json }: ControlOptions): void {
  if (json !== true) process.stderr.write('No job is running.\n');
}

function shown({ stateDir, json }: ControlOptions): Shown {
  return { stateDirectory: stateDirectoryOf(stateDir), json: json === true };
}

/** Of all jobs or of the one named, which must be running unless it is known to be dead. */
async function statuses(
  directory: string,
  job: string | undefined,
  isDead: boolean,
): Promise<(JobStatus | StatusLine)[]> {
  if (job === undefined) return running(directory);
  return isDead ? [] : [await askJob(directory, job, 'status', {})];
}

/** Its own record has more to tell than a line. */
function showDead(dead: RecordedJob, options: ControlOptions): void {
  if (options.json === true) {
    showStatus(recordLine(dead, 'died', Date.now()), shown(options));
    return;
  }
  const { job, record, directory } = dead;
  const disks = 'defect' in record ? 'every disk that it may have moved' : 'both disks';
  const goOn = controlCommand('recover', job, dirname(dirname(directory)));
  process.stderr.write(`${deathOf(dead).message}. Keep ${disks}, and run "${goOn}".\n`);
}

type Told = Exclude<ControlRequestName, 'watch'>;

/** How the service calls what a job hears. */
function serviceName(name: Told): Exclude<Told, 'accept-unreadable'> | 'acceptUnreadable' {
  return name === 'accept-unreadable' ? 'acceptUnreadable' : name;
}

async function tell<Name extends Told>(
  job: string | undefined,
  name: Name,
  parameters: ControlParameters<Name>,
  options: ControlOptions,
): Promise<void> {
  showStatus(await ask(job, name, parameters, options), shown(options));
}

/** Of the service where it runs, else of the job itself. */
async function ask<Name extends Told>(
  named: string | undefined,
  name: Name,
  parameters: ControlParameters<Name>,
  options: ControlOptions,
): Promise<JobStatus> {
  const byIt = await byService(options, async (client) => {
    const job = await serviceJob(client, named);
    // Each takes what the job takes, and the job's name.
    return client.request(serviceName(name), { job, ...parameters });
  });
  if (byIt !== undefined) return byIt.done;
  const directory = stateDirectoryOf(options.stateDir);
  return askJob(directory, await jobToTell(directory, named), name, parameters);
}

async function cutOver(
  job: string | undefined,
  options: ControlOptions & { readonly dryRun?: boolean },
): Promise<void> {
  if (options.dryRun !== true) return tell(job, 'cutover', {}, options);
  const status = await ask(job, 'status', {}, options);
  showStatus(status, shown(options));
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
async function running(directory: string): Promise<(JobStatus | StatusLine)[]> {
  const answers = await Promise.all((await listJobs(directory)).map((job) => statusOf(directory, job)));
  return answers.filter((status) => status !== undefined);
}

async function statusOf(directory: string, job: string): Promise<JobStatus | StatusLine | undefined> {
  try {
    return await askJob(directory, job, 'status', {});
  } catch (error) {
    if (!(error instanceof DiskferryError)) throw error;
    if (error.code === 'job-missing') return undefined;
    if (error.code !== 'job-silent') throw error;
    const silent = (await findLivingJobs(directory)).find((one) => one.job === job);
    if (silent === undefined) throw error;
    return recordLine(silent, 'not-answering', Date.now());
  }
}
