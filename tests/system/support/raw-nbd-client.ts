/**
 * An NBD client that does what the test says, byte by byte, also what no decent client would. It reads from
 * its socket only when the test asks for bytes, so it can be as slow as the test wants.
 */
import { once } from 'node:events';
import { Socket, connect } from 'node:net';

export const commandType = { read: 0, write: 1, disconnect: 2, flush: 3, trim: 4, writeZeroes: 6 } as const;

export interface RawRequest {
  readonly type: number;
  readonly flags?: number;
  readonly cookie?: bigint;
  readonly offset?: number | bigint;
  readonly length?: number;
  readonly magic?: number;
}

export interface RawReply {
  readonly cookie: bigint;
  readonly error: number;
  readonly data: Buffer;
}

export interface RawChunk {
  readonly isLast: boolean;
  readonly type: number;
  readonly cookie: bigint;
  readonly payload: Buffer;
}

export function encodeRequest({
  type,
  flags = 0,
  cookie = 1n,
  offset = 0,
  length = 0,
  magic = 0x25609513,
}: RawRequest): Buffer {
  const header = Buffer.alloc(28);
  header.writeUInt32BE(magic, 0);
  header.writeUInt16BE(flags, 4);
  header.writeUInt16BE(type, 6);
  header.writeBigUInt64BE(cookie, 8);
  header.writeBigUInt64BE(BigInt(offset), 16);
  header.writeUInt32BE(length, 24);
  return header;
}

export function encodeOption(type: number, data = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(16);
  header.write('IHAVEOPT');
  header.writeUInt32BE(type, 8);
  header.writeUInt32BE(data.length, 12);
  return Buffer.concat([header, data]);
}

/** What a client says to get into transmission: flags, STRUCTURED_REPLY if wanted, EXPORT_NAME. */
export function handshake({ structured }: { structured: boolean }): Buffer {
  const options = structured ? [encodeOption(8), encodeOption(1)] : [encodeOption(1)];
  return Buffer.concat([Buffer.from([0, 0, 0, 3]), ...options]);
}

export class RawNbdClient {
  readonly #socket: Socket;
  #hasEnded = false;
  #wake: () => void = () => undefined;

  static async connect(path: string): Promise<RawNbdClient> {
    const socket = connect({ path, allowHalfOpen: true });
    await once(socket, 'connect');
    return new RawNbdClient(socket);
  }

  /** On a socket that is connected already; it is closed with the client. */
  static over(fd: number): RawNbdClient {
    return new RawNbdClient(new Socket({ fd, allowHalfOpen: true, readable: true, writable: true }));
  }

  /** Connected, and through the negotiation. */
  static async transmitting(path: string, options: { structured: boolean }): Promise<RawNbdClient> {
    const client = await RawNbdClient.connect(path);
    client.send(handshake(options));
    const greetingBytes = 18;
    const acknowledgementBytes = options.structured ? 20 : 0;
    const exportBytes = 10;
    await client.receive(greetingBytes + acknowledgementBytes + exportBytes);
    return client;
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('readable', () => this.#wake());
    // An error is a server that hangs up in the middle of a message, which is what some tests want.
    for (const event of ['end', 'close', 'error']) {
      socket.on(event, () => {
        this.#hasEnded = true;
        this.#wake();
      });
    }
  }

  send(...pieces: Buffer[]): void {
    this.#socket.write(Buffer.concat(pieces));
  }

  /** Exactly `length` bytes. Rejects when the server has closed the connection. */
  async receive(length: number): Promise<Buffer> {
    if (length === 0) return Buffer.alloc(0);
    const pieces: Buffer[] = [];
    for (let missing = length; missing > 0;) {
      const stored = Math.min(missing, this.#socket.readableLength);
      const piece = this.#socket.read(stored === 0 ? missing : stored) as Buffer | null;
      if (piece !== null) {
        pieces.push(piece);
        missing -= piece.length;
      } else if (this.#hasEnded) {
        throw new Error('the server has closed the connection');
      } else {
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    }
    return Buffer.concat(pieces);
  }

  /** A simple reply; `dataBytes` follow it if it tells no error. */
  async simpleReply(dataBytes = 0): Promise<RawReply> {
    const header = await this.receive(16);
    if (header.readUInt32BE(0) !== 0x67446698) throw new Error(`no simple reply: ${header.toString('hex')}`);
    const error = header.readUInt32BE(4);
    return {
      cookie: header.readBigUInt64BE(8),
      error,
      data: await this.receive(error === 0 ? dataBytes : 0),
    };
  }

  async chunk(): Promise<RawChunk> {
    const header = await this.receive(20);
    if (header.readUInt32BE(0) !== 0x668e33ef) throw new Error(`no chunk: ${header.toString('hex')}`);
    const payload = await this.receive(header.readUInt32BE(16));
    return {
      isLast: header.readUInt16BE(4) === 1,
      type: header.readUInt16BE(6),
      cookie: header.readBigUInt64BE(8),
      payload,
    };
  }

  /** All chunks of one structured reply. */
  async chunks(): Promise<RawChunk[]> {
    const chunks = [await this.chunk()];
    while (chunks.at(-1)?.isLast === false) chunks.push(await this.chunk());
    return chunks;
  }

  /** Resolves when the server has closed the connection; rejects when it says something more. */
  async ended(): Promise<void> {
    const byte = await this.receive(1).catch(() => undefined);
    if (byte !== undefined) throw new Error(`the server goes on: ${byte.toString('hex')}`);
    this.cut();
  }

  /** Takes whatever the server says until it closes the connection. */
  async drained(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#socket.once('close', () => resolve()));
    this.#socket.removeAllListeners('readable');
    this.#socket.on('end', () => this.cut());
    this.#socket.resume();
    if (!this.#socket.closed) await closed;
  }

  /** Says no more; what is asked can still be answered. */
  endOutput(): void {
    this.#socket.end();
  }

  /** Hangs up at once. */
  cut(): void {
    this.#socket.destroy();
  }
}
