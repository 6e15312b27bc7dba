/**
 * Serves the wizard to browsers of this machine, at 127.0.0.1 only. It speaks to the service with the rights of the
 * user who runs it, for whoever has the link's key (page-keys.ts); other users of the machine can connect here as
 * well, but have none. Nor can they take all places and stay: of connections that have shown no key the oldest gives
 * way to the newest. Who makes new ones without end keeps others from opening a page meanwhile; pages that are open
 * stay.
 *
 * Requests that name another host are refused, so that no page of the web reaches this by a name of its own that
 * leads here; WebSockets are taken from the page itself only.
 */
import { once } from 'node:events';
import type { IncomingMessage, Server } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { WebSocketServer } from 'ws';
import { DiskferryError } from '../../base/error.ts';
import type { OfferedDisks } from '../../client/offered-disks.ts';
import type { PageAnswer } from '../../client/page-files.ts';
import { pageAnswer, plainAnswer } from '../../client/page-files.ts';
import { bridgePath } from '../../contract/bridge.ts';
import { serviceLimits } from '../../contract/service.ts';
import { servePage } from './page-connection.ts';
import { PageKeys } from './page-keys.ts';

const address = '127.0.0.1';
const ownHost = /^(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?$/;
/** Connections of anybody: files, and pages that have not opened themselves. */
const strangersMax = 48;
/** Pages of those who have a key. */
const pagesMax = 16;
const requestMsMax = 10_000;
/** So long a page may be away without being closed: it is loaded anew, or its connection broke. */
const awayMsMax = 5000;

export interface WizardServerOptions {
  /** 0: any that is free. */
  readonly port: number;
  readonly socketPath: string;
  /** Undefined: all disks of the machine. */
  readonly offered?: OfferedDisks | undefined;
  /** The last page that was open has been closed: nobody can open another one without a new link. */
  readonly onAlone?: () => void;
}

export class WizardServer {
  readonly #options: WizardServerOptions;
  readonly #server: Server;
  readonly #pages: WebSocketServer;
  readonly #keys = new PageKeys();
  /** The oldest first. */
  readonly #strangers = new Set<Duplex>();
  #openPages = 0;
  #aloneTimer: NodeJS.Timeout | undefined;

  /** Throws `usage` when it cannot listen at this port. */
  static async listen(options: WizardServerOptions): Promise<WizardServer> {
    const wizard = new WizardServer(options);
    const listening = once(wizard.#server, 'listening');
    wizard.#server.listen({ host: address, port: options.port });
    await listening.catch((cause: unknown): never => {
      const { code = String(cause) } = cause as NodeJS.ErrnoException;
      throw new DiskferryError('usage', `--port ${options.port}: cannot listen there: ${code}`, { cause });
    });
    return wizard;
  }

  private constructor(options: WizardServerOptions) {
    this.#options = options;
    this.#server = createServer({ requestTimeout: requestMsMax, headersTimeout: requestMsMax }, (request, response) => {
      const { status, headers, body } = answerTo(request);
      response.writeHead(status, headers).end(request.method === 'HEAD' ? '' : body);
    });
    this.#server.on('connection', (socket) => this.#admit(socket));
    this.#pages = new WebSocketServer({
      noServer: true,
      maxPayload: serviceLimits.requestBytesMax,
      perMessageDeflate: false,
    });
    this.#server.on('upgrade', (request, socket, head) => {
      if (!isFromOwnPage(request) || this.#openPages >= pagesMax) refuse(socket);
      else this.#pages.handleUpgrade(request, socket, head, (page) => this.#serve(page, socket));
    });
  }

  #admit(socket: Duplex): void {
    const [oldest] = this.#strangers;
    if (oldest !== undefined && this.#strangers.size >= strangersMax) oldest.destroy();
    this.#strangers.add(socket);
    socket.once('close', () => this.#strangers.delete(socket));
  }

  #serve(page: WebSocket, socket: Duplex): void {
    servePage(page, {
      ...{ keys: this.#keys, socketPath: this.#options.socketPath, offered: this.#options.offered },
      onOpen: () => {
        this.#strangers.delete(socket);
        this.#openPages += 1;
        clearTimeout(this.#aloneTimer);
      },
      onGone: () => {
        this.#openPages -= 1;
        if (this.#openPages > 0 || !this.#server.listening) return;
        this.#aloneTimer = setTimeout(() => this.#options.onAlone?.(), awayMsMax);
      },
    });
  }

  /** Opens the wizard once, within the next ten minutes. */
  newLink(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://${address}:${port}/#${this.#keys.newToken()}`;
  }

  async close(): Promise<void> {
    for (const page of this.#pages.clients) page.terminate();
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
    clearTimeout(this.#aloneTimer);
  }
}

function answerTo(request: IncomingMessage): PageAnswer {
  const { method = '', url = '', headers } = request;
  const { host = '' } = headers;
  if (!ownHost.test(host)) return plainAnswer(421, 'The wizard is at 127.0.0.1 only.');
  if (method !== 'GET' && method !== 'HEAD') return plainAnswer(405, 'There is nothing to send to here.');
  // Through a tunnel it has another port.
  return pageAnswer(url, [`ws://${host}`]);
}

function isFromOwnPage({ url, headers: { host = '', origin } }: IncomingMessage): boolean {
  return url === bridgePath && ownHost.test(host) && origin === `http://${host}`;
}

function refuse(socket: Duplex): void {
  socket.on('error', () => undefined);
  socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
}
