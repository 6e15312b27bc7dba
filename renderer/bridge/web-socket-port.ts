/**
 * The host's WebSocket as a `HostPort`, for the wizard in a browser (`diskferry serve`). It opens itself with the
 * link's token, once; after that with the session that it got for it, which lives as long as this tab
 * (stored-keys.ts). When the connection breaks, does not get open in time, or nothing is heard any more, it connects
 * again, and says meanwhile that the host cannot be reached.
 *
 * Nothing is believed, and nothing asked, before the other end has shown that it has the key as well: somebody else
 * may have the port by now. What is no frame ends the connection, so that nobody waits for an answer in it.
 *
 * The token comes in the link's fragment, which no browser sends anywhere, and is taken out of the address bar.
 */
import type { HostFrame, PageFrame, Refusal } from '../../app/contract/bridge.ts';
import { aliveEveryMs, bridgePath, hostFrameSchema, refusedTokenCode } from '../../app/contract/bridge.ts';
import type { HostPort } from '../../app/contract/host-port.ts';
import type { Nonces } from '../../app/contract/page-proof.ts';
import { signedTexts } from '../../app/contract/page-proof.ts';
import { newNonce, sign } from './page-key.ts';
import type { StoredKey } from './stored-keys.ts';
import { StoredKeys } from './stored-keys.ts';

const reconnectMs = 1000;
/** As the host gives the page: whoever has the port and says nothing is no host. */
const openMsMax = 10_000;
/** A tunnel that hangs closes no connection, and would show for many minutes what was before as what is. */
const silentMsMax = 3 * aliveEveryMs;

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

/** `checking`: the host's proof is looked at; `greeted`: it has the key, and looks whether the page has it. */
interface Connection extends StoredKey {
  readonly socket: WebSocket;
  /** Of its key among those that are stored. */
  readonly index: number;
  readonly nonce: string;
  state: 'new' | 'checking' | 'greeted' | 'open' | 'closed';
  framesHeard: number;
  /** The key from `opened` on. */
  session: string;
}

export class WebSocketPort implements HostPort {
  readonly #page: PageSurroundings;
  readonly #keys: StoredKeys;
  readonly #waiting = new Map<number, Waiting>();
  readonly #unheard: unknown[] = [];
  #onMessage: ((message: unknown) => void) | undefined;
  #connection: Connection | undefined;
  #nextId = 0;

  constructor(page: PageSurroundings) {
    this.#page = page;
    this.#keys = new StoredKeys(page.storage);
    const token = page.location.hash.slice(1);
    if (token !== '') {
      this.#keys.setLink(token);
      page.history.replaceState(null, '', page.location.pathname);
    }
    this.#connect();
  }

  ask(...[name, parameters]: Parameters<HostPort['ask']>): Promise<unknown> {
    const connection = this.#connection;
    if (connection?.state !== 'open') return Promise.resolve({ outcome: 'refused', refusal: hostGone });
    const id = this.#nextId++;
    send(connection, { kind: 'ask', id, request: { name, parameters } });
    return new Promise((resolve) => this.#waiting.set(id, { resolve }));
  }

  listen(onMessage: (message: unknown) => void): void {
    this.#onMessage = onMessage;
    for (const message of this.#unheard.splice(0)) onMessage(message);
  }

  /** With the first key, or with the next one when those before it were refused. */
  #connect(index = 0): void {
    const stored = this.#keys.all()[index];
    if (stored === undefined) {
      this.#tellGone(linkUsed);
      return;
    }
    const socket = this.#page.connect(`ws://${this.#page.location.host}${bridgePath}`);
    const connection: Connection = { ...stored, socket, index, session: stored.key, nonce: newNonce(), state: 'new', framesHeard: 0 };
    this.#connection = connection;
    // What fails here would leave the page waiting.
    const attempt = (step: Promise<void>): void => void step.catch(() => this.#end(connection));
    socket.onopen = () => attempt(this.#greet(connection));
    socket.onmessage = ({ data }) => attempt(this.#receive(connection, String(data)));
    socket.onclose = ({ code }) => this.#closed(connection, code === refusedTokenCode);
    this.#page.later(() => {
      if (connection.state !== 'open') this.#end(connection);
    }, openMsMax);
  }

  async #greet(connection: Connection): Promise<void> {
    const keyName = await sign(connection.key, signedTexts.keyName());
    if (connection.state === 'new') send(connection, { kind: 'open', keyName, nonce: connection.nonce });
  }

  async #receive(connection: Connection, text: string): Promise<void> {
    const frame = parseFrame(text);
    if (connection.state === 'closed') return;
    connection.framesHeard += 1;
    if (frame?.kind === 'proof' && connection.state === 'new') await this.#believe(connection, frame);
    else if (frame?.kind === 'opened' && connection.state === 'greeted') this.#opened(connection);
    else if (frame?.kind === 'answer' && connection.state === 'open') this.#answered(frame);
    else if (frame?.kind === 'message' && connection.state === 'open') this.#tell(frame.message);
    else if (frame?.kind !== 'alive' || connection.state !== 'open') this.#end(connection);
  }

