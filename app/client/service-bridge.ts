/**
 * Between one page of the wizard and the service: hands on what the page may ask, tells what the service tells,
 * and connects again when the service comes back. Every host of the wizard has one of these per page; it runs
 * with the rights of the user who started the host, and the service decides what these allow.
 *
 * `connected` is told before anything of the new connection. What the page had subscribed to is gone with the
 * old one, so it subscribes again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { DiskferryError } from '../base/error.ts';
import type { BridgeAnswer, BridgeMessage, ServiceState } from '../contract/bridge.ts';
import { bridgeRequestSchema, refusalOf, startServiceRequest } from '../contract/bridge.ts';
import { apiVersion, serviceRequests } from '../contract/service.ts';
import type { OfferedDisks } from './offered-disks.ts';
import { ServiceClient } from './service-client.ts';
import { startService } from './start-service.ts';

const reconnectMs = 1000;

export interface ServiceBridgeOptions {
  readonly socketPath: string;
  readonly tell: (message: BridgeMessage) => void;
  /** Undefined: all disks of the machine. */
  readonly offered?: OfferedDisks | undefined;
}

export class ServiceBridge {
  readonly #options: ServiceBridgeOptions;
  readonly #closing = new AbortController();
  #client: ServiceClient | undefined;
  /** So that a service that stays away is told once. */
  #lastAbsence: string | undefined;

  constructor(options: ServiceBridgeOptions) {
    this.#options = options;
    void this.#stayConnected();
  }

  /** @param request as it came from the page, unchecked */
  async ask(request: unknown): Promise<BridgeAnswer> {
    try {
      return { outcome: 'done', result: await this.#request(request) };
    } catch (error) {
      return { outcome: 'refused', refusal: refusalOf(error) };
    }
  }

  close(): void {
    this.#closing.abort();
    this.#client?.close();
  }

  async #request(request: unknown): Promise<unknown> {
    const { data } = bridgeRequestSchema.safeParse(request);
    if (data === undefined) throw new DiskferryError('usage', 'the wizard asked for what there is not');
    const { name } = data;
    if (name === startServiceRequest) return startService();
    const parameters = serviceRequests[name].parameters.safeParse(data.parameters);
    if (!parameters.success) {
      const issue = parameters.error.issues[0];
      throw new DiskferryError('usage', `${name}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
    }
    if (this.#client === undefined)
      throw new DiskferryError('no-service', `${this.#options.socketPath}: there is no service`);
    const { offered } = this.#options;
    if (offered === undefined) return this.#client.request(name, parameters.data);
    if (name === 'plan') offered.checkPlan(serviceRequests.plan.parameters.parse(parameters.data));
    if (name === 'devices') return offered.among(await this.#client.request(name, {}));
    return this.#client.request(name, parameters.data);
  }

  #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  async #stayConnected(): Promise<void> {
    while (!this.#isClosed()) {
      const absence = await this.#serveOnce().catch((error: unknown) => error);
      this.#client = undefined;
      if (this.#isClosed()) return;
      this.#tellAbsence(absence);
      await sleep(reconnectMs, undefined, { signal: this.#closing.signal }).catch(() => undefined);
    }
  }

  /** Returns why it has ended. */
  async #serveOnce(): Promise<DiskferryError> {
    const { socketPath, tell } = this.#options;
    const client = await ServiceClient.connect(socketPath, {
      onEvent: (event) => tell({ kind: 'event', event }),
      onDevicesChanged: () => tell({ kind: 'devicesChanged' }),
      onStreamEnded: () => tell({ kind: 'streamEnded' }),
    });
    try {
      const { version, hasPolkit, notes } = await client.request('hello', { client: 'wizard', apiVersion });
      if (this.#isClosed()) return gone(socketPath);
      this.#client = client;
      this.#lastAbsence = undefined;
      tell({ kind: 'service', service: { state: 'connected', version, hasPolkit, notes } });
      await client.closed;
      return gone(socketPath);
    } finally {
      client.close();
    }
  }

  #tellAbsence(error: unknown): void {
    const service: ServiceState = { state: 'absent', refusal: refusalOf(error) };
    if (service.refusal.message === this.#lastAbsence) return;
    this.#lastAbsence = service.refusal.message;
    this.#options.tell({ kind: 'service', service });
  }
}

function gone(socketPath: string): DiskferryError {
  return new DiskferryError('no-service', `${socketPath}: the service has gone; jobs go on without it`);
}
