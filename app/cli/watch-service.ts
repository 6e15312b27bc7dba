/**
 * Shows a job that the service looks after, from its beginning to its end. Leaving it does nothing to the
 * job.
 */
import { DiskferryError } from '../base/error.ts';
import type { ServiceClient } from '../client/service-client.ts';
import type { ExitCode } from '../contract/exit-codes.ts';
import { isLast } from '../migration/event-log.ts';
import type { EventQueue } from './event-queue.ts';
import { JobView } from './job-view.ts';

export interface WatchedJob {
  readonly job: string;
  /** What the client tells as it comes. */
  readonly stream: EventQueue;
  readonly json: boolean;
}

/** Throws `job-missing` when it does not run, `no-service` when the service goes, and `stream-ended`. */
export async function watchByService(
  client: ServiceClient,
  { job, stream, json }: WatchedJob,
): Promise<ExitCode> {
  const { events } = await client.request('subscribe', { job });
  // The last one may be among them already.
  stream.pushFirst(events);
  const gone = 'the service has gone, or has closed the connection; the job goes on';
  void client.closed.then(() => stream.fail(new DiskferryError('no-service', gone)));
  const view = await JobView.open({ json });
  for (;;) {
    const event = await stream.next().catch((error: unknown): never => {
      view.close();
      throw error;
    });
    view.show(event);
    if (isLast(event)) return view.end(event);
  }
}
