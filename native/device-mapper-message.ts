/**
 * The messages of device-mapper's ioctls as bytes (linux/dm-ioctl.h): a header that names the device, then
 * what the command needs or answers. Pure functions; device-mapper.ts sends them.
 *
 * Always holds: the header states the message's true length, which is all that keeps the kernel's answer
 * within it. Sectors are 512 bytes; byte order is the machine's, which is little-endian wherever the addon
 * builds.
 */
import { assert, assertSafeInteger } from '../app/base/error.ts';

/** One line of a table: which target serves these sectors, with its parameters as the kernel writes them. */
export interface DmTarget {
  readonly startSector: number;
  readonly sectorCount: number;
  readonly type: string;
  readonly parameters: string;
}

/** What the kernel answers about a device to nearly every command. */
export interface DmDevice {
  readonly name: string;
  /** Empty when it has none. */
  readonly uuid: string;
  /** As stat(2) gives it. */
  readonly deviceNumber: bigint;
  readonly openCount: number;
  /** Counts changes of the table and what targets report. */
  readonly eventNumber: number;
  readonly targetCount: number;
  readonly isSuspended: boolean;
  readonly isReadOnly: boolean;
  readonly hasActiveTable: boolean;
  /** Loaded and waiting for a resume. */
  readonly hasInactiveTable: boolean;
  readonly isRemovedAtLastClose: boolean;
}

export interface DmListEntry {
  readonly name: string;
  readonly deviceNumber: bigint;
}

/** Of struct dm_ioctl. */
const field = {
  version: 0,
  messageBytes: 12,
  dataStart: 16,
  targetCount: 20,
  openCount: 24,
  flags: 28,
  eventNumber: 32,
  deviceNumber: 40,
  name: 48,
  uuid: 176,
} as const;
export const headerBytes = 312;
const nameBytesMax = 128;
const uuidBytesMax = 129;

/** Of struct dm_target_spec; the parameters follow it. */
const targetHeaderBytes = 40;
const typeBytesMax = 16;
/** The interface that these messages follow; kernels refuse another first number or a greater second one. */
const interfaceVersion = [4, 0, 0] as const;
const alignmentBytes = 8;

export const dmFlag = {
  readOnly: 1 << 0,
  suspend: 1 << 1,
  statusTable: 1 << 4,
  activePresent: 1 << 5,
  inactivePresent: 1 << 6,
  bufferFull: 1 << 8,
  skipLockfs: 1 << 10,
  noFlush: 1 << 11,
  queryInactive: 1 << 12,
  ueventGenerated: 1 << 13,
  /** The kernel wipes its own copies of the message: it may have keys. */
  secureData: 1 << 15,
  deferredRemove: 1 << 17,
} as const;

export interface MessageOptions {
  /** Empty for commands about no device. */
  readonly name?: string;
  readonly uuid?: string;
  readonly flags?: number;
  /** Only at resume and remove: what udev's rules are told (udev.ts of app/devices). */
  readonly cookie?: number;
  /** Room behind the header for the kernel's answer. */
  readonly answerBytes?: number;
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / alignmentBytes) * alignmentBytes;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Writes text with its terminating zero. */
function putText(message: Uint8Array, options: { offset: number; bytesMax: number; text: string }): void {
  const bytes = new TextEncoder().encode(options.text);
  assert(!bytes.includes(0), `text for device-mapper contains a zero: ${JSON.stringify(options.text)}`);
  assert(bytes.length < options.bytesMax, `too long for device-mapper: ${options.text}`);
  message.set(bytes, options.offset);
}

/** Up to the first zero. */
function textAt(bytes: Uint8Array, offset: number): string {
  const end = bytes.indexOf(0, offset);
  assert(end >= 0, `device-mapper answered text without an end at ${offset}`);
  return new TextDecoder().decode(bytes.subarray(offset, end));
}

function safeNumber(value: bigint, name: string): number {
  const number = Number(value);
  assertSafeInteger(number, name);
  return number;
}

export function encodeMessage(options: MessageOptions): Uint8Array {
  const message = new Uint8Array(headerBytes + aligned(options.answerBytes ?? 0));
  const view = viewOf(message);
  interfaceVersion.forEach((number, index) => view.setUint32(field.version + 4 * index, number, true));
  view.setUint32(field.messageBytes, message.length, true);
  view.setUint32(field.dataStart, headerBytes, true);
  view.setUint32(field.flags, options.flags ?? 0, true);
  view.setUint32(field.eventNumber, options.cookie ?? 0, true);
  putText(message, { offset: field.name, bytesMax: nameBytesMax, text: options.name ?? '' });
  putText(message, { offset: field.uuid, bytesMax: uuidBytesMax, text: options.uuid ?? '' });
  return message;
}

