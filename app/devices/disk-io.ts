/**
 * How router and copy loop reach the two disks: every call starts one operation, and its end is told to the
 * client that started it. Real disks answer through the ring (ring-disk-io.ts), the simulation through a
 * seeded scheduler. Calls and completions happen on one thread; a completion never comes from inside the
 * call.
 *
 * Arguments are positional, against our habit, because a request object per operation would be garbage on the
 * hot path. A number beyond 31 bits that is passed by value would be too, so where an operation goes stands
 * in a table of the client's: `offsets[tag]` bytes from the disk's start, read during the call. Buffers are
 * offsets in the engine's pool. An implementation continues short transfers itself: a client sees an
 * operation done whole or failed.
 */

export const source = 0;
export const destination = 1;
/**
 * Where the job's journal is: a file on another disk, or a part of the destination that the virtual device
 * does not reach.
 */
export const journal = 2;
/** Which of the job's two disks. */
export type Disk = typeof source | typeof destination;
/** Everything that a job writes to. */
export type Store = Disk | typeof journal;

/** Bytes from the disk's start, by tag. */
export type Offsets = Float64Array;

export interface DiskIoClient {
  /** `result` is 0, or a negative errno as the kernel gives it. `tag` is what the client passed in. */
  diskOperationDone(tag: number, result: number): void;
}

export interface DiskIo {
  read(
    disk: Disk,
    offsets: Offsets,
    lengthBytes: number,
    buffer: number,
    client: DiskIoClient,
    tag: number,
  ): void;
  /** With `fua` the data is durable when the operation is done. */
  write(
    disk: Disk,
    offsets: Offsets,
    lengthBytes: number,
    buffer: number,
    fua: boolean,
    client: DiskIoClient,
    tag: number,
  ): void;
  /** Everything whose write was done before this call is durable when the flush is done. */
  flush(disk: Disk, client: DiskIoClient, tag: number): void;
  /** Zeroes are read afterwards, whether or not the disk can discard. */
  writeZeroes(
    disk: Disk,
    offsets: Offsets,
    lengthBytes: number,
    fua: boolean,
    client: DiskIoClient,
    tag: number,
  ): void;
  /** A hint. The content is undefined afterwards; a disk that cannot discard does nothing and succeeds. */
  discard(disk: Disk, offsets: Offsets, lengthBytes: number, client: DiskIoClient, tag: number): void;
}

/** How the journal is written, as a disk is; it is read only before the job goes on. */
export interface JournalIo {
  write(
    store: typeof journal,
    offsets: Offsets,
    lengthBytes: number,
    buffer: number,
    fua: boolean,
    client: DiskIoClient,
    tag: number,
  ): void;
  flush(store: typeof journal, client: DiskIoClient, tag: number): void;
}
