/** Sends one request to a foreground job's control socket and gives back the job's status. */
import { connect } from 'node:net';
import { join } from 'node:path';
import {
  createMessageConnection,
  ResponseError,
  SocketMessageReader,
  SocketMessageWriter,
} from 'vscode-jsonrpc/node.js';
import type { Message } from 'vscode-jsonrpc/node.js';
import { DiskferryError } from '../base/error.ts';
import type { DiskferryErrorData } from '../base/error.ts';
import type { ControlParameters, ControlRequestName, JobStatus } from '../contract/control.ts';
import { controlSocketName, jobStatusSchema, jobsDirectoryName } from '../contract/control.ts';
import { isRefusedAccess, notOurs } from '../migration/job-record.ts';

/** An answer that came last is still being taken apart when the socket closes. */
const lastAnswerMs = 100;

/**
 * For a request that cannot be written, because the job ended between our connecting and our asking.
 * vscode-jsonrpc rejects the request then and also throws where nobody can catch it (8.2.1, sendRequest),
 * which would end the command with a trace. The socket closes after a failed write, and that is what the
 * caller is told by.
 */
class QuietWriter extends SocketMessageWriter {
  override async write(message: Message): Promise<void> {
    await super.write(message).catch(() => undefined);
  }
}

/**
 * Throws `job-missing` when no such job listens, `not-root` when it is somebody else's, or what the job
 * answered.
 */
export async function askJob<Name extends ControlRequestName>(
  stateDirectory: string,
  job: string,
  name: Name,
  parameters: ControlParameters<Name>,
): Promise<JobStatus> {
  const path = join(stateDirectory, jobsDirectoryName, job, controlSocketName);
  const socket = connect(path);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', (cause) => {
      const missing = new DiskferryError('job-missing', `${job}: no such job is running`, { cause });
      reject(isRefusedAccess(cause) ? notOurs(path, cause) : missing);
    });
  });
  const reader = new SocketMessageReader(socket);
  // Else half an answer starts a timer that never ends, nor lets the command end.
  reader.partialMessageTimeout = 0;
  const connection = createMessageConnection(reader, new QuietWriter(socket));
  connection.listen();
  let waiting: NodeJS.Timeout | undefined;
  const closed = new Promise<never>((_, reject) => {
    const error = new DiskferryError(
      'job-missing',
      `${job}: the job ended before it answered; its own last line says how`,
    );
    socket.once('close', () => (waiting = setTimeout(() => reject(error), lastAnswerMs)));
    // Closing follows.
    socket.on('error', () => undefined);
  });
  try {
    return jobStatusSchema.parse(await Promise.race([connection.sendRequest(name, parameters), closed]));
  } catch (error) {
    const data: unknown = error instanceof ResponseError ? error.data : undefined;
    throw data === undefined ? error : DiskferryError.fromData(data as DiskferryErrorData);
  } finally {
    connection.dispose();
    socket.removeAllListeners('close').destroy();
    clearTimeout(waiting);
  }
}