function targetBytes(target: DmTarget): number {
  return aligned(targetHeaderBytes + Buffer.byteLength(target.parameters) + 1);
}

/** For DM_TABLE_LOAD: each target says how far the next one is from itself. */
export function encodeTable(options: MessageOptions, targets: readonly DmTarget[]): Uint8Array {
  const answerBytes = targets.reduce((sum, target) => sum + targetBytes(target), 0);
  const message = encodeMessage({ ...options, answerBytes });
  const view = viewOf(message);
  view.setUint32(field.targetCount, targets.length, true);
  let offset = headerBytes;
  for (const target of targets) {
    assertSafeInteger(target.startSector, 'startSector');
    assertSafeInteger(target.sectorCount, 'sectorCount');
    view.setBigUint64(offset, BigInt(target.startSector), true);
    view.setBigUint64(offset + 8, BigInt(target.sectorCount), true);
    view.setUint32(offset + 20, targetBytes(target), true);
    putText(message, { offset: offset + 24, bytesMax: typeBytesMax, text: target.type });
    const parametersBytes = targetBytes(target) - targetHeaderBytes;
    putText(message, {
      offset: offset + targetHeaderBytes,
      bytesMax: parametersBytes,
      text: target.parameters,
    });
    offset += targetBytes(target);
  }
  return message;
}

export function flagsOf(answer: Uint8Array): number {
  return viewOf(answer).getUint32(field.flags, true);
}

export function decodeVersion(answer: Uint8Array): string {
  const view = viewOf(answer);
  return [0, 4, 8].map((offset) => view.getUint32(field.version + offset, true)).join('.');
}

export function decodeDevice(answer: Uint8Array): DmDevice {
  const view = viewOf(answer);
  const flags = flagsOf(answer);
  const has = (flag: number): boolean => (flags & flag) !== 0;
  return {
    name: textAt(answer, field.name),
    uuid: textAt(answer, field.uuid),
    deviceNumber: view.getBigUint64(field.deviceNumber, true),
    openCount: view.getInt32(field.openCount, true),
    eventNumber: view.getUint32(field.eventNumber, true),
    targetCount: view.getUint32(field.targetCount, true),
    isSuspended: has(dmFlag.suspend),
    isReadOnly: has(dmFlag.readOnly),
    hasActiveTable: has(dmFlag.activePresent),
    hasInactiveTable: has(dmFlag.inactivePresent),
    isRemovedAtLastClose: has(dmFlag.deferredRemove),
  };
}

/** Where the kernel put its answer: it need not be where we said that our data begins. */
function dataStart(answer: Uint8Array): number {
  return viewOf(answer).getUint32(field.dataStart, true);
}

/** Of DM_TABLE_STATUS: here each target says how far the next one is from the *first*. */
export function decodeTable(answer: Uint8Array): DmTarget[] {
  const view = viewOf(answer);
  const first = dataStart(answer);
  const targets: DmTarget[] = [];
  let offset = first;
  for (let count = view.getUint32(field.targetCount, true); count > 0; count -= 1) {
    targets.push({
      startSector: safeNumber(view.getBigUint64(offset, true), 'startSector'),
      sectorCount: safeNumber(view.getBigUint64(offset + 8, true), 'sectorCount'),
      type: textAt(answer, offset + 24),
      parameters: textAt(answer, offset + targetHeaderBytes),
    });
    offset = first + view.getUint32(offset + 20, true);
  }
  return targets;
}

/** Of DM_TABLE_DEPS: the devices that a table's targets have open. */
export function decodeDependencies(answer: Uint8Array): bigint[] {
  const view = viewOf(answer);
  const start = dataStart(answer);
  const count = view.getUint32(start, true);
  return Array.from({ length: count }, (_, index) => view.getBigUint64(start + 8 + 8 * index, true));
}

/** Of DM_LIST_DEVICES: each entry says how far the next one is from itself, the last one 0. */
export function decodeList(answer: Uint8Array): DmListEntry[] {
  const view = viewOf(answer);
  const entries: DmListEntry[] = [];
  let offset = dataStart(answer);
  // No device at all is one entry without a number, or no room used.
  while (offset + 12 <= answer.length) {
    const deviceNumber = view.getBigUint64(offset, true);
    if (deviceNumber === 0n) break;
    entries.push({ name: textAt(answer, offset + 12), deviceNumber });
    const next = view.getUint32(offset + 8, true);
    if (next === 0) break;
    offset += next;
  }
  return entries;
}
