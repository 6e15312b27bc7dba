/**
 * Sends one request to a job's control socket and gives back the job's status, or hears what the job tells.
 * A job that does not answer, because it is stopped, or waits for a disk, must not make anybody wait for ever.
 */
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { createMessageConnection, ResponseError, SocketMessageReader } from 'vscode-jsonrpc/node.js';
import type { MessageConnection } from 'vscode-jsonrpc/node.js';
import { DiskferryError } from '../base/error.ts';
import { withTimeLimit } from '../base/time-limit.ts';
import type { ControlParameters, ControlRequestName, JobStatus } from '../contract/control.ts';
import {
  controlSocketName,
  eventNotification,
  jobStatusSchema,
  jobsDirectoryName,
} from '../contract/control.ts';
import { errorDataSchema } from '../contract/error-data.ts';
import type { JobEvent } from '../contract/events.ts';
import { QuietWriter } from '../contract/quiet-writer.ts';
import { understoodEvent } from '../contract/told-event.ts';
import { isRefusedAccess, notOurs } from './refused-access.ts';

const lastAnswerMs = 100;
/** A job answers at once, whatever it is asked; a machine under load may take its time. */
const answerMsMax = 30_000;

/**
 * Throws `job-missing` when no such job listens, `job-silent` when it does not answer in time, `not-root` when
 * it is somebody else's, or what the job answered.
 */
export async function askJob<Name extends ControlRequestName>(
  stateDirectory: string,
  job: string,
  name: Name,
  parameters: ControlParameters<Name>,
  limitMs = answerMsMax,
): Promise<JobStatus> {
  const line = await connectTo(stateDirectory, job);
  const message = `${job}: the job has not answered "${name}" for ${limitMs / 1000} seconds`;
  const silence = (): DiskferryError => new DiskferryError('job-silent', message, { context: { job } });
  try {
    const asked: Promise<unknown> = line.connection.sendRequest(name, parameters);
    return understood(job, await withTimeLimit(Promise.race([asked, endOf(line, job)]), limitMs, silence));
  } catch (error) {
    throw refusalIn(job, error);
  } finally {
    line.close();
  }
}

/** What came last is still being taken apart when the job closes the connection. */
async function endOf({ closed }: Line, job: string): Promise<never> {
  await closed;
  await sleep(lastAnswerMs, undefined, { ref: false });
  const message = `${job}: the job ended before it answered; its own last line says how`;
  throw new DiskferryError('job-missing', message, { context: { job } });
}

/** What the job answered, where it did. */
function refusalIn(job: string, error: unknown): unknown {
  if (!(error instanceof ResponseError) || error.data === undefined) return error;
  const { data } = errorDataSchema.safeParse(error.data);
  return data === undefined ? notUnderstood(job, error) : DiskferryError.fromData(data);
}

/** A job may be of another version of Diskferry than whoever asks it. */
function understood(job: string, answer: unknown): JobStatus {
  const { data, error } = jobStatusSchema.safeParse(answer);
  if (data !== undefined) return data;
  throw notUnderstood(job, error);
}

function notUnderstood(job: string, cause: unknown): DiskferryError {
  const message = `${job}: the job answers what this version does not understand`;
  return new DiskferryError('job-silent', message, { context: { job }, cause });
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
    line.connection.onNotification(eventNotification, (told: unknown) => {
      const event = understoodEvent(told);
      if (event !== undefined) onEvent(event);
    });
    // A job that ends at this moment closes the connection instead of answering.
    line.connection.sendRequest('watch', {}).catch(() => undefined);
    await line.closed;
    // What came last is still being taken apart.
    await sleep(lastAnswerMs);
  } finally {
    line.close();
  }
}

/** Only a missing or deserted socket means that nobody is there. */
function notHeard(job: string, cause: NodeJS.ErrnoException): DiskferryError {
  if (['ENOENT', 'ENOTDIR', 'ECONNREFUSED'].includes(cause.code ?? ''))
    return new DiskferryError('job-missing', `${job}: no such job is running`, { cause });
  const message = `${job}: the job takes no connection: ${cause.code ?? cause.message}`;
  return new DiskferryError('job-silent', message, { context: { job }, cause });
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
      reject(isRefusedAccess(cause) ? notOurs(path, cause) : notHeard(job, cause));
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