  async #believe(connection: Connection, { nonce, proof }: Extract<HostFrame, { kind: 'proof' }>): Promise<void> {
    connection.state = 'checking';
    const { key } = connection;
    const nonces: Nonces = { page: connection.nonce, host: nonce };
    if ((await sign(key, signedTexts.hostProof(nonces))) !== proof) {
      this.#end(connection);
      return;
    }
    const own = await sign(key, signedTexts.pageProof(nonces));
    const session = connection.isLink ? await sign(key, signedTexts.session(nonces)) : key;
    if (!isChecking(connection)) return;
    connection.session = session;
    if (connection.isLink) this.#keys.addSession(session);
    connection.state = 'greeted';
    send(connection, { kind: 'prove', proof: own });
  }

  #opened(connection: Connection): void {
    connection.state = 'open';
    this.#keys.keepOnly(connection.session);
    this.#endWhenSilent(connection);
  }

  #endWhenSilent(connection: Connection): void {
    const { framesHeard } = connection;
    this.#page.later(() => {
      if (connection.state !== 'open') return;
      if (connection.framesHeard === framesHeard) this.#end(connection);
      else this.#endWhenSilent(connection);
    }, silentMsMax);
  }

  #answered({ id, answer }: Extract<HostFrame, { kind: 'answer' }>): void {
    this.#waiting.get(id)?.resolve(answer);
    this.#waiting.delete(id);
  }

  #tell(message: unknown): void {
    if (this.#onMessage === undefined) this.#unheard.push(message);
    else this.#onMessage(message);
  }

  /** As the host does it. */
  #end(connection: Connection): void {
    connection.socket.close();
    this.#closed(connection, false);
  }

  /** A key that is not valid stays so, but a link may have become a session; everything else may come back. */
  #closed(connection: Connection, isRefused: boolean): void {
    if (connection.state === 'closed') return;
    connection.state = 'closed';
    const refusal = isRefused ? linkUsed : hostGone;
    for (const { resolve } of this.#waiting.values()) resolve({ outcome: 'refused', refusal });
    this.#waiting.clear();
    if (isRefused) {
      this.#connect(connection.index + 1);
      return;
    }
    this.#tellGone(refusal);
    this.#page.later(() => this.#connect(), reconnectMs);
  }

  #tellGone(refusal: Refusal): void {
    this.#tell({ kind: 'service', service: { state: 'host-gone', refusal } });
  }
}

/** It may have ended while something was signed. */
function isChecking({ state }: Connection): boolean {
  return state === 'checking';
}

function send({ socket }: Connection, frame: PageFrame): void {
  socket.send(JSON.stringify(frame));
}

function parseFrame(text: string): HostFrame | undefined {
  try {
    return hostFrameSchema.parse(JSON.parse(text));
  } catch {
    return undefined; // the caller ends the connection
  }
}

const hostGone: Refusal = {
  code: 'no-service',
  message: '"diskferry serve" cannot be reached from this page',
  advice:
    'This page goes on by itself when it can, as when a tunnel is there again. If "diskferry serve" has ended, start it again and ' +
    'open its new link. Jobs that run go on.',
  dataIs: 'unknown',
};

const linkUsed: Refusal = {
  code: 'not-authorised',
  message: 'this link has been used already, is older than ten minutes, or is of an earlier start',
  advice: 'Open the new link that "diskferry serve" shows when you press Enter there.',
  dataIs: 'unknown',
};
