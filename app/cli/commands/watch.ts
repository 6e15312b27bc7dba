/**
 * `diskferry watch`: shows a job that runs already, from its beginning, as the terminal does that started it,
 * and ends with the exit code of the job. Leaving it does nothing to the job.
 */
import type { Command } from 'commander';
import { DiskferryError } from '../../base/error.ts';
import type { ExitCode } from '../../contract/exit-codes.ts';
import type { LastEvent } from '../../migration/event-log.ts';
import { isLast } from '../../migration/event-log.ts';
import { deathOf, findDeadJobs } from '../../migration/recorded-jobs.ts';
import { watchJob } from '../../migration/control-client.ts';
import { EventQueue } from '../event-queue.ts';
import { JobView } from '../job-view.ts';
import { byService, serviceJob } from '../service-line.ts';
import { stateDirectoryOf } from '../state-directory.ts';
import { watchByService } from '../watch-service.ts';
import type { ControlOptions } from './control.ts';
import { control, jobToTell } from './control.ts';

export function addWatchCommand(program: Command): void {
  control(program.command('watch'), 'show a running job; leaving it does nothing to the job').action(
    async (job: string | undefined, options: ControlOptions) => {
      process.exitCode = await watch(job, options);
    },
  );
}

async function watch(named: string | undefined, options: ControlOptions): Promise<ExitCode> {
  const json = options.json === true;
  const stream = new EventQueue();
  const byIt = await byService(
    options,
    async (client) => watchByService(client, { job: await serviceJob(client, named), stream, json }),
    stream.listener,
  );
  return byIt === undefined ? watchDirectly(named, options) : byIt.done;
}

async function watchDirectly(named: string | undefined, options: ControlOptions): Promise<ExitCode> {
  const directory = stateDirectoryOf(options.stateDir);
  const job = await jobToTell(directory, named);
  const view = await JobView.open({ json: options.json === true });
  let last: LastEvent | undefined;
  try {
    await watchJob(directory, job, (event) => {
      if (isLast(event)) last = event;
      view.show(event);
    });
  } finally {
    if (last === undefined) view.close();
  }
  if (last !== undefined) return view.end(last);
  const dead = (await findDeadJobs(directory)).find((one) => one.job === job);
  throw dead === undefined ? new DiskferryError('job-missing', `${job}: the job has ended`) : deathOf(dead);
}
