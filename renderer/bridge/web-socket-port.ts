/**
 * The host's WebSocket as a `HostPort`, for the wizard in a browser (`diskferry serve`). It opens itself with the
 * link's token, once; after that with the session that it got for it, which lives as long as this tab. When the
 * connection breaks it connects again, and says meanwhile that the service cannot be reached.
 *
 * The token comes in the link's fragment, which no browser sends anywhere, and is taken out of the address bar.
 */
import type { HostFrame, PageFrame, Refusal } from '../../app/contract/bridge.ts';
import { bridgePath, hostFrameSchema, refusedTokenCode } from '../../app/contract/bridge.ts';
import type { HostPort } from '../../app/contract/host-port.ts';

const reconnectMs = 1000;
const sessionKey = 'diskferry-session';

/** What a page of a browser has. Passed in, so that this runs without one. */
export interface PageSurroundings {
  readonly connect: (url: string) => WebSocket;
  readonly location: Pick<Location, 'host' | 'hash' | 'pathname'>;
  readonly history: Pick<History, 'replaceState'>;
  readonly storage: Pick<Storage, 'getItem' | 'setItem'>;
  readonly later: (act: () => void, delayMs: number) => void;
}

interface Waiting {
  readonly resolve: (answer: unknown) => void;
}

export class WebSocketPort implements HostPort {
  readonly #page: PageSurroundings;
  readonly #waiting = new Map<number, Waiting>();
  readonly #unheard: unknown[] = [];
  #onMessage: ((message: unknown) => void) | undefined;
  #socket: WebSocket | undefined;
  #isOpen = false;
  #nextId = 0;

  constructor(page: PageSurroundings) {
    this.#page = page;
    const token = page.location.hash.slice(1);
    if (token !== '') {
      page.storage.setItem(sessionKey, token);
      page.history.replaceState(null, '', page.location.pathname);
    }
    this.#connect();
  }

  ask(...[name, parameters]: Parameters<HostPort['ask']>): Promise<unknown> {
    if (!this.#isOpen) return Promise.resolve({ outcome: 'refused', refusal: hostGone });
    const id = this.#nextId++;
    this.#send({ kind: 'ask', id, request: { name, parameters } });
    return new Promise((resolve) => this.#waiting.set(id, { resolve }));
  }

  listen(onMessage: (message: unknown) => void): void {
    this.#onMessage = onMessage;
    for (const message of this.#unheard.splice(0)) onMessage(message);
  }

  #connect(): void {
    const socket = this.#page.connect(`ws://${this.#page.location.host}${bridgePath}`);
    this.#socket = socket;
    socket.onopen = () => this.#send({ kind: 'open', token: this.#page.storage.getItem(sessionKey) ?? '' });
    socket.onmessage = ({ data }) => this.#hear(hostFrameSchema.parse(JSON.parse(String(data))));
    socket.onclose = ({ code }) => this.#closed(code === refusedTokenCode);
  }

  #send(frame: PageFrame): void {
    this.#socket?.send(JSON.stringify(frame));
  }

  #hear(frame: HostFrame): void {
    switch (frame.kind) {
      case 'opened':
        this.#isOpen = true;
        this.#page.storage.setItem(sessionKey, frame.session);
        return;
      case 'answer':
        this.#waiting.get(frame.id)?.resolve(frame.answer);
        this.#waiting.delete(frame.id);
        return;
      case 'message':
        this.#tell(frame.message);
    }
  }

  #tell(message: unknown): void {
    if (this.#onMessage === undefined) this.#unheard.push(message);
    else this.#onMessage(message);
  }

  /** A link that is not valid stays so; everything else may come back. */
  #closed(isRefused: boolean): void {
    this.#isOpen = false;
    const refusal = isRefused ? linkUsed : hostGone;
    for (const { resolve } of this.#waiting.values()) resolve({ outcome: 'refused', refusal });
    this.#waiting.clear();
    this.#tell({ kind: 'service', service: { state: 'host-gone', refusal } });
    if (!isRefused) this.#page.later(() => this.#connect(), reconnectMs);
  }
}

const hostGone: Refusal = {
  code: 'no-service',
  message: '"diskferry serve" cannot be reached from this page',
  advice: 'Start it again and open its new link. Jobs that run go on.',
  dataIs: 'unknown',
};

const linkUsed: Refusal = {
  code: 'not-authorised',
  message: 'this link has been used already, or is of an earlier start',
  advice: 'Close the window that it has opened, and open the new link that "diskferry serve" shows then.',
  dataIs: 'unknown',
};
