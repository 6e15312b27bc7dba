/**
 * One page of the wizard at its WebSocket: both show that they have the same key (page-proof.ts), and then the page
 * asks. Until it has, it has no connection to the service. A page that does not read what it is told is let go, so
 * that nothing piles up, and so is one that has gone without a word, as behind a tunnel that has broken: it would keep
 * its place. It connects again when it can.
 */
import type { WebSocket } from 'ws';
import type { OfferedDisks } from '../../client/offered-disks.ts';
import { ServiceBridge } from '../../client/service-bridge.ts';
import type { BridgeAnswer, BridgeMessage, HostFrame, PageFrame } from '../../contract/bridge.ts';
import { aliveEveryMs, pageFrameSchema, refusedTokenCode } from '../../contract/bridge.ts';
import type { Opening, OpenSession, PageKeys } from './page-keys.ts';

const openMsMax = 10_000;
const unreadBytesMax = 4 * 1024 * 1024;
/** Of WebSocket: what was sent is against the rules. */
const violationCode = 1008;

export interface PageConnectionOptions {
  readonly keys: PageKeys;
  readonly socketPath: string;
  readonly offered: OfferedDisks | undefined;
  /** It has opened itself; and is gone again. */
  readonly onOpen: () => void;
  readonly onGone: () => void;
}

export function servePage(socket: WebSocket, options: PageConnectionOptions): void {
  const page = new PageConnection(socket, options);
  // Closing follows.
  socket.on('error', () => undefined);
  socket.on('message', (data, isBinary) => {
    // What was under way when the page was let go is not heard any more: it would open itself in vain.
    if (socket.readyState !== socket.OPEN) return;
    page.hear(Buffer.isBuffer(data) && !isBinary ? parseFrame(data.toString()) : undefined);
  });
  socket.once('close', () => page.end());
}

class PageConnection {
  readonly #socket: WebSocket;
  readonly #options: PageConnectionOptions;
  readonly #late: NodeJS.Timeout;
  #opening: Opening | undefined;
  #session: OpenSession | undefined;
  #pings: NodeJS.Timeout | undefined;
  #hasAnswered = true;
  #bridge: ServiceBridge | undefined;

  constructor(socket: WebSocket, options: PageConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#late = setTimeout(() => socket.close(violationCode), openMsMax);
  }

  hear(frame: PageFrame | undefined): void {
    const bridge = this.#bridge;
    if (frame?.kind === 'open' && this.#opening === undefined) this.#begin(frame.keyName, frame.nonce);
    else if (frame?.kind === 'prove' && bridge === undefined && this.#opening !== undefined)
      this.#finish(this.#opening, frame.proof);
    else if (frame?.kind === 'ask' && bridge !== undefined)
      void bridge.ask(frame.request).then((answer: BridgeAnswer) => this.#send({ kind: 'answer', id: frame.id, answer }));
    else this.#socket.close(violationCode);
  }

  #begin(keyName: string, nonce: string): void {
    this.#opening = this.#options.keys.begin(keyName, nonce);
    if (this.#opening === undefined) this.#socket.close(refusedTokenCode);
    else this.#send({ kind: 'proof', nonce: this.#opening.nonce, proof: this.#opening.proof });
  }

  #finish(opening: Opening, proof: string): void {
    this.#session = opening.finish(proof);
    if (this.#session === undefined) {
      this.#socket.close(refusedTokenCode);
      return;
    }
    clearTimeout(this.#late);
    this.#socket.on('pong', () => (this.#hasAnswered = true));
    this.#pings = setInterval(() => this.#ping(), aliveEveryMs);
    const { socketPath, offered, onOpen } = this.#options;
    onOpen();
    this.#send({ kind: 'opened' });
    const tell = (message: BridgeMessage): void => this.#send({ kind: 'message', message });
    this.#bridge = new ServiceBridge({ socketPath, offered, tell });
  }

  /** Every browser answers by itself, whatever its page does. One that has not by the next ping is gone. */
  #ping(): void {
    if (!this.#hasAnswered) {
      this.#socket.terminate();
      return;
    }
    this.#hasAnswered = false;
    this.#socket.ping();
    this.#send({ kind: 'alive' });
  }

  #send(frame: HostFrame): void {
    const socket = this.#socket;
    if (socket.bufferedAmount > unreadBytesMax) socket.terminate();
    else if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(frame));
  }

  end(): void {
    clearTimeout(this.#late);
    clearInterval(this.#pings);
    this.#session?.leave();
    if (this.#bridge === undefined) return;
    this.#bridge.close();
    this.#options.onGone();
  }
}

function parseFrame(text: string): PageFrame | undefined {
  try {
    return pageFrameSchema.parse(JSON.parse(text));
  } catch {
    return undefined; // the caller closes the connection
  }
}
