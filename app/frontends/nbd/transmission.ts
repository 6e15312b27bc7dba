/**
 * The transmission phase: takes commands from the clients' inboxes, carries them out in parts through the
 * router, and puts the answers into the outboxes. Knows nothing of sockets; the frontend moves the bytes.
 * Allocates nothing.
 *
 * Always holds: a command is taken in whole before the next one of its connection; a command that is refused
 * never reaches the router, and its data is read and dropped; a connection without slots is not read from.
 *
 * Answers: a read's parts are answered each by a chunk of a structured reply, in whatever order they end.
 * Clients that know only simple replies get long reads part by part, alone on their connection: the protocol
 * has no other way to put data in order, and an error behind the first part can only end the connection.
 */
import type { BufferPool } from '../../base/buffer-pool.ts';
import type { RequestHandler, RequestTable } from '../../router/request.ts';
import { requestKinds } from '../../router/request.ts';
import { CommandTable } from './command-table.ts';
import type { Connection } from './connection.ts';
import { noCommand, phases } from './connection.ts';
import type { ExportedDevice } from './negotiation.ts';
import { commandFlags, commandTypes, nbdErrorOf, nbdErrors } from './protocol.ts';
import {
  ReplyWriter,
  dataChunkBytes,
  errorChunkBytes,
  errorOffsetChunkBytes,
  simpleReplyBytes,
} from './reply.ts';
import { readRequestHeader, refusalOf, requestHeaderBytes } from './request-header.ts';
import type { SlotShares } from './slot-shares.ts';
import { noSlot } from './slot-shares.ts';

/**
 * By type of command. FUA of a trim needs no care: what was trimmed has no content that could be lost.
 */
const kindOfType = kindsOfTypes();

function kindsOfTypes(): Uint8Array {
  const kinds = new Uint8Array(commandTypes.writeZeroes + 1);
  kinds[commandTypes.read] = requestKinds.read;
  kinds[commandTypes.write] = requestKinds.write;
  kinds[commandTypes.flush] = requestKinds.flush;
  kinds[commandTypes.trim] = requestKinds.discard;
  kinds[commandTypes.writeZeroes] = requestKinds.writeZeroes;
  return kinds;
}

export interface TransmissionSetting {
  readonly pool: BufferPool;
  readonly requests: RequestTable;
  readonly handler: RequestHandler;
  readonly device: ExportedDevice;
  readonly shares: SlotShares;
  readonly connections: readonly Connection[];
}

export class Transmission {
  readonly #pool: BufferPool;
  readonly #view: DataView;
  readonly #requests: RequestTable;
  readonly #handler: RequestHandler;
  readonly #device: ExportedDevice;
  readonly #shares: SlotShares;
  readonly #connections: readonly Connection[];
  readonly #commands: CommandTable;
  readonly #replies: ReplyWriter;
  /** The command that a slot's request is a part of. */
  readonly #commandOf: Int32Array;
  #isShuttingDown = false;

  constructor(setting: TransmissionSetting) {
    const { bytes } = setting.pool;
    this.#pool = setting.pool;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#requests = setting.requests;
    this.#handler = setting.handler;
    this.#device = setting.device;
    this.#shares = setting.shares;
    this.#connections = setting.connections;
    this.#commands = new CommandTable(setting.requests.capacity + setting.connections.length);
    this.#replies = new ReplyWriter(this.#view, setting.requests, this.#commands);
    this.#commandOf = new Int32Array(setting.requests.capacity);
  }

  /** From now on new commands are refused, and a connection leaves when it has no more of them. */
  shutDown(): void {
    this.#isShuttingDown = true;
  }

