/**
 * A job by its plan, in a process of its own (job-process.ts starts it). The command line makes jobs only of
 * what it would move itself; the scene of devices that lie on a source is none of that.
 */
import { assert, DiskferryError, messageOf } from '../../../app/base/error.ts';
import { Job } from '../../../app/migration/job.ts';
import type { JobAnswer, JobOrder } from './job-process.ts';

let job: Job | undefined;

function answer(message: JobAnswer): void {
  assert(process.send?.(message) !== undefined, 'started with a channel to its parent');
}

function start({ plan, directory, name }: JobOrder & { kind: 'start' }): void {
  job = new Job({
    ...{ job: name, plan, directory, socketPath: `${directory}/socket`, speed: 'balanced', hold: true },
    users: { units: [] },
    emit: (event) => answer({ kind: 'event', event }),
  });
  job.run().then(
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
