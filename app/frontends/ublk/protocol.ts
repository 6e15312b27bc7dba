/**
 * What the kernel and a ublk server say to each other about requests: numbers and layouts of
 * linux/ublk_cmd.h. A request's description is written by the kernel before the fetch of its tag completes,
 * and stands until the answer is committed.
 */
import { mebibyte } from '../../base/units.ts';
import { requestDataBytesMax } from '../../router/request.ts';

/**
 * Requests that the kernel hands us at once: twice the depth of busy consumers. Each holds a request slot,
 * and with it a buffer, for good, so there can be no more than the engine has slots.
 */
export const queueDepth = 64;
/** The longest read or write, as long as a request's buffer. */
export const requestBytesMax = requestDataBytesMax;
/**
 * The longest discard and zeroing: all that overlaps waits for it, and a disk that cannot zero by itself is
 * written to for as long.
 */
export const rangeBytesMax = 64 * mebibyte;

/** struct ublksrv_io_desc: op_flags u32, nr_sectors u32, start_sector u64, addr u64. */
export const descriptorWords = 6;
export const descriptorWord = {
  operation: 0,
  sectorCount: 1,
  startSectorLow: 2,
  startSectorHigh: 3,
} as const;

/** The lower 8 bits of the first word. */
export const operationMask = 0xff;
export const operation = { read: 0, write: 1, flush: 2, discard: 3, writeZeroes: 5 } as const;
/** UBLK_IO_F_FUA, where it stands in the first word. */
export const fuaFlag = 1 << 13;

/**
 * Results of a fetch: a request has come (UBLK_IO_RES_OK), or none will come any more (UBLK_IO_RES_ABORT).
 */
export const fetchResult = { request: 0, aborted: -19 } as const;