  /** Takes in what the inbox holds until it or the free slots are used up. Nothing is received meanwhile. */
  serve(connection: Connection): void {
    connection.wantsInput = false;
    while (connection.phase === phases.serving) {
      if (connection.drainBytes > 0 && !this.#drain(connection)) return;
      if (connection.command === noCommand && !this.#takeCommand(connection)) return;
      if (!this.#startParts(connection, connection.command)) return;
    }
  }

  /** The router has answered a part. Returns the connection that it was for. */
  requestDone(slot: number, result: number): Connection {
    const command = this.#commandOf[slot] as number;
    const connection = this.#connections[this.#commands.connection[command] as number] as Connection;
    const isRead = this.#commands.type[command] === commandTypes.read;
    const error = result < 0 ? nbdErrorOf(result) : nbdErrors.none;
    this.#addOpenParts(command, -1);
    if (connection.phase === phases.gone) this.#dropPart(connection, slot, command);
    else if (!isRead) this.#answerChange(connection, slot, command, error);
    else if (connection.usesStructuredReplies) this.#answerWithChunk(connection, slot, command, error);
    else this.#answerInOrder(connection, slot, command, error);
    return connection;
  }

  /** The connection is gone and nothing is received any more: gives up what was being taken in. */
  abandon(connection: Connection): void {
    const { command, fillingSlot } = connection;
    if (command === noCommand) return;
    if (fillingSlot !== noSlot) {
      connection.fillingSlot = noSlot;
      this.#addOpenParts(command, -1);
      this.#shares.release(connection.index, fillingSlot);
    }
    connection.command = noCommand;
    this.#commands.remainingBytes[command] = 0;
    if (this.#commands.isAnswered(command)) this.#endCommand(connection, command);
  }

  // ---- taking commands in; each function returns false when it cannot go on now

  #drain(connection: Connection): boolean {
    const lengthBytes = Math.min(connection.drainBytes, connection.inbox.storedBytes);
    connection.inbox.take(lengthBytes);
    connection.drainBytes -= lengthBytes;
    connection.wantsInput = connection.drainBytes > 0;
    return !connection.wantsInput;
  }

  #takeCommand(connection: Connection): boolean {
    const { inbox } = connection;
    if (inbox.storedBytes < requestHeaderBytes) {
      if (this.#isShuttingDown) connection.phase = phases.leaving;
      else connection.wantsInput = true;
      return false;
    }
    const command = this.#commands.claim(connection.index);
    const isRequest = readRequestHeader(this.#view, inbox.firstAt, this.#commands, command);
    if (!isRequest || this.#commands.type[command] === commandTypes.disconnect) {
      this.#commands.release(command);
      connection.phase = isRequest ? phases.leaving : phases.gone;
      return false;
    }
    inbox.take(requestHeaderBytes);
    this.#enter(connection, command);
    return true;
  }

  #enter(connection: Connection, command: number): void {
    const commands = this.#commands;
    const isRead = commands.type[command] === commandTypes.read;
    const isLongRead = isRead && !commands.fitsInOnePart(command);
    connection.command = command;
    connection.openCommands += 1;
    connection.refusal = this.#isShuttingDown
      ? nbdErrors.shutdown
      : refusalOf(commands, command, this.#device);
    connection.answersInOrder = isLongRead && !connection.usesStructuredReplies;
  }

  #startParts(connection: Connection, command: number): boolean {
    if (connection.refusal !== nbdErrors.none) return this.#refuse(connection, command);
    if (this.#commands.type[command] === commandTypes.write) return this.#takeData(connection, command);
    while (connection.command === command) {
      const mustWait = connection.answersInOrder && !this.#isItsTurn(connection, command);
      const slot = mustWait ? noSlot : this.#claimPart(connection, command);
      if (slot === noSlot) return false;
      this.#begin(connection, command, slot);
    }
    return true;
  }

  /** A part of a long read may start when everything before it on the connection has been answered. */
  #isItsTurn(connection: Connection, command: number): boolean {
    return connection.openCommands === 1 && this.#commands.openParts[command] === 0;
  }

  #refuse(connection: Connection, command: number): boolean {
    const slot = this.#shares.claim(connection.index);
    if (slot === noSlot) return false;
    if (this.#commands.type[command] === commandTypes.write) {
      connection.drainBytes = this.#commands.remainingBytes[command] as number;
    }
    this.#answerError(connection, slot, command, connection.refusal);
    this.#endCommand(connection, command);
    return true;
  }

  /** Data of a write goes from the inbox into a slot; what has not arrived yet is received there directly. */
  #takeData(connection: Connection, command: number): boolean {
    while (connection.command === command) {
      if (connection.fillingSlot === noSlot) {
        connection.fillingSlot = this.#claimPart(connection, command);
        if (connection.fillingSlot === noSlot) return false;
        connection.filledBytes = 0;
      }
      if (!this.#fill(connection)) {
        connection.wantsInput = true;
        return false;
      }
      const slot = connection.fillingSlot;
      connection.fillingSlot = noSlot;
      this.#begin(connection, command, slot);
    }
    return true;
  }

  /** True when the slot that is being filled has all its data. */
  #fill(connection: Connection): boolean {
    const { inbox, fillingSlot, filledBytes } = connection;
    const neededBytes = (this.#requests.lengthBytes[fillingSlot] as number) - filledBytes;
    const lengthBytes = Math.min(neededBytes, inbox.storedBytes);
    if (lengthBytes > 0) {
      const from = inbox.firstAt;
      const to = this.#requests.dataOffset(fillingSlot) + filledBytes;
      this.#pool.bytes.copyWithin(to, from, from + lengthBytes);
      inbox.take(lengthBytes);
      connection.filledBytes = filledBytes + lengthBytes;
    }
    return lengthBytes === neededBytes;
  }

  #claimPart(connection: Connection, command: number): number {
    const slot = this.#shares.claim(connection.index);
    if (slot === noSlot) return noSlot;
    const commands = this.#commands;
    const lengthBytes = commands.nextPartBytes(command);
    const positionBytes = commands.positionBytes[command] as number;
    this.#requests.kind[slot] = kindOfType[commands.type[command] as number] as number;
    this.#requests.fua[slot] = (commands.flags[command] as number) & commandFlags.fua;
    this.#requests.offsetBytes[slot] = positionBytes;
    this.#requests.lengthBytes[slot] = lengthBytes;
    this.#commandOf[slot] = command;
    commands.positionBytes[command] = positionBytes + lengthBytes;
    commands.remainingBytes[command] = (commands.remainingBytes[command] as number) - lengthBytes;
    this.#addOpenParts(command, 1);
    return slot;
  }

