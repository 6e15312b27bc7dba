/**
 * Generic netlink messages as bytes (linux/netlink.h, linux/genetlink.h): a header that names the family, the
 * command, then attributes, which may hold others. Pure functions; nbd.ts sends what they make.
 *
 * Always holds: every length is stated as it is, and what an answer states is checked before it is followed.
 * Byte order is the machine's, which is little-endian wherever the addon builds.
 */
import { assert } from '../app/base/error.ts';

export type AttributeValue =
  | { readonly u32: number }
  | { readonly u64: number }
  | { readonly text: string }
  | { readonly nested: readonly Attribute[] };

export interface Attribute {
  readonly type: number;
  readonly value: AttributeValue;
}

export interface NetlinkRequest {
  readonly family: number;
  readonly command: number;
  readonly version: number;
  readonly attributes: readonly Attribute[];
}

/** Of struct nlmsghdr and struct genlmsghdr together. */
const headerBytes = 20;
const attributeHeaderBytes = 4;
const alignmentBytes = 4;

/** NLM_F_REQUEST | NLM_F_ACK */
const requestFlags = 0x1 | 0x4;
/** NLA_F_NESTED */
const nestedFlag = 0x8000;
/** Without NLA_F_NESTED and NLA_F_NET_BYTEORDER. */
const typeMask = 0x3fff;

function aligned(bytes: number): number {
  return Math.ceil(bytes / alignmentBytes) * alignmentBytes;
}

function bytesOf(value: AttributeValue): Buffer {
  if ('nested' in value) return Buffer.concat(value.nested.map(encodeAttribute));
  if ('text' in value) return Buffer.from(`${value.text}\0`);
  const number = Buffer.alloc('u64' in value ? 8 : 4);
  if ('u64' in value) number.writeBigUInt64LE(BigInt(value.u64));
  else number.writeUInt32LE(value.u32);
  return number;
}

function encodeAttribute({ type, value }: Attribute): Buffer {
  const content = bytesOf(value);
  const encoded = Buffer.alloc(aligned(attributeHeaderBytes + content.length));
  encoded.writeUInt16LE(attributeHeaderBytes + content.length, 0);
  encoded.writeUInt16LE('nested' in value ? type | nestedFlag : type, 2);
  content.copy(encoded, attributeHeaderBytes);
  return encoded;
}

export function encodeRequest({ family, command, version, attributes }: NetlinkRequest): Uint8Array {
  const header = Buffer.alloc(headerBytes);
  const body = Buffer.concat(attributes.map(encodeAttribute));
  header.writeUInt32LE(headerBytes + body.length, 0);
  header.writeUInt16LE(family, 4);
  header.writeUInt16LE(requestFlags, 6);
  header.writeUInt8(command, 16);
  header.writeUInt8(version, 17);
  return Buffer.concat([header, body]);
}

/** An attribute of an answer, not looked into yet. */
export interface Answered {
  readonly type: number;
  readonly content: Buffer;
}

function pieces(bytes: Buffer, lengthAt: (offset: number) => number): { offset: number; length: number }[] {
  const found: { offset: number; length: number }[] = [];
  for (let offset = 0; offset < bytes.length; offset += aligned(lengthAt(offset))) {
    const length = lengthAt(offset);
    assert(length >= attributeHeaderBytes && offset + length <= bytes.length, 'a netlink answer is cut off');
    found.push({ offset, length });
  }
  return found;
}

/** Of an attribute that holds others, or of the part of a message behind its headers. */
export function decodeAttributes(bytes: Buffer): Answered[] {
  return pieces(bytes, (offset) => bytes.readUInt16LE(offset)).map(({ offset, length }) => ({
    type: bytes.readUInt16LE(offset + 2) & typeMask,
    content: bytes.subarray(offset + attributeHeaderBytes, offset + length),
  }));
}

/** The attributes of all messages of an answer. */
export function decodeAnswer(answer: Uint8Array): Answered[] {
  const bytes = Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength);
  return pieces(bytes, (offset) => bytes.readUInt32LE(offset)).flatMap(({ offset, length }) =>
    decodeAttributes(bytes.subarray(offset + headerBytes, offset + length)),
  );
}

/** The first attribute of that type; a broken assumption about the kernel when there is none. */
export function attributeOf(attributes: readonly Answered[], type: number): Buffer {
  const found = attributes.find((attribute) => attribute.type === type);
  assert(found !== undefined, `the netlink answer has no attribute ${type}`);
  return found.content;
}
