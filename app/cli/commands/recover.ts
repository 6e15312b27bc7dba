/**
 * `diskferry recover`: goes on with a job that died, by a crash, a power cut or `kill -9`, from its record
 * and journal. Finds its disks at whatever names they have now, and then is like `migrate`.
 */
import { join } from 'node:path';
import type { Command } from 'commander';
import { DiskferryError } from '../../base/error.ts';
import type { ServiceClient } from '../../client/service-client.ts';
import { jobsDirectoryName } from '../../contract/control.ts';
import type { ExitCode } from '../../contract/exit-codes.ts';
import type { RecordedJob } from '../../migration/recorded-jobs.ts';
import { findDeadJobs, findLivingJobs } from '../../migration/recorded-jobs.ts';
import { EventQueue } from '../event-queue.ts';
import { followJob } from '../follow-job.ts';
import { reportFailure } from '../report-error.ts';
import { byService } from '../service-line.ts';
import { stateDirectoryOf } from '../state-directory.ts';
import { watchByService } from '../watch-service.ts';
import { control } from './control.ts';

interface RecoverOptions {
  readonly undo?: boolean;
  readonly hold?: boolean;
  readonly stateDir?: string;
  readonly json?: boolean;
}

export function addRecoverCommand(program: Command): void {
  control(program.command('recover'), 'go on with a job that died in a crash or power cut', 'when only one has died')
    .option('--undo', 'go back to the source instead, with what was written since the start')
    .option('--hold', 'wait when everything has crossed, until "diskferry cutover JOB"')
    .action(async (job: string | undefined, options: RecoverOptions) => {
      process.exitCode = await recover(job, options);
    });
}

async function recover(named: string | undefined, options: RecoverOptions): Promise<ExitCode> {
  const byIt = process.geteuid?.() === 0 ? undefined : await recoverByService(named, options);
  return byIt === undefined ? recoverHere(named, options) : byIt;
}

/** For people who are not root. Leaving it does nothing to the job. Undefined where no service runs. */
async function recoverByService(
  named: string | undefined,
  { stateDir, undo, hold, json }: RecoverOptions,
): Promise<ExitCode | undefined> {
  const stream = new EventQueue();
  const recoverThere = async (client: ServiceClient): Promise<ExitCode> => {
    const job = named ?? onlyOf(await deadThere(client));
    const { first } = await client.request('recover', { job, goesBack: undo === true, hold: hold === true });
    if (first.event === 'failed') return reportFailure(first, { json: json === true });
    return watchByService(client, { job, stream, json: json === true });
  };
  return (await byService({ stateDir }, recoverThere, stream.listener))?.done;
}

async function deadThere(client: ServiceClient): Promise<string[]> {
  const { jobs } = await client.request('list', {});
  return jobs.filter(({ state }) => state === 'died').map(({ job }) => job);
}

async function recoverHere(named: string | undefined, options: RecoverOptions): Promise<ExitCode> {
  const stateDirectory = stateDirectoryOf(options.stateDir);
  const { job, record } = await deadJob(stateDirectory, named);
  requireRights(job, record);
  const hold = options.hold === true || ('hold' in record && record.hold);
  const directory = join(stateDirectory, jobsDirectoryName, job);
  const order = { recovers: job, directory, goesBack: options.undo === true, hold };
  const verifies = 'plan' in record && record.plan.verifies;
  return followJob({ order, json: options.json === true, hold, verifies, stateDirectory });
}

/** The one that is named, or the only one. */
async function deadJob(stateDirectory: string, named: string | undefined): Promise<RecordedJob> {
  const found = (await findDeadJobs(stateDirectory)).filter(
    ({ job }) => named === undefined || job === named,
  );
  const only = found.length === 0 ? undefined : onlyOf(found.map(({ job }) => job));
  const dead = found.find(({ job }) => job === only);
  if (dead !== undefined) return dead;
  const runs = (await findLivingJobs(stateDirectory)).some(({ job }) => job === named);
  if (runs) throw new DiskferryError('job-state', `${named ?? ''}: cannot recover: the job runs`);
  const what = named === undefined ? 'no job has died' : `${named}: no such job has died`;
  throw new DiskferryError('job-missing', what);
}

function onlyOf(dead: readonly string[]): string {
  const [only] = dead;
  if (only === undefined) throw new DiskferryError('job-missing', 'no job has died');
  if (dead.length === 1) return only;
  throw new DiskferryError('usage', `several jobs have died: ${dead.join(', ')}: name one`);
}

/** Its disks are opened as the job opened them. */
function requireRights(job: string, record: RecordedJob['record']): void {
  if ('defect' in record || !record.plan.needsRoot || process.geteuid?.() === 0) return;
  throw new DiskferryError('not-root', `${job}: going on with it needs root`);
}
