/**
 * The handshake with one client (fixed newstyle) as a pure state machine: bytes in, bytes and an outcome out.
 * It allocates, within `optionBytesMax`; each step takes at most one message, so that the caller can wait
 * until the client has taken the answer before it asks for the next step.
 *
 *   server: NBDMAGIC IHAVEOPT flags u16                                    the greeting
 *   client: flags u32
 *   client: IHAVEOPT option u32 length u32 data …                          any number of times
 *   server: magic u64 option u32 type u32 length u32 data …                one or more answers to each
 *
 * until EXPORT_NAME or GO begins transmission, or ABORT or garbage ends the connection. There is one export,
 * the default one with the empty name. Metadata contexts (block status) are not offered: neither disk tells
 * holes cheaply.
 */
import { assertSafeInteger } from '../../base/error.ts';
import {
  handshakeFlags,
  infoTypes,
  optionReplyTypes,
  optionTypes,
  payloadBytesMax,
  offeredFlags,
  transmissionFlags,
} from './protocol.ts';

/** Longer data of an option ends the connection. Names may have 4096 bytes; nothing else comes near. */
export const optionBytesMax = 8192;

export interface ExportedDevice {
  readonly sizeBytes: number;
  readonly logicalBlockBytes: number;
}

interface Answer {
  /** To be sent before the next step. */
  readonly reply: Buffer;
  readonly then: 'negotiate' | 'transmit' | 'disconnect';
}

export interface NegotiationStep extends Answer {
  /** How much of the input this step took. */
  readonly consumedBytes: number;
}

const optionMagic = Buffer.from('IHAVEOPT');
const optionReplyMagic = Buffer.from('0003e889045565a9', 'hex');
const clientFlagsBytes = 4;
const optionHeaderBytes = 16;
const zeroesAfterExportBytes = 124;
const preferredBlockBytes = 4096;
const knownFlags = handshakeFlags.fixedNewstyle | handshakeFlags.noZeroes;
const nothing = Buffer.alloc(0);

/** What the server says first. */
export const greeting = Buffer.concat([Buffer.from('NBDMAGIC'), optionMagic, u16(knownFlags)]);

export class Negotiation {
  readonly #device: ExportedDevice;
  #clientFlags: number | undefined;
  #usesStructuredReplies = false;

  constructor(device: ExportedDevice) {
    assertSafeInteger(device.sizeBytes, 'size of the export');
    this.#device = device;
  }

  /** Whether reads are answered in chunks from now on. */
  get usesStructuredReplies(): boolean {
    return this.#usesStructuredReplies;
  }

  /** Takes the message at the start of `input`; undefined while it is not there in full. */
  step(input: Buffer): NegotiationStep | undefined {
    if (this.#clientFlags === undefined) return this.#takeClientFlags(input);
    return this.#takeOption(input, this.#clientFlags);
  }

  #takeClientFlags(input: Buffer): NegotiationStep | undefined {
    if (input.length < clientFlagsBytes) return undefined;
    const flags = input.readUInt32BE(0);
    this.#clientFlags = flags;
    const isKnown = (flags & ~knownFlags) === 0;
    return { consumedBytes: clientFlagsBytes, reply: nothing, then: isKnown ? 'negotiate' : 'disconnect' };
  }

  #takeOption(input: Buffer, clientFlags: number): NegotiationStep | undefined {
    if (input.length < optionHeaderBytes) return undefined;
    const type = input.readUInt32BE(8);
    const dataBytes = input.readUInt32BE(12);
    const isFixedNewstyle = (clientFlags & handshakeFlags.fixedNewstyle) !== 0;
    const isGarbage =
      !input.subarray(0, 8).equals(optionMagic) ||
      dataBytes > optionBytesMax ||
      (!isFixedNewstyle && type !== optionTypes.exportName);
    if (isGarbage) return { consumedBytes: optionHeaderBytes, reply: nothing, then: 'disconnect' };
    const consumedBytes = optionHeaderBytes + dataBytes;
    if (input.length < consumedBytes) return undefined;
    const data = input.subarray(optionHeaderBytes, consumedBytes);
    return { consumedBytes, ...this.#answer(type, data, clientFlags) };
  }

