/**
 * Puts messages on a socket at once, in the framing of vscode-jsonrpc. The library's own writer keeps those
 * that wait in a queue that nobody can see or limit; here they wait in the socket, where they can be counted.
 * Who takes none of them loses the connection when more waits than `bytesMax`.
 */
import type { Socket } from 'node:net';
import { AbstractMessageWriter } from 'vscode-jsonrpc/node.js';
import type { Message } from 'vscode-jsonrpc/node.js';

export class BoundedWriter extends AbstractMessageWriter {
  readonly #socket: Socket;
  readonly #bytesMax: number;

  constructor(socket: Socket, bytesMax: number) {
    super();
    this.#socket = socket;
    this.#bytesMax = bytesMax;
  }

  write(message: Message): Promise<void> {
    if (this.#socket.writableLength > this.#bytesMax) this.#socket.destroy();
    if (!this.#socket.destroyed) {
      const body = Buffer.from(JSON.stringify(message));
      // In one piece of bytes: of a string the socket would count the letters.
      this.#socket.write(Buffer.concat([Buffer.from(`Content-Length: ${body.length}\r\n\r\n`), body]));
    }
    return Promise.resolve();
  }

  end(): void {
    this.#socket.end();
  }
}
