/**
 * The command line's way to the service. It is asked where it runs; a command that names a state directory of
 * its own means the jobs there, and speaks to them directly.
 */
import { ServiceClient } from '../client/service-client.ts';
import type { ServiceEvents } from '../client/service-client.ts';
import { DiskferryError } from '../base/error.ts';
import { setVariable } from '../base/set-variable.ts';
import { defaultSocketPath } from '../contract/service.ts';
import { namedStateDirectory } from './state-directory.ts';

/** Throws `no-service` when none runs. */
export async function requireService(): Promise<ServiceClient> {
  return connectToService();
}

function connectToService(events: ServiceEvents = {}): Promise<ServiceClient> {
  return ServiceClient.connect(serviceSocketPath(), events);
}

export function serviceSocketPath(): string {
  return setVariable('DISKFERRY_SOCKET') ?? defaultSocketPath;
}

/** What `act` has done with the service; undefined when there was none to do it with. */
export async function byService<T>(
  { stateDir }: { readonly stateDir?: string | undefined },
  act: (client: ServiceClient) => Promise<T>,
  events: ServiceEvents = {},
): Promise<{ readonly done: T } | undefined> {
  const isNamed = setVariable('DISKFERRY_SOCKET') !== undefined;
  const namesDirectory = namedStateDirectory(stateDir) !== undefined;
  if (namesDirectory && !isNamed) return undefined;
  let client: ServiceClient;
  try {
    client = await connectToService(events);
  } catch (error) {
    if (!isNamed && error instanceof DiskferryError && error.code === 'no-service') return undefined;
    throw error;
  }
  try {
    return { done: await act(client) };
  } finally {
    client.close();
  }
}

/**
 * The job that is named, or the only one that runs. Throws `job-missing`, or `usage` when there are several.
 */
export async function serviceJob(client: ServiceClient, named: string | undefined): Promise<string> {
  if (named !== undefined) return named;
  const { jobs } = await client.request('list', {});
  const living = jobs.filter(({ state }) => state !== 'died').map(({ job }) => job);
  const [only] = living;
  if (only !== undefined && living.length === 1) return only;
  if (only === undefined) throw new DiskferryError('job-missing', 'no job is running');
  throw new DiskferryError('usage', `several jobs are running: ${living.join(', ')}: name one`);
}