  #answer(type: number, data: Buffer, clientFlags: number): Answer {
    switch (type) {
      case optionTypes.exportName:
        return this.#enterExport(data, clientFlags);
      case optionTypes.abort:
        return { reply: optionReply(type, optionReplyTypes.ack), then: 'disconnect' };
      case optionTypes.list:
        return listExports(data);
      case optionTypes.structuredReply:
        return this.#useStructuredReplies(data);
      case optionTypes.info:
      case optionTypes.go:
        return this.#tellInfo(type, data);
      case optionTypes.startTls:
        return refusal(type, optionReplyTypes.unsupported, 'no TLS on a local socket');
      default:
        return refusal(type, optionReplyTypes.unsupported, 'unknown option');
    }
  }

  /** EXPORT_NAME cannot be refused, and is not answered like other options: size u64, flags u16, zeroes. */
  #enterExport(name: Buffer, clientFlags: number): Answer {
    if (!isOurExport(name)) return { reply: nothing, then: 'disconnect' };
    const wantsZeroes = (clientFlags & handshakeFlags.noZeroes) === 0;
    const zeroes = Buffer.alloc(wantsZeroes ? zeroesAfterExportBytes : 0);
    const reply = Buffer.concat([u64(this.#device.sizeBytes), u16(this.#transmissionFlags()), zeroes]);
    return { reply, then: 'transmit' };
  }

  #useStructuredReplies(data: Buffer): Answer {
    const type = optionTypes.structuredReply;
    if (data.length > 0) return refusal(type, optionReplyTypes.invalid, 'takes no data');
    this.#usesStructuredReplies = true;
    return { reply: optionReply(type, optionReplyTypes.ack), then: 'negotiate' };
  }

  #tellInfo(type: number, data: Buffer): Answer {
    const question = parseInfoQuestion(data);
    if (question === undefined) return refusal(type, optionReplyTypes.invalid, 'malformed data');
    if (!isOurExport(question.name)) {
      return refusal(type, optionReplyTypes.unknownExport, 'the only export has an empty name');
    }
    const infos = this.#infos(question.infoTypes);
    const answers = infos.map((info) => optionReply(type, optionReplyTypes.info, info));
    const reply = Buffer.concat([...answers, optionReply(type, optionReplyTypes.ack)]);
    return { reply, then: type === optionTypes.go ? 'transmit' : 'negotiate' };
  }

  /** Size and block sizes also unasked: a client that does not know them would send what we must refuse. */
  #infos(asked: readonly number[]): Buffer[] {
    const { sizeBytes, logicalBlockBytes } = this.#device;
    const blockSizes = [logicalBlockBytes, Math.max(preferredBlockBytes, logicalBlockBytes), payloadBytesMax];
    const infos: Buffer[] = [
      Buffer.concat([u16(infoTypes.export), u64(sizeBytes), u16(this.#transmissionFlags())]),
      Buffer.concat([u16(infoTypes.blockSize), ...blockSizes.map(u32)]),
    ];
    if (asked.includes(infoTypes.name)) infos.push(u16(infoTypes.name));
    if (asked.includes(infoTypes.description)) {
      infos.push(Buffer.concat([u16(infoTypes.description), Buffer.from('virtual device of Diskferry')]));
    }
    return infos;
  }

  #transmissionFlags(): number {
    return offeredFlags | (this.#usesStructuredReplies ? transmissionFlags.sendDontFragment : 0);
  }
}

function isOurExport(name: Buffer): boolean {
  return name.length === 0;
}

/** One export: length of its name u32 (0), and the name. */
function listExports(data: Buffer): Answer {
  const type = optionTypes.list;
  if (data.length > 0) return refusal(type, optionReplyTypes.invalid, 'takes no data');
  const ours = optionReply(type, optionReplyTypes.server, u32(0));
  return { reply: Buffer.concat([ours, optionReply(type, optionReplyTypes.ack)]), then: 'negotiate' };
}

/** Data of INFO and GO: length of the name u32, name, count u16, `count` types u16. */
function parseInfoQuestion(data: Buffer): { name: Buffer; infoTypes: number[] } | undefined {
  if (data.length < 6) return undefined;
  const nameBytes = data.readUInt32BE(0);
  if (data.length < 6 + nameBytes) return undefined;
  const name = data.subarray(4, 4 + nameBytes);
  const count = data.readUInt16BE(4 + nameBytes);
  const types = data.subarray(6 + nameBytes);
  if (types.length !== count * 2) return undefined;
  return { name, infoTypes: Array.from({ length: count }, (_, index) => types.readUInt16BE(index * 2)) };
}

/** `message` is for the people at the client's side. */
function refusal(option: number, type: number, message: string): Answer {
  return { reply: optionReply(option, type, Buffer.from(message)), then: 'negotiate' };
}

function optionReply(option: number, type: number, data: Buffer = nothing): Buffer {
  return Buffer.concat([optionReplyMagic, u32(option), u32(type), u32(data.length), data]);
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}
