/**
 * A connection to the service, for every client of it. Answers are checked by the contract's schemas; what
 * the service refuses is thrown as the DiskferryError that it was there. Knows nothing but the contract.
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createMessageConnection, ResponseError, SocketMessageReader } from 'vscode-jsonrpc/node.js';
import type { MessageConnection } from 'vscode-jsonrpc/node.js';
import { DiskferryError } from '../base/error.ts';
import { withTimeLimit } from '../base/time-limit.ts';
import { errorDataSchema } from '../contract/error-data.ts';
import type { JobEvent } from '../contract/events.ts';
import { QuietWriter } from '../contract/quiet-writer.ts';
import type { ServiceInput, ServiceRequestName, ServiceResult } from '../contract/service.ts';
import { apiVersion, serviceNotifications, serviceRequests } from '../contract/service.ts';

export interface ServiceEvents {
  readonly onEvent?: (event: JobEvent) => void;
  readonly onDevicesChanged?: () => void;
  readonly onStreamEnded?: (reason: string) => void;
}

/** How long to wait for an answer. A service that is stopped, or hangs, must not hold anybody for ever. */
export interface Patience {
  readonly helloMsMax: number;
  /** A person may have to give a password first. */
  readonly answerMsMax: number;
  /** Besides, programs walk large file systems, of which each is ended after half an hour. */
  readonly lookMsMax: number;
}
const minuteMs = 60_000;
const usualPatience: Patience = {
  helloMsMax: minuteMs / 2,
  answerMsMax: 10 * minuteMs,
  lookMsMax: 90 * minuteMs,
};
const looks: readonly ServiceRequestName[] = ['devices', 'plan', 'start', 'recover'];

/** While so many wait at its socket that the kernel takes no more (EAGAIN). */
const crowdedMsMax = 10_000;
const crowdedPollMs = 20;

export class ServiceClient {
  readonly #socket: Socket;
  readonly #connection: MessageConnection;
  readonly #patience: Patience;
  /** Resolves when the service is gone. */
  readonly closed: Promise<void>;

  /** Throws `no-service` when nobody answers, and `service-version` when it is another Diskferry. */
  static async connect(
    path: string,
    events: ServiceEvents = {},
    patience: Patience = usualPatience,
  ): Promise<ServiceClient> {
    const client = new ServiceClient(await connectTo(path), events, patience);
    try {
      const hello = await client.request('hello', { client: 'diskferry', apiVersion });
      if (hello.apiVersion === apiVersion) return client;
      throw new DiskferryError(
        'service-version',
        `the service at ${path} speaks version ${hello.apiVersion}, and this program version ${apiVersion}`,
      );
    } catch (error) {
      client.close();
      const isSilent = error instanceof DiskferryError && error.code === 'service-silent';
      throw isSilent ? new DiskferryError('no-service', `${path}: ${error.message}`, { cause: error }) : error;
    }
  }

  private constructor(socket: Socket, events: ServiceEvents, patience: Patience) {
    this.#socket = socket;
    this.#patience = patience;
    const reader = new SocketMessageReader(socket);
    // Else half an answer starts a timer that never ends, nor lets the process end.
    reader.partialMessageTimeout = 0;
    this.#connection = createMessageConnection(reader, new QuietWriter(socket));
    this.#connection.onError(() => socket.destroy());
    // Closing follows.
    socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    this.#listen(events);
  }

  /** What comes without being asked for; what this version does not know is passed over. */
  #listen({ onEvent, onDevicesChanged, onStreamEnded }: ServiceEvents): void {
    const { event, streamEnded } = serviceNotifications;
    this.#connection.onNotification('event', (told: unknown) => {
      const { data } = event.parameters.safeParse(told);
      if (data !== undefined) onEvent?.(data);
    });
    this.#connection.onNotification('devicesChanged', () => onDevicesChanged?.());
    this.#connection.onNotification('streamEnded', (told: unknown) => {
      const { data } = streamEnded.parameters.safeParse(told);
      onStreamEnded?.(data?.reason ?? 'the service tells this client no more');
    });
    this.#connection.listen();
  }

  /** Throws what the service refuses, `no-service` when it goes, and `service-silent`. */
  async request<Name extends ServiceRequestName>(
    name: Name,
    parameters: ServiceInput<Name>,
  ): Promise<ServiceResult<Name>> {
    const gone = (): DiskferryError =>
      new DiskferryError('no-service', `the service closed the connection before it answered "${name}"`);
    const closed = this.closed.then((): never => {
      throw gone();
    });
    // Nobody waits for it when the question could not even be sent.
    closed.catch(() => undefined);
    try {
      const asked: Promise<unknown> = this.#connection.sendRequest(name, parameters);
      const answer = await inTime(name, Promise.race([asked, closed]), this.#msMax(name));
      return serviceRequests[name].result.parse(answer) as ServiceResult<Name>;
    } catch (error) {
      const data = errorDataSchema.safeParse(error instanceof ResponseError ? error.data : undefined);
      if (data.success) throw DiskferryError.fromData(data.data);
      throw this.#socket.destroyed ? gone() : error;
    }
  }

  #msMax(name: ServiceRequestName): number {
    const { helloMsMax, lookMsMax, answerMsMax } = this.#patience;
    if (name === 'hello') return helloMsMax;
    return looks.includes(name) ? lookMsMax : answerMsMax;
  }

  close(): void {
    this.#connection.dispose();
    this.#socket.destroy();
  }
}

function inTime<T>(name: ServiceRequestName, answer: Promise<T>, msMax: number): Promise<T> {
  const message = `the service has not answered "${name}" for ${Math.round(msMax / 1000)} seconds`;
  return withTimeLimit(answer, msMax, () => new DiskferryError('service-silent', message));
}

async function connectTo(path: string): Promise<Socket> {
  const deadlineMs = performance.now() + crowdedMsMax;
  for (;;) {
    const socket = connect(path);
    const refusal = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
      socket.once('connect', () => resolve(undefined));
      socket.once('error', resolve);
    });
    if (refusal === undefined) return socket;
    if (refusal.code !== 'EAGAIN' || performance.now() > deadlineMs) throw noService(path, refusal);
    await sleep(crowdedPollMs);
  }
}

function noService(path: string, cause: NodeJS.ErrnoException): DiskferryError {
  const why =
    cause.code === 'ENOENT' ? 'there is no service' : `nobody answers (${cause.code ?? cause.message})`;
  return new DiskferryError('no-service', `${path}: ${why}`, { context: { path }, cause });
}
