/**
 * Takes messages off a socket in the framing of vscode-jsonrpc (`Content-Length: N`, an empty line, N bytes
 * of JSON), and never holds more than one message of the largest size: the library's own reader would wait
 * for as many bytes as a client promises. Whoever breaks the framing, or leaves a message half sent, loses
 * the connection.
 */
import type { Socket } from 'node:net';
import { AbstractMessageReader, Message } from 'vscode-jsonrpc/node.js';
import type { DataCallback, Disposable } from 'vscode-jsonrpc/node.js';

/** One header line is enough; others may follow it. */
const headerBytesMax = 1024;
const headerEnd = '\r\n\r\n';

export interface ReaderLimits {
  readonly bytesMax: number;
  /** From the first byte of a message to its last. */
  readonly messageMsMax: number;
}

export class BoundedReader extends AbstractMessageReader {
  readonly #socket: Socket;
  readonly #limits: ReaderLimits;
  #held: Buffer = Buffer.alloc(0);
  #late: NodeJS.Timeout | undefined;

  constructor(socket: Socket, limits: ReaderLimits) {
    super();
    this.#socket = socket;
    this.#limits = limits;
    socket.once('close', () => this.#stopWatch());
  }

  listen(callback: DataCallback): Disposable {
    const take = (chunk: Buffer): void => this.#take(chunk, callback);
    this.#socket.on('data', take);
    this.#socket.once('close', () => this.fireClose());
    return { dispose: () => void this.#socket.off('data', take) };
  }

  /** The socket rests until all of it is handed on: a flood waits in the kernel, and then in the client. */
  #take(chunk: Buffer, callback: DataCallback): void {
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    this.#socket.pause();
    this.#handOn(callback);
  }

  /** One message a turn, as the library takes them: none pile up inside it. */
  #handOn(callback: DataCallback): void {
    if (this.#socket.destroyed) return;
    try {
      const message = this.#next();
      if (message !== undefined) {
        this.#stopWatch();
        callback(message);
        setImmediate(() => this.#handOn(callback));
        return;
      }
    } catch (error) {
      this.#held = Buffer.alloc(0);
      this.#socket.destroy();
      this.fireError(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    this.#watchTime();
    this.#socket.resume();
  }

  /** Undefined until the next message is there whole. Throws on what is no message. */
  #next(): Message | undefined {
    const end = this.#held.indexOf(headerEnd);
    if (end < 0) {
      if (this.#held.length > headerBytesMax) throw new Error('a header without an end');
      return undefined;
    }
    if (end > headerBytesMax) throw new Error('a header that is too long');
    const length = lengthIn(this.#held.toString('latin1', 0, end));
    if (length > this.#limits.bytesMax) throw new Error(`a message of ${length} bytes`);
    const start = end + headerEnd.length;
    if (this.#held.length < start + length) return undefined;
    const body = this.#held.toString('utf8', start, start + length);
    this.#held = this.#held.subarray(start + length);
    return checkedMessage(JSON.parse(body));
  }

  /** Idle between messages is nothing to object to. */
  #watchTime(): void {
    if (this.#held.length === 0) this.#stopWatch();
    else this.#late ??= setTimeout(() => this.#socket.destroy(), this.#limits.messageMsMax).unref();
  }

  #stopWatch(): void {
    clearTimeout(this.#late);
    this.#late = undefined;
  }
}

function lengthIn(header: string): number {
  const length = /^content-length: *(\d{1,9})$/im.exec(header.replaceAll('\r\n', '\n'))?.[1];
  if (length === undefined) throw new Error('a header without a length');
  return Number(length);
}

/**
 * What a client may send is a request or a notification. The library trusts that messages are objects, and
 * writes everything else out for its log, answers too, which ends the process when they are nested deeply.
 */
function checkedMessage(value: unknown): Message {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('no message');
  const message = value as Message;
  if (message.jsonrpc !== '2.0') throw new Error('not JSON-RPC 2.0');
  if (Message.isRequest(message) || Message.isNotification(message)) return message;
  throw new Error('neither a request nor a notification');
}
