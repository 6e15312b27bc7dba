/**
 * The virtual device as an NBD server, for virtual machines and other clients that come to a Unix socket, or
 * for the kernel's own client, at the other end of sockets that are connected already. Accepts, receives,
 * sends and lets go, all through the ring. Negotiation and transmission decide what is said (negotiation.ts,
 * transmission.ts).
 *
 * Per connection one receive and one send are under way at most. A receive is posted only when what was
 * received before is taken in, so a client that sends faster than its requests are answered waits in its own
 * socket. A turn's answers to a client leave in one write.
 */
import { closeSync } from 'node:fs';
import { errno } from '../../base/errno.ts';
import { assert } from '../../base/error.ts';
import { addon } from '../../../native/binding.ts';
import type { Ring } from '../../../native/ring.ts';
import { tagOf } from '../../../native/ring.ts';
import type { RequestTable } from '../../router/request.ts';
import type { DeviceGeometry, Frontend, FrontendSetting } from '../frontend.ts';
import { Connection, connectionsMax, noFd, phases } from './connection.ts';
import { Listener } from './listener.ts';
import { Negotiation, greeting } from './negotiation.ts';
import { Outbox } from './outbox.ts';
import { SlotShares, noSlot } from './slot-shares.ts';
import { Transmission } from './transmission.ts';

/** A client that has not reached transmission by then makes room for others. */
const negotiationMsMax = 10_000;
/** Clients that have not taken their last answers by then are cut off when the device is taken away. */
const goodbyeMsMax = 5_000;
const usPerMs = 1000;

/** What a ring operation of this frontend was; the connection is in the lower bits of the index. */
const operation = {
  accept: 1 << 20,
  receive: 2 << 20,
  send: 3 << 20,
  cancel: 4 << 20,
  cancelAccept: 5 << 20,
} as const;
const connectionMask = (1 << 20) - 1;

/** Where the clients come from. These descriptors' owner closes them when the frontend is closed. */
export type NbdClients =
  /** They come to a listening stream socket and negotiate. */
  | { readonly listenFd: number }
  /** The kernel: it has been told all, and holds the sockets' other ends. There will be no others. */
  | { readonly socketFds: readonly number[] };

export class NbdFrontend implements Frontend {
  readonly #ring: Ring;
  readonly #ringOwner: number;
  readonly #bytes: Uint8Array;
  readonly #requests: RequestTable;
  readonly #geometry: DeviceGeometry;
  readonly #shares: SlotShares;
  readonly #connections: readonly Connection[];
  readonly #transmission: Transmission;
  /** Undefined when all clients are there from the beginning. */
  readonly #listener: Listener | undefined;
  #isStopping = false;
  #goodbyeUs = 0;
  #clientCount = 0;
  /** Who is served first in this turn: another one each time, so that all get at slots that came free. */
  #firstServed = 0;

