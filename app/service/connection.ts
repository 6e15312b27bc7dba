/**
 * One client of the service: its requests are checked by the contract's schemas, allowed or refused, carried
 * out and answered; its stream is fed. It can ask only so much at a time, and one that does not take its
 * answers is let go. Nothing that a client sends or leaves out can do more than end its own connection.
 */
import type { Socket } from 'node:net';
import { createMessageConnection, ErrorCodes, NullLogger, ResponseError } from 'vscode-jsonrpc/node.js';
import type { MessageConnection } from 'vscode-jsonrpc/node.js';
import * as z from 'zod';
import { DiskferryError, messageOf } from '../base/error.ts';
import type { ServiceParameters, ServiceRequestName, ServiceResult } from '../contract/service.ts';
import { serviceLimits, serviceRequests } from '../contract/service.ts';
import type { Authority, Client } from './authority.ts';
import { BoundedReader } from './bounded-reader.ts';
import { BoundedWriter } from './bounded-writer.ts';
import type { Interest } from './event-stream.ts';
import { EventStream } from './event-stream.ts';
import type { PerUserLimit } from './per-user-limit.ts';

/** JSON-RPC leaves the codes from -32000 to servers. */
const refusedByService = -32000;
const messageMsMax = 10_000;

/** What the service does for each request, once it is allowed. */
export type Handlers = {
  readonly [Name in ServiceRequestName]: (
    parameters: ServiceParameters<Name>,
    connection: Connection,
  ) => ServiceResult<Name> | Promise<ServiceResult<Name>>;
};

export interface ConnectionOptions {
  readonly client: Client;
  readonly authority: Authority;
  readonly handlers: Handlers;
  /** How many requests of one user may wait, on all connections. */
  readonly requests: PerUserLimit;
  /** Told of what somebody was allowed to have done. */
  readonly log: (text: string) => void;
  /** Told of what is a bug of ours; a client's faults are its own. */
  readonly onBug: (error: unknown) => void;
}

export class Connection {
  readonly client: Client;
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #rpc: MessageConnection;
  #inFlight = 0;
  #stream: EventStream | undefined;

  constructor(socket: Socket, options: ConnectionOptions) {
    this.client = options.client;
    this.#socket = socket;
    this.#options = options;
    const reader = new BoundedReader(socket, { bytesMax: serviceLimits.requestBytesMax, messageMsMax });
    const writer = new BoundedWriter(socket, 2 * serviceLimits.unreadBytesMax);
    this.#rpc = createMessageConnection(reader, writer, NullLogger);
    this.#rpc.onError(() => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      this.unsubscribe();
      this.#rpc.dispose();
    });
    for (const name of Object.keys(serviceRequests) as ServiceRequestName[])
      this.#rpc.onRequest(name, (parameters: unknown) => this.#answer(name, parameters));
    this.#rpc.listen();
  }

  /** Somebody waits for an answer or hears a job. */
  get isBusy(): boolean {
    return this.#inFlight > 0 || this.#stream?.hasEnded === false;
  }

  get stream(): EventStream | undefined {
    return this.#stream;
  }

  subscribe(interest: Interest): void {
    this.unsubscribe();
    this.#stream = new EventStream(
      {
        unreadBytes: () => this.#socket.writableLength,
        send: (name, parameters) => {
          // A client that has gone is noticed by its socket.
          this.#rpc.sendNotification(name, parameters).catch(() => undefined);
        },
      },
      interest,
    );
  }

  unsubscribe(): void {
    this.#stream?.end();
    this.#stream = undefined;
  }

  close(): void {
    this.#socket.destroy();
  }

  /** What has not begun when nobody waits for it any more is not wanted. */
  requireClient(name: ServiceRequestName): void {
    if (this.#socket.destroyed) throw new DiskferryError('interrupted', `${name}: the client has gone`);
  }

  async #answer(name: ServiceRequestName, parameters: unknown): Promise<unknown> {
    this.#inFlight += 1;
    try {
      const { userId } = this.client.peer;
      return await this.#options.requests.during(userId, () => this.#carryOut(name, parameters));
    } catch (error) {
      throw this.#refusal(name, error);
    } finally {
      this.#inFlight -= 1;
    }
  }

  async #carryOut(name: ServiceRequestName, parameters: unknown): Promise<unknown> {
    const { action, parameters: schema } = serviceRequests[name];
    const checked: unknown = schema.parse(parameters ?? {});
    if (action !== null) await this.#options.authority.require(action, this.client);
    // Somebody may have been asked for a password meanwhile, or have given up.
    this.requireClient(name);
    if (action !== null && action !== 'view') this.#note(name, checked);
    const handle = this.#options.handlers[name] as (checked: unknown, connection: Connection) => unknown;
    return await handle(checked, this);
  }

  /** Who had what done. */
  #note(name: ServiceRequestName, parameters: unknown): void {
    const { userId, processId } = this.client.peer;
    const job = z.object({ job: z.string() }).safeParse(parameters).data?.job;
    this.#options.log(`user ${userId}, process ${processId}: ${name}${job === undefined ? '' : ` ${job}`}`);
  }

  #refusal(name: ServiceRequestName, error: unknown): ResponseError<unknown> {
    if (error instanceof DiskferryError)
      return new ResponseError(refusedByService, error.message, error.toData());
    if (error instanceof z.ZodError) {
      const issue = error.issues[0];
      const where = issue === undefined ? '' : `${issue.path.join('.')}: ${issue.message}`;
      const data = new DiskferryError('usage', `${name}: ${where}`).toData();
      return new ResponseError(ErrorCodes.InvalidParams, data.message, data);
    }
    this.#options.onBug(error);
    return new ResponseError(ErrorCodes.InternalError, messageOf(error));
  }
}
