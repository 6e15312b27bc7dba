/**
 * Answers as they go over the wire. Each is written into its slot's header page, the header of data directly
 * in front of the data, so that it leaves as one piece:
 *
 *   header page                            data page …
 *   [simple reply or error chunk]…[header]|[data of a read]
 *
 *   simple reply: magic u32, error u32, cookie u64; a read's data follows
 *   chunk: magic u32, flags u16, type u16, cookie u64, length of the payload u32, payload
 *     payload of data: offset u64, data
 *     payload of an error: error u32, length of a message u16 (0); with the offset's type also offset u64
 */
import type { RequestTable } from '../../router/request.ts';
import type { CommandTable } from './command-table.ts';
import { chunkIsLast, chunkMagic, chunkTypes, simpleReplyMagic } from './protocol.ts';

export const simpleReplyBytes = 16;
const chunkHeaderBytes = 20;
const chunkOffsetBytes = 8;
export const dataChunkBytes = chunkHeaderBytes + chunkOffsetBytes;
export const errorChunkBytes = chunkHeaderBytes + 6;
export const errorOffsetChunkBytes = errorChunkBytes + chunkOffsetBytes;

const twoTo32 = 4294967296;

/** Each method writes one answer to `command` and returns the pool offset of its first byte. */
export class ReplyWriter {
  readonly #view: DataView;
  readonly #requests: RequestTable;
  readonly #commands: CommandTable;

  constructor(view: DataView, requests: RequestTable, commands: CommandTable) {
    this.#view = view;
    this.#requests = requests;
    this.#commands = commands;
  }

  /** Without data, for everything but a successful read. */
  simple(slot: number, command: number, error: number): number {
    return this.#simpleAt(this.#requests.headerOffset(slot), command, error);
  }

  /** In front of the first data of a read. */
  simpleWithData(slot: number, command: number): number {
    return this.#simpleAt(this.#requests.dataOffset(slot) - simpleReplyBytes, command, 0);
  }

  /** In front of the data that the slot's request has read. */
  dataChunk(slot: number, command: number, isLast: boolean): number {
    const at = this.#requests.dataOffset(slot) - dataChunkBytes;
    const payloadBytes = chunkOffsetBytes + (this.#requests.lengthBytes[slot] as number);
    this.#chunkAt(at, command, chunkTypes.offsetData, payloadBytes, isLast);
    this.#offsetAt(at + chunkHeaderBytes, slot);
    return at;
  }

  /** The whole read is refused. */
  errorChunk(slot: number, command: number, error: number): number {
    const at = this.#requests.headerOffset(slot);
    this.#chunkAt(at, command, chunkTypes.error, errorChunkBytes - chunkHeaderBytes, true);
    this.#view.setUint32(at + chunkHeaderBytes, error);
    this.#view.setUint16(at + chunkHeaderBytes + 4, 0);
    return at;
  }

  /** The slot's part of the read has failed; other parts may have succeeded. */
  errorOffsetChunk(slot: number, command: number, error: number, isLast: boolean): number {
    const at = this.#requests.headerOffset(slot);
    this.#chunkAt(at, command, chunkTypes.errorOffset, errorOffsetChunkBytes - chunkHeaderBytes, isLast);
    this.#view.setUint32(at + chunkHeaderBytes, error);
    this.#view.setUint16(at + chunkHeaderBytes + 4, 0);
    this.#offsetAt(at + errorChunkBytes, slot);
    return at;
  }

  #simpleAt(at: number, command: number, error: number): number {
    this.#view.setUint32(at, simpleReplyMagic);
    this.#view.setUint32(at + 4, error);
    this.#cookieAt(at + 8, command);
    return at;
  }

  #chunkAt(at: number, command: number, type: number, payloadBytes: number, isLast: boolean): void {
    this.#view.setUint32(at, chunkMagic);
    this.#view.setUint16(at + 4, isLast ? chunkIsLast : 0);
    this.#view.setUint16(at + 6, type);
    this.#cookieAt(at + 8, command);
    this.#view.setUint32(at + 16, payloadBytes);
  }

  #cookieAt(at: number, command: number): void {
    this.#view.setInt32(at, this.#commands.cookieHigh[command] as number);
    this.#view.setInt32(at + 4, this.#commands.cookieLow[command] as number);
  }

  #offsetAt(at: number, slot: number): void {
    const offset = this.#requests.offsetBytes[slot] as number;
    this.#view.setUint32(at, Math.floor(offset / twoTo32));
    this.#view.setUint32(at + 4, offset % twoTo32);
  }
}
