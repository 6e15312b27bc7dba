/**
 * The service's socket: takes clients, knows who each of them is, and keeps them few. Everybody may connect,
 * because who may do what is decided for each request; so one user's flood of connections costs that user's
 * oldest ones, and nobody else's.
 */
import { lstatSync } from 'node:fs';
import { chmod, mkdir, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { dirname } from 'node:path';
import { DiskferryError } from '../base/error.ts';
import { serviceLimits } from '../contract/service.ts';
import { peerOf, startTimeOf } from '../devices/peer.ts';
import type { ConnectionOptions } from './connection.ts';
import { Connection } from './connection.ts';
import type { EventStream } from './event-stream.ts';

const everybody = 0o666;
/**
 * So many may wait until we have time for them; beyond that the kernel tells clients to try again (EAGAIN).
 * As much as it allows by itself (/proc/sys/net/core/somaxconn); Node's own choice, 511, fills within
 * milliseconds.
 */
const backlog = 4096;

/** The same for every client. */
export type ConstantOptions = Omit<ConnectionOptions, 'client'>;

export class ServiceServer {
  readonly #server: Server;
  readonly #path: string;
  readonly #options: ConstantOptions;
  /** In the order of their coming. */
  readonly #connections = new Set<Connection>();

  /** Throws `socket-unusable` when another service listens there, or nobody can. */
  static async listen(path: string, options: ConstantOptions): Promise<ServiceServer> {
    await mkdir(dirname(path), { recursive: true });
    if (await isAnswered(path))
      throw new DiskferryError('socket-unusable', `${path}: another service listens there`, {
        context: { path },
      });
    await removeDeserted(path);
    const server = new ServiceServer(path, options);
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', reject);
      server.#server.listen({ path, backlog }, resolve);
    });
    await chmod(path, everybody);
    return server;
  }

  private constructor(path: string, options: ConstantOptions) {
    this.#path = path;
    this.#options = options;
    this.#server = createServer((socket) => this.#take(socket));
    // Out of descriptors, say: those who are connected stay.
    this.#server.on('error', () => undefined);
  }

  /** Of those who have subscribed. */
  streams(): EventStream[] {
    return [...this.#connections].flatMap(({ stream }) => stream ?? []);
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.close();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await rm(this.#path, { force: true });
  }

  #take(socket: Socket): void {
    const fd = descriptorOf(socket);
    // It has gone again already.
    if (fd === undefined) {
      socket.destroy();
      return;
    }
    const peer = peerOf(fd);
    if (!this.#makeRoom(peer.userId)) {
      socket.destroy();
      return;
    }
    const client = { peer, startTime: startTimeOf(peer.processId) };
    const connection = new Connection(socket, { ...this.#options, client });
    this.#connections.add(connection);
    socket.once('close', () => this.#connections.delete(connection));
  }

  /**
   * The oldest client of the same user that waits for nothing gives way; false when none can. Root is never
   * kept out by others.
   */
  #makeRoom(userId: number): boolean {
    const own = [...this.#connections].filter(({ client }) => client.peer.userId === userId);
    const isFull = this.#connections.size >= serviceLimits.connectionsMax && userId !== 0;
    if (own.length < serviceLimits.connectionsPerUserMax && !isFull) return true;
    const oldest = own.find(({ isBusy }) => !isBusy);
    if (oldest === undefined) return false;
    this.#connections.delete(oldest);
    oldest.close();
    return true;
  }
}

/** Node keeps it for itself, but for pipes it is there. */
function descriptorOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly fd?: number } | null };
  return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined;
}

/** What a service that was killed has left; nothing else is taken away. */
async function removeDeserted(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found !== undefined && !found.isSocket())
    throw new DiskferryError('socket-unusable', `${path}: something that is no socket is there already`, {
      context: { path },
    });
  await rm(path, { force: true });
}

async function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
