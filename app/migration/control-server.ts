/**
 * The control socket of a job: JSON-RPC over a Unix socket in the job's own directory, so that `status`,
 * `watch`, `pause`, `resume`, `speed`, `cutover` and `undo` work from another terminal. Only the job's user can
 * connect: the directory is mode 0700. Requests are checked by the schemas of contract/control.ts.
 */
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import type { MessageConnection } from 'vscode-jsonrpc/node.js';
import {
  createMessageConnection,
  ResponseError,
  SocketMessageReader,
  SocketMessageWriter,
} from 'vscode-jsonrpc/node.js';
import { DiskferryError, messageOf } from '../base/error.ts';
import type { ControlParameters, ControlRequestName, JobStatus } from '../contract/control.ts';
import { controlRequests, eventNotification } from '../contract/control.ts';
import type { EventLog } from './event-log.ts';

/**
 * A terminal or two. A flood of connections must not take the job's memory, nor keep its user out: the oldest
 * gives way.
 */
const connectionsMax = 16;
/** Events that wait for a client that reads none; then it is let go. More than a log keeps. */
const unsentMax = 2000;
/** What clients have not read by then, they do not get. */
const closeMsMax = 1000;
/** JSON-RPC leaves the codes from -32000 to servers. */
const refusedByJob = -32000;

/** What the job does for each request. A thrown DiskferryError reaches the caller as data. */
export type ControlHandlers = {
  readonly [Name in ControlRequestName]: (
    parameters: ControlParameters<Name>,
  ) => JobStatus | Promise<JobStatus>;
};

export interface Controlled {
  readonly handlers: ControlHandlers;
  readonly events: EventLog;
}

export class ControlServer {
  readonly #server: Server;
  readonly #path: string;
  readonly #sockets = new Set<Socket>();
  /** Events that are on their way to those that watch. */
  readonly #sending = new Set<Promise<void>>();

  static async listen(path: string, job: Controlled): Promise<ControlServer> {
    const server = new ControlServer(path, job);
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', reject);
      server.#server.listen(path, resolve);
    });
    return server;
  }

  private constructor(path: string, job: Controlled) {
    this.#path = path;
    this.#server = createServer((socket) => this.#serve(socket, job));
  }

  /** Those that watch still get the last event. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await Promise.race([Promise.all(this.#sending), sleep(closeMsMax, undefined, { ref: false })]);
    for (const socket of this.#sockets) socket.destroySoon();
    const tooLate = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, closeMsMax);
    await closed;
    clearTimeout(tooLate);
    // Where it stays, removing the job's directory says so, or a successor removes it.
    await rm(this.#path, { force: true }).catch(() => undefined);
  }

  #serve(socket: Socket, { handlers, events }: Controlled): void {
    this.#sockets.add(socket);
    const [oldest] = this.#sockets;
    if (this.#sockets.size > connectionsMax) oldest?.destroy();
    socket.on('close', () => this.#sockets.delete(socket));
    const reader = new SocketMessageReader(socket);
    // Else a client that leaves in the middle of a message starts a timer that never ends, nor lets the
    // process end.
    reader.partialMessageTimeout = 0;
    const connection = createMessageConnection(reader, new SocketMessageWriter(socket));
    // A client that goes away or sends garbage loses its connection and nothing else happens.
    connection.onError(() => socket.destroy());
    socket.on('error', () => socket.destroy());
    for (const name of Object.keys(controlRequests) as ControlRequestName[]) {
      connection.onRequest(name, async (parameters: unknown) => {
        const answered = await answer(name, parameters, handlers);
        if (name === 'watch') this.#tellEvents(connection, socket, events);
        return answered;
      });
    }
    connection.listen();
  }

  /** Until the client goes. */
  #tellEvents(connection: MessageConnection, socket: Socket, events: EventLog): void {
    let unsent = 0;
    const stop = events.follow((event) => {
      unsent += 1;
      if (unsent > unsentMax) socket.destroy();
      if (socket.destroyed) return;
      const sent = (): void => void (unsent -= 1);
      const sending = connection.sendNotification(eventNotification, event).then(sent, sent);
      this.#sending.add(sending);
      void sending.then(() => this.#sending.delete(sending));
    });
    socket.once('close', stop);
  }
}

async function answer(
  name: ControlRequestName,
  parameters: unknown,
  handlers: ControlHandlers,
): Promise<JobStatus> {
  try {
    const checked = controlRequests[name].parse(parameters ?? {});
    return await (handlers[name] as (parameters: unknown) => JobStatus | Promise<JobStatus>)(checked);
  } catch (error) {
    const data = error instanceof DiskferryError ? error.toData() : undefined;
    throw new ResponseError(refusedByJob, messageOf(error), data);
  }
}
