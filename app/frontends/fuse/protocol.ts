/**
 * The part of the FUSE protocol that one file needs: numbers and layouts of linux/fuse.h (protocol 7.31 and
 * later). All structures are in the machine's byte order, little-endian on every machine that Node and
 * io_uring share here.
 */

export const opcode = {
  forget: 2,
  getattr: 3,
  setattr: 4,
  open: 14,
  read: 15,
  write: 16,
  statfs: 17,
  release: 18,
  fsync: 20,
  flush: 25,
  init: 26,
  interrupt: 36,
  destroy: 38,
  batchForget: 42,
  fallocate: 43,
} as const;

/**
 * struct fuse_in_header: len u32, opcode u32, unique u64, nodeid u64, uid u32, gid u32, pid u32, padding u32.
 */
export const requestHeaderBytes = 40;
/** fuse_in_header and struct fuse_read_in or fuse_write_in, both 40 bytes: the data of a write follows. */
export const transferHeaderBytes = 80;
/** struct fuse_out_header: len u32, error s32, unique u64. */
export const replyHeaderBytes = 16;

/** Word offsets (32 bits) from the start of a request. */
export const requestWord = {
  opcode: 1,
  uniqueLow: 2,
  uniqueHigh: 3,
  // fuse_read_in and fuse_write_in: fh u64, offset u64, size u32, …
  transferOffsetLow: 12,
  transferOffsetHigh: 13,
  transferSize: 14,
  // fuse_fallocate_in: fh u64, offset u64, length u64, mode u32, …
  rangeOffsetLow: 12,
  rangeOffsetHigh: 13,
  rangeLengthLow: 14,
  rangeLengthHigh: 15,
  rangeMode: 16,
  // fuse_init_in: major u32, minor u32, max_readahead u32, flags u32, …
  initMinor: 11,
  initFlags: 13,
} as const;

/** FUSE_INIT flags. ASYNC_DIO: without it the loop device's requests come one at a time (−80 % at depth). */
export const initFlags = {
  asyncRead: 1 << 0,
  bigWrites: 1 << 5,
  asyncDio: 1 << 15,
  maxPages: 1 << 22,
  initExtended: 1 << 30,
} as const;

/** FOPEN_ flags of an open reply. */
export const openFlags = {
  directIo: 1 << 0,
  keepCache: 1 << 1,
  noFlush: 1 << 5,
  parallelDirectWrites: 1 << 6,
} as const;

/**
 * FALLOC_FL_ bits that mean "zeroes are read here afterwards"; how discards and zeroes of the loop device
 * arrive.
 */
export const fallocateMode = { keepSize: 0x01, punchHole: 0x02, zeroRange: 0x10 } as const;