  /** Behind its last part the next command may be taken in. The router may answer inside the call. */
  #begin(connection: Connection, command: number, slot: number): void {
    if (this.#commands.remainingBytes[command] === 0) connection.command = noCommand;
    this.#handler.begin(slot);
  }

  // ---- answers

  /** Writes, flushes, trims, zeroes: one answer when the last part is done. */
  #answerChange(connection: Connection, slot: number, command: number, error: number): void {
    if (this.#commands.error[command] === nbdErrors.none) this.#commands.error[command] = error;
    if (!this.#commands.isAnswered(command)) {
      this.#shares.release(connection.index, slot);
      return;
    }
    const at = this.#replies.simple(slot, command, this.#commands.error[command] as number);
    connection.outbox.put(slot, at, simpleReplyBytes);
    this.#endCommand(connection, command);
  }

  #answerWithChunk(connection: Connection, slot: number, command: number, error: number): void {
    const isLast = this.#commands.isAnswered(command);
    if (error === nbdErrors.none) {
      const at = this.#replies.dataChunk(slot, command, isLast);
      connection.outbox.put(slot, at, dataChunkBytes + (this.#requests.lengthBytes[slot] as number));
    } else {
      const at = this.#replies.errorOffsetChunk(slot, command, error, isLast);
      connection.outbox.put(slot, at, errorOffsetChunkBytes);
    }
    if (isLast) this.#endCommand(connection, command);
  }

  /** Simple replies: the header goes before the first part's data, and promises all of it. */
  #answerInOrder(connection: Connection, slot: number, command: number, error: number): void {
    const isReplying = this.#commands.isReplying[command] === 1;
    const lengthBytes = this.#requests.lengthBytes[slot] as number;
    if (error === nbdErrors.none && isReplying) {
      connection.outbox.put(slot, this.#requests.dataOffset(slot), lengthBytes);
    } else if (error === nbdErrors.none) {
      const at = this.#replies.simpleWithData(slot, command);
      connection.outbox.put(slot, at, simpleReplyBytes + lengthBytes);
      this.#commands.isReplying[command] = 1;
    } else if (isReplying) {
      connection.phase = phases.gone;
      this.#dropPart(connection, slot, command);
      return;
    } else {
      this.#commands.remainingBytes[command] = 0;
      this.#answerError(connection, slot, command, error);
    }
    if (this.#commands.isAnswered(command)) this.#endCommand(connection, command);
  }

  #answerError(connection: Connection, slot: number, command: number, error: number): void {
    const isRead = this.#commands.type[command] === commandTypes.read;
    if (isRead && connection.usesStructuredReplies) {
      connection.outbox.put(slot, this.#replies.errorChunk(slot, command, error), errorChunkBytes);
    } else {
      connection.outbox.put(slot, this.#replies.simple(slot, command, error), simpleReplyBytes);
    }
  }

  /** Nobody waits for the answer. */
  #dropPart(connection: Connection, slot: number, command: number): void {
    this.#shares.release(connection.index, slot);
    if (this.#commands.isAnswered(command)) this.#endCommand(connection, command);
  }

  #endCommand(connection: Connection, command: number): void {
    if (connection.command === command) connection.command = noCommand;
    connection.openCommands -= 1;
    this.#commands.release(command);
  }

  #addOpenParts(command: number, change: 1 | -1): void {
    this.#commands.openParts[command] = (this.#commands.openParts[command] as number) + change;
  }
}
