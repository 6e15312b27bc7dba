/**
 * A job by its plan, in a process of its own (job-process.ts starts it). The command line makes jobs only of
 * what it would move itself; the scene of devices that lie on a source is none of that.
 */
import { assert, DiskferryError, messageOf } from '../../../app/base/error.ts';
import type { JobOutcome } from '../../../app/migration/job.ts';
import { Job } from '../../../app/migration/job.ts';
import { makeJobOptions } from '../../system/support/made-job.ts';
import type { JobAnswer, JobOrder } from './job-process.ts';

let job: Job | undefined;

function answer(message: JobAnswer): void {
  assert(process.send?.(message) !== undefined, 'started with a channel to its parent');
}

async function run({ plan, directory, name }: JobOrder & { kind: 'start' }): Promise<JobOutcome> {
  const made = await makeJobOptions({ job: name, plan, directory });
  job = new Job({ ...made, emit: (event) => answer({ kind: 'event', event }) });
  try {
    return await job.run();
  } finally {
    await made.journal.close();
  }
}

function start(order: JobOrder & { kind: 'start' }): void {
  run(order).then(
    (outcome) => answer({ kind: 'end', outcome }),
    (error: unknown) => {
      const code = error instanceof DiskferryError ? error.code : 'bug';
      answer({
        kind: 'end',
        outcome: 'failed',
        code,
        message: messageOf(error),
        dataIs: job?.dataIs ?? 'untouched',
      });
    },
  );
}

process.on('message', (order: JobOrder) => {
  if (order.kind === 'start') start(order);
  else job?.[order.kind]();
});
