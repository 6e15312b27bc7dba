/** Sends one request to a foreground job's control socket and gives back the job's status. */
import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createMessageConnection, ResponseError, SocketMessageReader, SocketMessageWriter } from 'vscode-jsonrpc/node.js';
import { DiskferryError } from '../base/error.ts';
import type { DiskferryErrorData } from '../base/error.ts';
import type { ControlParameters, ControlRequestName, JobStatus } from '../contract/control.ts';
import { controlSocketName, jobStatusSchema, jobsDirectoryName } from '../contract/control.ts';

/** Jobs that have a directory; some may have ended without cleaning up. */
export async function listJobs(stateDirectory: string): Promise<string[]> {
  try {
    return await readdir(join(stateDirectory, jobsDirectoryName));
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
}

/** Throws `job-missing` when no such job listens, or what the job answered. */
export async function askJob<Name extends ControlRequestName>(
  stateDirectory: string,
  job: string,
  name: Name,
  parameters: ControlParameters<Name>,
): Promise<JobStatus> {
  const socket = connect(join(stateDirectory, jobsDirectoryName, job, controlSocketName));
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', (cause) => reject(new DiskferryError('job-missing', `${job}: no such job is running`, { cause })));
  });
  const connection = createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket));
  connection.listen();
  try {
    return jobStatusSchema.parse(await connection.sendRequest(name, parameters));
  } catch (error) {
    const data: unknown = error instanceof ResponseError ? error.data : undefined;
    throw data === undefined ? error : DiskferryError.fromData(data as DiskferryErrorData);
  } finally {
    connection.dispose();
    socket.destroy();
  }
}
