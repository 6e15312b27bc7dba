/**
 * The service's socket: takes clients, knows who each of them is, and keeps them few. Everybody may connect,
 * because who may do what is decided for each request; so one user's flood of connections costs that user's
 * oldest ones. When all places are taken, whoever holds most of them gives one up.
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

  /** Throws `already-serving` when another service listens there, and `socket-unusable` when nobody can. */
  static async listen(path: string, options: ConstantOptions): Promise<ServiceServer> {
    await mkdir(dirname(path), { recursive: true });
    if (await isAnswered(path))
      throw new DiskferryError('already-serving', `${path}: another service listens there`, {
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
   * The oldest client that waits for nothing gives way: of the same user, when he has as many as one may
   * have; of the user with most, when all places are taken. False when none can. Root is never kept out by
   * others, and keeps his places.
   */
  #makeRoom(userId: number): boolean {
    const own = this.#of(userId);
    if (own.length >= serviceLimits.connectionsPerUserMax) return this.#letGo(own);
    if (this.#connections.size < serviceLimits.connectionsMax || userId === 0) return true;
    return this.#letGo(this.#mostOfOneUser());
  }

  #of(userId: number): Connection[] {
    return [...this.#connections].filter(({ client }) => client.peer.userId === userId);
  }

  /** Never root's. */
  #mostOfOneUser(): Connection[] {
    const users = new Set([...this.#connections].map(({ client }) => client.peer.userId));
    users.delete(0);
    return [...users].map((userId) => this.#of(userId)).reduce(longer, []);
  }

  /** The oldest that waits for nothing. */
  #letGo(connections: readonly Connection[]): boolean {
    const oldest = connections.find(({ isBusy }) => !isBusy);
    if (oldest === undefined) return false;
    this.#connections.delete(oldest);
    oldest.close();
    return true;
  }
}

function longer<T>(one: T[], other: T[]): T[] {
  return other.length > one.length ? other : one;
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

/** Also by a service that is too busy to take us (EAGAIN). */
async function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', ({ code }: NodeJS.ErrnoException) =>
      resolve(!['ENOENT', 'ECONNREFUSED'].includes(code ?? '')),
    );
  });
}
