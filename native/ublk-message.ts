/**
 * The messages of ublk's control commands: numbers and layouts of linux/ublk_cmd.h, little-endian on every
 * machine that the addon runs on. Pure; ublk.ts sends them.
 */
import { assert, assertSafeInteger } from '../app/base/error.ts';
import { sectorBytes } from '../app/base/units.ts';

/** What the kernel knows of a device (struct ublksrv_ctrl_dev_info). */
export interface UblkDeviceInfo {
  /** N of /dev/ublkbN and /dev/ublkcN. */
  readonly id: number;
  readonly queueCount: number;
  readonly queueDepth: number;
  readonly requestBytesMax: number;
  /** `quiesced`: its server has died, and requests wait for another one. */
  readonly state: 'dead' | 'live' | 'quiesced' | 'failing';
  /** Of the server that started it; 0 before. */
  readonly processId: number;
  /** UBLK_F_ bits that the kernel has accepted. */
  readonly flags: bigint;
  /** A word for the server's own use, which the kernel keeps. */
  readonly mark: bigint;
}

export const ublkFlag = { userRecovery: 1n << 3n, userRecoveryReissue: 1n << 4n } as const;

/** The struct is older than its last fields; it has had this size from the beginning. */
const infoBytes = 64;
const infoAt = {
  queueCount: 0,
  queueDepth: 2,
  state: 4,
  requestBytesMax: 8,
  id: 12,
  processId: 16,
  flags: 24,
  mark: 32,
} as const;
const states = ['dead', 'live', 'quiesced', 'failing'] as const;
/** As an id: the kernel chooses one. */
const anyId = 0xffffffff;

export type AddOptions = Pick<UblkDeviceInfo, 'queueDepth' | 'requestBytesMax' | 'flags' | 'mark'>;

/** A device with one queue. */
export function encodeAdd({ queueDepth, requestBytesMax, flags, mark }: AddOptions): Uint8Array {
  const message = new Uint8Array(infoBytes);
  const view = new DataView(message.buffer);
  view.setUint16(infoAt.queueCount, 1, true);
  view.setUint16(infoAt.queueDepth, queueDepth, true);
  view.setUint32(infoAt.requestBytesMax, requestBytesMax, true);
  view.setUint32(infoAt.id, anyId, true);
  view.setBigUint64(infoAt.flags, flags, true);
  view.setBigUint64(infoAt.mark, mark, true);
  return message;
}

/** To be filled by the kernel. */
export function emptyInfo(): Uint8Array {
  return new Uint8Array(infoBytes);
}

export function decodeInfo(message: Uint8Array): UblkDeviceInfo {
  assert(message.length === infoBytes, `the description of a ublk device has ${infoBytes} bytes`);
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const state = states[view.getUint16(infoAt.state, true)];
  assert(state !== undefined, 'a ublk device is in a state that is known');
  return {
    id: view.getUint32(infoAt.id, true),
    queueCount: view.getUint16(infoAt.queueCount, true),
    queueDepth: view.getUint16(infoAt.queueDepth, true),
    requestBytesMax: view.getUint32(infoAt.requestBytesMax, true),
    state,
    processId: Math.max(0, view.getInt32(infoAt.processId, true)),
    flags: view.getBigUint64(infoAt.flags, true),
    mark: view.getBigUint64(infoAt.mark, true),
  };
}

/** What consumers are told about the disk. */
export interface UblkParameters {
  readonly sizeBytes: number;
  readonly logicalBlockBytes: number;
  readonly physicalBlockBytes: number;
  /** The longest read or write. */
  readonly requestBytesMax: number;
  readonly discardGranularityBytes: number;
  readonly discardBytesMax: number;
  readonly writeZeroesBytesMax: number;
}

/** struct ublk_params as of kernel 6.0, with the parts `basic` and `discard`. */
const parametersBytes = 64;
const parameterTypes = { basic: 1 << 0, discard: 1 << 1 } as const;
/** The disk has a cache that a flush writes back, and knows writes that go past it. */
const attributes = { volatileCache: 1 << 2, fua: 1 << 3 } as const;

export function encodeParameters(parameters: UblkParameters): Uint8Array {
  const message = new Uint8Array(parametersBytes);
  const view = new DataView(message.buffer);
  view.setUint32(0, parametersBytes, true);
  view.setUint32(4, parameterTypes.basic | parameterTypes.discard, true);
  encodeBasic(view, parameters);
  encodeDiscard(view, parameters);
  return message;
}

/**
 * The least and the best size of a request are both the physical block: two different ones would look like a
 * stripe to mkfs.xfs, and the best size cannot be left unsaid.
 */
function encodeBasic(view: DataView, parameters: UblkParameters): void {
  const physicalShift = shiftOf(parameters.physicalBlockBytes);
  view.setUint32(8, attributes.volatileCache | attributes.fua, true);
  view.setUint8(12, shiftOf(parameters.logicalBlockBytes));
  view.setUint8(13, physicalShift);
  view.setUint8(14, physicalShift);
  view.setUint8(15, physicalShift);
  view.setUint32(16, parameters.requestBytesMax / sectorBytes, true);
  assertSafeInteger(parameters.sizeBytes / sectorBytes, 'the size of a disk in sectors');
  view.setBigUint64(24, BigInt(parameters.sizeBytes / sectorBytes), true);
}

function encodeDiscard(view: DataView, parameters: UblkParameters): void {
  const segmentsPerDiscard = 1;
  view.setUint32(44, parameters.discardGranularityBytes, true);
  view.setUint32(48, parameters.discardBytesMax / sectorBytes, true);
  view.setUint32(52, parameters.writeZeroesBytesMax / sectorBytes, true);
  view.setUint16(56, segmentsPerDiscard, true);
}

/** The kernel takes sizes of blocks as powers of two. */
function shiftOf(bytes: number): number {
  const shift = Math.log2(bytes);
  assert(Number.isInteger(shift), `${bytes} bytes is no size for a block`);
  return shift;
}
