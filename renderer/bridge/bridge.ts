/**
 * The page's way to its host: typed by the contract, and checked by it, whichever host it is. What the service
 * refuses is thrown as `Refused`.
 */
import type { BridgeMessage, BridgeRequestName, Refusal } from '../../app/contract/bridge.ts';
import { bridgeAnswerSchema, bridgeMessageSchema, startServiceRequest } from '../../app/contract/bridge.ts';
import type { HostPort } from '../../app/contract/host-port.ts';
import type { ServiceInput, ServiceResult } from '../../app/contract/service.ts';
import { serviceRequests } from '../../app/contract/service.ts';

export class Refused extends Error {
  override readonly name = 'Refused';
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

export class Bridge {
  readonly #port: HostPort;

  constructor(port: HostPort) {
    this.#port = port;
  }

  async ask<Name extends BridgeRequestName>(
    name: Name,
    parameters: ServiceInput<Name>,
  ): Promise<ServiceResult<Name>> {
    const result = resultOf(await this.#port.ask(name, parameters));
    return serviceRequests[name].result.parse(result) as ServiceResult<Name>;
  }

  /** Ends when it has been started; that it answers is told as a message. */
  async startService(): Promise<void> {
    resultOf(await this.#port.ask(startServiceRequest, {}));
  }

  /** What cannot be read is as good as lost: then all is asked for again, and a refusal shows if that fails too. */
  listen(onMessage: (message: BridgeMessage) => void): void {
    this.#port.listen((message) => onMessage(bridgeMessageSchema.safeParse(message).data ?? { kind: 'streamEnded' }));
  }
}

function resultOf(answered: unknown): unknown {
  const answer = bridgeAnswerSchema.parse(answered);
  if (answer.outcome === 'refused') throw new Refused(answer.refusal);
  return answer.result;
}
