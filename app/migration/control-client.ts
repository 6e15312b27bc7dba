/** Sends one request to a job's control socket and gives back the job's status. */
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { createMessageConnection, ResponseError, SocketMessageReader } from 'vscode-jsonrpc/node.js';
import type { MessageConnection } from 'vscode-jsonrpc/node.js';
import { DiskferryError } from '../base/error.ts';
import type { DiskferryErrorData } from '../base/error.ts';
import type { ControlParameters, ControlRequestName, JobStatus } from '../contract/control.ts';
import {
  controlSocketName,
  eventNotification,
  jobStatusSchema,
  jobsDirectoryName,
} from '../contract/control.ts';
import type { JobEvent } from '../contract/events.ts';
import { jobEventSchema } from '../contract/events.ts';
import { QuietWriter } from '../contract/quiet-writer.ts';
import { isRefusedAccess, notOurs } from './refused-access.ts';

/** An answer that came last is still being taken apart when the socket closes. */
const lastAnswerMs = 100;

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
  const line = await connectTo(stateDirectory, job);
  let waiting: NodeJS.Timeout | undefined;
  const error = new DiskferryError(
    'job-missing',
    `${job}: the job ended before it answered; its own last line says how`,
  );
  const closed = new Promise<never>((_, reject) => {
    void line.closed.then(() => (waiting = setTimeout(() => reject(error), lastAnswerMs)));
  });
  try {
    return jobStatusSchema.parse(await Promise.race([line.connection.sendRequest(name, parameters), closed]));
  } catch (error) {
    const data: unknown = error instanceof ResponseError ? error.data : undefined;
    throw data === undefined ? error : DiskferryError.fromData(data as DiskferryErrorData);
  } finally {
    line.close();
    clearTimeout(waiting);
  }
}

/**
 * Tells what has happened in the job so far and what comes, until the job closes the connection: after its
 * last event, or because it has died. Throws as `askJob`.
 */
export async function watchJob(
  stateDirectory: string,
  job: string,
  onEvent: (event: JobEvent) => void,
): Promise<void> {
  const line = await connectTo(stateDirectory, job);
  try {
    line.connection.onNotification(eventNotification, (event: unknown) =>
      onEvent(jobEventSchema.parse(event)),
    );
    // A job that ends at this moment closes the connection instead of answering.
    line.connection.sendRequest('watch', {}).catch(() => undefined);
    await line.closed;
    // What came last is still being taken apart.
    await sleep(lastAnswerMs);
  } finally {
    line.close();
  }
}

interface Line {
  readonly connection: MessageConnection;
  readonly closed: Promise<void>;
  close(): void;
}

async function connectTo(stateDirectory: string, job: string): Promise<Line> {
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
  const closed = new Promise<void>((resolve) => socket.once('close', resolve));
  // Closing follows.
  socket.on('error', () => undefined);
  connection.listen();
  const close = (): void => {
    connection.dispose();
    socket.destroy();
  };
  return { connection, closed, close };
}
