/**
 * A job that runs already, whoever started it: heard on its control socket from its beginning to its end. A
 * connection that is lost while the job runs is made anew, and what was told is not told again.
 *
 * A job whose process has died says nothing any more. Its own supervisor, if it has one still, may have a
 * successor take over, which listens only when the last request of the dead process has come back from its
 * disk. When nobody serves the job and none listens in time, the end is told here, because whoever watches must
 * not wait for ever.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DiskferryError, messageOf } from '../base/error.ts';
import { jobsDirectoryName } from '../contract/control.ts';
import { watchJob } from '../migration/control-client.ts';
import type { EventLog } from '../migration/event-log.ts';
import { isLast } from '../migration/event-log.ts';
import { failedEvent } from '../migration/failed-event.ts';
import { readEnd } from '../migration/job-history.ts';
import { isAlive } from '../migration/recorded-jobs.ts';

const pollMs = 100;

export interface AdoptedJob {
  readonly stateDirectory: string;
  readonly job: string;
  /** Where everything that it says goes. */
  readonly log: EventLog;
  readonly say: (text: string) => void;
  /** Some process does, or a request of one that died is still with a disk. */
  readonly isServed: (job: string) => boolean;
  /** For a successor to listen: a new process, on a machine that may be busy. */
  readonly successorMsMax: number;
}

/** Resolves when it has ended, and its last event is in the log. */
export async function hearJob(adopted: AdoptedJob): Promise<void> {
  const { job, log, stateDirectory, say } = adopted;
  do {
    await hearOnce(adopted).catch((error: unknown) => {
      // It has ended or died at this very moment.
      const isGone = error instanceof DiskferryError && error.code === 'job-missing';
      if (!isGone) say(`${job} cannot be heard: ${messageOf(error)}`);
    });
  } while (!hasEnded(log) && (await listensAgain(adopted)));
  if (hasEnded(log)) return;
  say(`${job} has gone without a last word`);
  log.add((await readEnd(stateDirectory, job)) ?? death(adopted));
}

function hasEnded(log: EventLog): boolean {
  return log.events().some(isLast);
}

/** A job tells what it has kept first, the same each time. */
async function hearOnce({ stateDirectory, job, log }: AdoptedJob): Promise<void> {
  let known = log.events().length;
  await watchJob(stateDirectory, job, (event) => {
    if (event.event === 'progress' || known === 0) log.add(event);
    else known -= 1;
  });
}

/** False at once for a job that has cleaned up. */
async function listensAgain({ stateDirectory, job, isServed, successorMsMax }: AdoptedJob): Promise<boolean> {
  const directory = join(stateDirectory, jobsDirectoryName, job);
  let servedMs = performance.now();
  while (existsSync(directory)) {
    if (await isAlive(directory)) return true;
    if (isServed(job)) servedMs = performance.now();
    else if (performance.now() - servedMs > successorMsMax) return false;
    await sleep(pollMs);
  }
  return false;
}

function death({ job, log }: AdoptedJob): ReturnType<typeof failedEvent> {
  const isCommitted = log.events().some(({ event }) => event === 'committed');
  const error = new DiskferryError('engine-died', `${job}: the job's process has died`);
  return failedEvent(error, { job, dataIs: isCommitted ? 'destination' : 'both' });
}
