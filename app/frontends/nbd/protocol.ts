/**
 * The part of the NBD protocol that Diskferry serves: numbers of the protocol document (doc/proto.md of the
 * NetworkBlockDevice project); layouts stand where they are parsed or written. All integers on the wire are
 * big-endian and unsigned. A *cookie* is the 64-bit value by which a client knows its request again; older
 * texts call it handle.
 */

/** Flags of the server's greeting; the client answers with the same bits. */
export const handshakeFlags = { fixedNewstyle: 1 << 0, noZeroes: 1 << 1 } as const;

/** NBD_OPT_: what a client may ask for before it uses the export. */
export const optionTypes = {
  exportName: 1,
  abort: 2,
  list: 3,
  startTls: 5,
  info: 6,
  go: 7,
  structuredReply: 8,
} as const;

/** NBD_REP_: kinds of answer to an option; errors have bit 31 set. */
export const optionReplyTypes = {
  ack: 1,
  server: 2,
  info: 3,
  unsupported: 0x80000001,
  invalid: 0x80000003,
  unknownExport: 0x80000006,
} as const;

/** NBD_INFO_: what INFO and GO tell about the export. */
export const infoTypes = { export: 0, name: 1, description: 2, blockSize: 3 } as const;

/** NBD_FLAG_: what the export can do. */
export const transmissionFlags = {
  hasFlags: 1 << 0,
  sendFlush: 1 << 2,
  sendFua: 1 << 3,
  sendTrim: 1 << 5,
  sendWriteZeroes: 1 << 6,
  sendDontFragment: 1 << 7,
  canMultiConn: 1 << 8,
} as const;

/**
 * What every client is offered. CAN_MULTI_CONN is true because all connections end in one router without a
 * cache in front of it: a flush covers every write that was answered on any of them, and a read sees it.
 */
export const offeredFlags =
  transmissionFlags.hasFlags |
  transmissionFlags.sendFlush |
  transmissionFlags.sendFua |
  transmissionFlags.sendTrim |
  transmissionFlags.sendWriteZeroes |
  transmissionFlags.canMultiConn;

/** NBD_CMD_: types of a request. */
export const commandTypes = { read: 0, write: 1, disconnect: 2, flush: 3, trim: 4, writeZeroes: 6 } as const;
export const commandFlags = { fua: 1 << 0, noHole: 1 << 1, dontFragment: 1 << 2 } as const;

/** NBD_REPLY_TYPE_: kinds of chunk of a structured reply; errors have bit 15 set. */
export const chunkTypes = { offsetData: 1, error: 0x8001, errorOffset: 0x8002 } as const;
/** NBD_REPLY_FLAG_DONE: the reply's last chunk. */
export const chunkIsLast = 1 << 0;

export const requestMagic = 0x25609513;
export const simpleReplyMagic = 0x67446698;
export const chunkMagic = 0x668e33ef;

/** Errors as they go over the wire: the protocol's own numbers, not those of any system. */
export const nbdErrors = {
  none: 0,
  notPermitted: 1,
  io: 5,
  noMemory: 12,
  invalid: 22,
  noSpace: 28,
  overflow: 75,
  notSupported: 95,
  shutdown: 108,
} as const;

/** The longest read or write that clients may take for granted with any server. */
export const payloadBytesMax = 32 * 1024 * 1024;

/** Whether data goes one way or the other with a command. The others may be as long as the device. */
export function carriesData(type: number): boolean {
  return type === commandTypes.read || type === commandTypes.write;
}

/** A negative errno of Linux as an error of the protocol. */
export function nbdErrorOf(result: number): number {
  switch (-result) {
    case 1: // EPERM
    case 30: // EROFS
      return nbdErrors.notPermitted;
    case 12: // ENOMEM
      return nbdErrors.noMemory;
    case 22: // EINVAL
      return nbdErrors.invalid;
    case 27: // EFBIG
    case 28: // ENOSPC
    case 122: // EDQUOT
      return nbdErrors.noSpace;
    case 75: // EOVERFLOW
      return nbdErrors.overflow;
    case 95: // EOPNOTSUPP
      return nbdErrors.notSupported;
    case 108: // ESHUTDOWN
      return nbdErrors.shutdown;
    default:
      return nbdErrors.io;
  }
}