  constructor(setting: FrontendSetting, clients: NbdClients) {
    this.#ring = setting.ring;
    this.#ringOwner = setting.ringOwner;
    this.#bytes = setting.pool.bytes;
    this.#requests = setting.requests;
    this.#geometry = setting.geometry;
    const connectionCount = 'listenFd' in clients ? connectionsMax : clients.socketFds.length;
    const shares = new SlotShares(setting.requests, connectionCount);
    this.#shares = shares;
    this.#connections = Array.from({ length: connectionCount }, (_, index) => {
      // An answer for each slot, and one of the negotiation.
      const outbox = new Outbox(setting.requests.capacity + 1, (slot) => {
        if (slot !== noSlot) shares.release(index, slot);
      });
      return new Connection(index, setting.pool, outbox);
    });
    this.#transmission = new Transmission({
      pool: setting.pool,
      requests: setting.requests,
      handler: setting.handler,
      device: setting.geometry,
      shares,
      connections: this.#connections,
    });
    this.#listener = 'listenFd' in clients ? this.#listenOn(clients.listenFd) : undefined;
    if ('socketFds' in clients) this.#serveAll(clients.socketFds);
  }

  /** Who uses the kernel's device only the kernel knows. */
  get clientCount(): number {
    return this.#listener === undefined ? 0 : this.#clientCount;
  }

  /** True when no client is left and none can come. */
  get isClosed(): boolean {
    return this.#listener?.isStopped !== false && this.#clientCount === 0;
  }

  /**
   * Lets the clients go: what is under way is answered, what comes after it is refused with ESHUTDOWN, and
   * each connection is closed when it has nothing more to say. The protocol has no other goodbye from a
   * server.
   */
  stopAccepting(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#goodbyeUs = this.#nowUs() + goodbyeMsMax * usPerMs;
    this.#transmission.shutDown();
    this.#listener?.stop();
    for (const connection of this.#connections) this.#sayGoodbye(connection);
  }

  prepareTurn(): void {
    const connectionCount = this.#connections.length;
    this.#firstServed = (this.#firstServed + 1) % connectionCount;
    for (let offset = 0; offset < connectionCount; offset += 1) {
      const connection = this.#connections[(this.#firstServed + offset) % connectionCount] as Connection;
      if (connection.phase !== phases.free) this.#takeInput(connection);
    }
    // Only when all have been served: taking one client's input may answer another.
    for (let index = 0; index < connectionCount; index += 1) {
      const connection = this.#connections[index] as Connection;
      if (connection.phase !== phases.free) this.#post(connection);
    }
    if (this.#listener?.canAccept === true && this.#freeConnection() !== undefined) this.#listener.accept();
  }

  ringDone(index: number, result: number): void {
    const connection = this.#connections[index & connectionMask] as Connection;
    switch (index & ~connectionMask) {
      case operation.receive:
        this.#received(connection, result);
        break;
      case operation.send:
        this.#sent(connection, result);
        break;
      case operation.accept:
        this.#welcome(this.#listener?.accepted(result));
        break;
      case operation.cancel:
        connection.cancelsUnderWay -= 1;
        break;
      default:
        assert((index & ~connectionMask) === operation.cancelAccept, 'a completion belongs to an operation');
    }
    this.#settle(connection);
  }

  requestDone(slot: number, result: number): void {
    const connection = this.#transmission.requestDone(slot, result);
    if (connection.fd === noFd) this.#settle(connection);
  }

  // ---- clients come

  #listenOn(fd: number): Listener {
    const tags = { accept: this.#tag(operation.accept, 0), cancel: this.#tag(operation.cancelAccept, 0) };
    return new Listener(this.#ring, fd, tags);
  }

  #serveAll(socketFds: readonly number[]): void {
    for (const [index, fd] of socketFds.entries()) this.#connections[index]?.serve(fd);
    this.#clientCount = socketFds.length;
  }

  #welcome(fd: number | undefined): void {
    if (fd === undefined) return;
    const connection = this.#freeConnection();
    assert(connection !== undefined, 'a client is accepted only when there is room for one');
    connection.welcome(fd, new Negotiation(this.#geometry), this.#nowUs());
    this.#clientCount += 1;
    this.#say(connection, greeting);
  }

  #freeConnection(): Connection | undefined {
    for (let index = 0; index < this.#connections.length; index += 1) {
      const connection = this.#connections[index];
      if (connection?.phase === phases.free) return connection;
    }
    return undefined;
  }

  // ---- input

  #takeInput(connection: Connection): void {
    if (connection.isReceiving) return;
    if (connection.phase === phases.serving) this.#transmission.serve(connection);
    else if (connection.phase === phases.negotiating) this.#negotiate(connection);
  }

  /** One message at a time, and the next only when the client has taken the answer. */
  #negotiate(connection: Connection): void {
    const { negotiation, inbox } = connection;
    assert(negotiation !== undefined, 'a negotiating connection has a negotiation');
    connection.wantsInput = false;
    if (!connection.outbox.isEmpty) return;
    const { buffer, byteOffset } = this.#bytes;
    const step = negotiation.step(Buffer.from(buffer, byteOffset + inbox.firstAt, inbox.storedBytes));
    if (step === undefined) {
      connection.wantsInput = true;
      return;
    }
    this.#say(connection, step.reply);
    inbox.take(step.consumedBytes);
    if (step.then === 'disconnect') connection.phase = phases.leaving;
    if (step.then === 'transmit') {
      connection.phase = phases.serving;
      connection.usesStructuredReplies = negotiation.usesStructuredReplies;
    }
    this.#takeInput(connection);
  }

  #say(connection: Connection, message: Buffer): void {
    if (message.length === 0) return;
    this.#bytes.set(message, connection.negotiationPage);
    connection.outbox.put(noSlot, connection.negotiationPage, message.length);
  }

  #received(connection: Connection, result: number): void {
    connection.isReceiving = false;
    if (result > 0) this.#store(connection, result);
    else if (result === 0) this.#endOfInput(connection);
    else if (result === errno.cancelled) this.#leave(connection);
    else if (!isPassing(result)) this.#drop(connection);
  }

  /** A client may close its side when all is asked; in the middle of a message it has been cut off. */
  #endOfInput(connection: Connection): void {
    if (connection.isBetweenCommands() && connection.inbox.storedBytes === 0) this.#leave(connection);
    else this.#drop(connection);
  }

  /** The first bytes belong to the data of a write, if one is being filled. */
  #store(connection: Connection, lengthBytes: number): void {
    const dataBytes = Math.min(lengthBytes, this.#missingDataBytes(connection));
    connection.filledBytes += dataBytes;
    connection.inbox.received(lengthBytes - dataBytes);
  }

  #missingDataBytes(connection: Connection): number {
    const slot = connection.fillingSlot;
    return slot === noSlot ? 0 : (this.#requests.lengthBytes[slot] as number) - connection.filledBytes;
  }

  // ---- operations on a client's socket

  #post(connection: Connection): void {
    this.#watchTheClock(connection);
    this.#settle(connection);
    if (connection.phase === phases.gone || connection.phase === phases.free) return;
    if (!connection.isSending && !connection.outbox.isEmpty) this.#postSend(connection);
    if (connection.wantsInput && !connection.isReceiving) this.#postReceive(connection);
  }

  #postSend(connection: Connection): void {
    connection.isSending = true;
    connection.outbox.post(this.#ring, connection.fd, this.#tag(operation.send, connection.index));
  }

  /** What is missing of a write's data goes straight into its slot, and what follows into the inbox. */
  #postReceive(connection: Connection): void {
    const { inbox, fd, fillingSlot } = connection;
    const tag = this.#tag(operation.receive, connection.index);
    connection.isReceiving = true;
    inbox.makeRoom();
    if (fillingSlot === noSlot) {
      this.#ring.recv(fd, inbox.freeBytes, inbox.endAt, 0, tag);
      return;
    }
    const data = this.#requests.dataOffset(fillingSlot) + connection.filledBytes;
    const dataBytes = this.#missingDataBytes(connection);
    this.#ring.readStreamInTwo(fd, data, dataBytes, inbox.endAt, inbox.freeBytes, tag);
  }

  #sent(connection: Connection, result: number): void {
    connection.isSending = false;
    if (result >= 0) connection.outbox.sent(result);
    else if (!isPassing(result)) this.#drop(connection);
  }

  // ---- clients go

  #sayGoodbye(connection: Connection): void {
    if (connection.phase === phases.negotiating) this.#drop(connection);
    const isWaiting = connection.isReceiving && connection.isBetweenCommands();
    if (connection.phase === phases.serving && isWaiting) this.#cancel(connection, operation.receive);
  }

  /** Takes no more input; goes when all is answered. */
  #leave(connection: Connection): void {
    if (connection.phase === phases.gone) return;
    connection.phase = phases.leaving;
    connection.wantsInput = false;
  }

  #drop(connection: Connection): void {
    connection.phase = phases.gone;
  }

  #watchTheClock(connection: Connection): void {
    const patienceUs = negotiationMsMax * usPerMs;
    const isNegotiating = connection.phase === phases.negotiating;
    const isLate = isNegotiating && this.#nowUs() > connection.acceptedUs + patienceUs;
    const isUnwelcome = this.#isStopping && this.#nowUs() > this.#goodbyeUs;
    if (isLate || isUnwelcome) this.#drop(connection);
  }

  /** Who leaves is gone when all is said; who is gone makes room when nothing is under way any more. */
  #settle(connection: Connection): void {
    const { outbox, index } = connection;
    const isAnswered = outbox.isEmpty && this.#shares.heldBy(index) === 0;
    if (connection.phase === phases.leaving && isAnswered) this.#drop(connection);
    if (connection.phase !== phases.gone) return;
    if (connection.fd !== noFd) this.#closeSocket(connection);
    if (connection.fd !== noFd || this.#shares.heldBy(index) > 0) return;
    connection.phase = phases.free;
    this.#clientCount -= 1;
  }

  /** The kernel may use the socket and the buffers until the last operation on them has ended. */
  #closeSocket(connection: Connection): void {
    if (!connection.isCancelled) this.#cancelAll(connection);
    if (connection.hasOperationUnderWay()) return;
    this.#letGo(connection.fd);
    connection.fd = noFd;
    connection.negotiation = undefined;
    connection.outbox.clear();
    this.#transmission.abandon(connection);
  }

  /** Either way the other end learns of it. */
  #letGo(fd: number): void {
    if (this.#listener === undefined) addon().shutDownSocket(fd);
    else closeSync(fd);
  }

  #cancelAll(connection: Connection): void {
    connection.isCancelled = true;
    if (connection.isReceiving) this.#cancel(connection, operation.receive);
    if (connection.isSending) this.#cancel(connection, operation.send);
  }

  #cancel(connection: Connection, target: number): void {
    connection.cancelsUnderWay += 1;
    this.#ring.cancel(this.#tag(target, connection.index), this.#tag(operation.cancel, connection.index));
  }

  #tag(kind: number, connection: number): number {
    return tagOf(this.#ringOwner, kind | connection);
  }

  #nowUs(): number {
    return this.#ring.clockUs[0] as number;
  }
}

/** The operation has done nothing, and may be posted again unless the connection has changed meanwhile. */
function isPassing(result: number): boolean {
  return result === errno.again || result === errno.interrupted || result === errno.cancelled;
}
