/**
 * DiskIo over io_uring: the two real disks of a job and its journal. Owns the operations in flight and what the kernel may do
 * to them: short transfers are continued, interrupted ones repeated, zeroes written by hand where a disk
 * cannot zero by itself. Used on the worker thread only; slots are preallocated.
 */
import type { BufferPool } from '../base/buffer-pool.ts';
import { errno } from '../base/errno.ts';
import { assert } from '../base/error.ts';
import { mebibyte } from '../base/units.ts';
import type { Ring } from '../../native/ring.ts';
import { tagOf } from '../../native/ring.ts';
import type { Disk, DiskIo, DiskIoClient, JournalIo, Offsets, Store } from './disk-io.ts';

/** linux/falloc.h. On a block device both take the fast way of the disk or fail; neither changes its size. */
const punchHole = 0x02 | 0x01; // FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
const zeroRange = 0x10 | 0x01; // FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE

const kinds = {
  read: 1,
  write: 2,
  flush: 3,
  punchZeroes: 4,
  zeroRange: 5,
  writtenZeroes: 6,
  discard: 7,
} as const;
type Kind = (typeof kinds)[keyof typeof kinds];

/** Operations in flight of router and copy loop together; a named maximum (invariant 10). */
export const diskOperationsMax = 4096;
/** How often an operation that the kernel put off is started again. */
const retriesMax = 100;
const zeroBufferBytes = mebibyte;
/** Pool bytes that a RingDiskIo reserves. */
export const diskIoPoolBytes = zeroBufferBytes;

export interface RingDiskIoOptions {
  readonly ring: Ring;
  readonly ringOwner: number;
  readonly pool: BufferPool;
  readonly sourceFd: number;
  readonly destinationFd: number;
  /** Undefined for an engine without a journal. */
  readonly journalFd?: number | undefined;
}

/** The kernel answers EBADF to it. */
const noFd = -1;

export class RingDiskIo implements DiskIo, JournalIo {
  readonly #ring: Ring;
  readonly #ringOwner: number;
  /** By store. */
  readonly #fds: [number, number, number];
  readonly #zeroBuffer: number;
  /** How zeroes are written to each disk; downgraded for good when the disk says that it cannot. */
  readonly #zeroKind: [Kind, Kind] = [kinds.punchZeroes, kinds.punchZeroes];

  readonly #kind = new Uint8Array(diskOperationsMax);
  readonly #retries = new Uint8Array(diskOperationsMax);
  readonly #disk = new Uint8Array(diskOperationsMax);
  readonly #fua = new Uint8Array(diskOperationsMax);
  readonly #offset = new Float64Array(diskOperationsMax);
  readonly #remaining = new Float64Array(diskOperationsMax);
  readonly #buffer = new Float64Array(diskOperationsMax);
  readonly #tag = new Float64Array(diskOperationsMax);
  readonly #client = new Array<DiskIoClient | undefined>(diskOperationsMax).fill(undefined);
  readonly #free = Int32Array.from(
    { length: diskOperationsMax },
    (_, index) => diskOperationsMax - 1 - index,
  );
  #freeCount = diskOperationsMax;

  constructor(options: RingDiskIoOptions) {
    this.#ring = options.ring;
    this.#ringOwner = options.ringOwner;
    this.#fds = [options.sourceFd, options.destinationFd, options.journalFd ?? noFd];
    this.#zeroBuffer = options.pool.reserve(zeroBufferBytes);
  }

  get inFlight(): number {
    return diskOperationsMax - this.#freeCount;
  }

  /**
   * Reaches a disk through another fd from now on: undo opens the source for writing. What is under way began
   * through the first one, which stays open.
   */
  useFd(disk: Disk, fd: number): void {
    this.#fds[disk] = fd;
  }

  read(
    disk: Disk,
    offsets: Offsets,
    lengthBytes: number,
    buffer: number,
    client: DiskIoClient,
    tag: number,
  ): void {
    this.#startAt(offsets, this.#claim(kinds.read, disk, lengthBytes, buffer, false, client, tag));
  }

  write(
    disk: Store,
    offsets: Offsets,
    lengthBytes: number,
    buffer: number,
    fua: boolean,
    client: DiskIoClient,
    tag: number,
  ): void {
    this.#startAt(offsets, this.#claim(kinds.write, disk, lengthBytes, buffer, fua, client, tag));
  }

  flush(disk: Store, client: DiskIoClient, tag: number): void {
    this.#start(this.#claim(kinds.flush, disk, 0, 0, false, client, tag));
  }

  writeZeroes(
    disk: Disk,
    offsets: Offsets,
    lengthBytes: number,
    fua: boolean,
    client: DiskIoClient,
    tag: number,
  ): void {
    this.#startAt(
      offsets,
      this.#claim(this.#zeroKind[disk], disk, lengthBytes, this.#zeroBuffer, fua, client, tag),
    );
  }

  discard(disk: Disk, offsets: Offsets, lengthBytes: number, client: DiskIoClient, tag: number): void {
    this.#startAt(offsets, this.#claim(kinds.discard, disk, lengthBytes, 0, false, client, tag));
  }

  /** A completion of the ring with our owner number. */
  ringDone(operation: number, result: number): void {
    const isPassing = result === errno.again || result === errno.interrupted;
    if (isPassing && (this.#retries[operation] as number) < retriesMax) {
      this.#retries[operation] = (this.#retries[operation] as number) + 1;
      this.#start(operation);
      return;
    }
    switch (this.#kind[operation]) {
      case kinds.read:
      case kinds.write:
        this.#transferred(operation, result, true);
        break;
      case kinds.writtenZeroes:
        this.#transferred(operation, result, false);
        break;
      case kinds.punchZeroes:
      case kinds.zeroRange:
        this.#zeroed(operation, result);
        break;
      case kinds.discard:
        this.#end(operation, isUnsupported(result) ? 0 : result);
        break;
      default:
        this.#end(operation, result);
    }
  }

  #startAt(offsets: Offsets, operation: number): void {
    const offset = offsets[this.#tag[operation] as number];
    assert(offset !== undefined && offset >= 0, 'an operation has a place on the disk');
    this.#offset[operation] = offset;
    this.#start(operation);
  }

  #start(operation: number): void {
    const fd = this.#fds[this.#disk[operation] as Store];
    const remaining = this.#remaining[operation] as number;
    const buffer = this.#buffer[operation] as number;
    const fua = this.#fua[operation] === 1;
    const tag = tagOf(this.#ringOwner, operation);
    switch (this.#kind[operation]) {
      case kinds.read:
        this.#ring.read(fd, this.#offset, operation, remaining, buffer, tag);
        break;
      case kinds.write:
        this.#ring.write(fd, this.#offset, operation, remaining, buffer, fua, tag);
        break;
      case kinds.writtenZeroes:
        this.#ring.write(fd, this.#offset, operation, Math.min(remaining, zeroBufferBytes), buffer, fua, tag);
        break;
      case kinds.zeroRange:
        this.#ring.fallocate(fd, zeroRange, this.#offset, operation, remaining, tag);
        break;
      case kinds.punchZeroes:
      case kinds.discard:
        this.#ring.fallocate(fd, punchHole, this.#offset, operation, remaining, tag);
        break;
      default:
        this.#ring.flush(fd, tag);
    }
  }

  /** Some bytes have moved, or none: at the end of a disk that is shorter than it said, an error. */
  #transferred(operation: number, result: number, advancesBuffer: boolean): void {
    if (result <= 0) {
      this.#end(operation, result === 0 ? errno.ioError : result);
      return;
    }
    const remaining = (this.#remaining[operation] as number) - result;
    assert(remaining >= 0, 'the kernel moves no more than was asked for');
    if (remaining === 0) {
      this.#end(operation, 0);
      return;
    }
    this.#remaining[operation] = remaining;
    this.#offset[operation] = (this.#offset[operation] as number) + result;
    if (advancesBuffer) this.#buffer[operation] = (this.#buffer[operation] as number) + result;
    this.#start(operation);
  }

  /** Falls back from punching to zeroing a range to writing zeroes; makes them durable when asked to. */
  #zeroed(operation: number, result: number): void {
    if (isUnsupported(result)) {
      const next = this.#kind[operation] === kinds.punchZeroes ? kinds.zeroRange : kinds.writtenZeroes;
      this.#zeroKind[this.#disk[operation] as Disk] = next;
      this.#kind[operation] = next;
      this.#start(operation);
    } else if (result === 0 && this.#fua[operation] === 1) {
      this.#kind[operation] = kinds.flush;
      this.#start(operation);
    } else {
      this.#end(operation, result);
    }
  }

  #claim(
    kind: Kind,
    disk: Store,
    lengthBytes: number,
    buffer: number,
    fua: boolean,
    client: DiskIoClient,
    tag: number,
  ): number {
    assert(this.#freeCount > 0, 'router and copy loop bound their operations in flight');
    this.#freeCount -= 1;
    const operation = this.#free[this.#freeCount] as number;
    this.#kind[operation] = kind;
    this.#retries[operation] = 0;
    this.#disk[operation] = disk;
    this.#remaining[operation] = lengthBytes;
    this.#buffer[operation] = buffer;
    this.#fua[operation] = fua ? 1 : 0;
    this.#client[operation] = client;
    this.#tag[operation] = tag;
    return operation;
  }

  #end(operation: number, result: number): void {
    const client = this.#client[operation];
    assert(client !== undefined, 'a disk operation ends once');
    this.#client[operation] = undefined;
    this.#free[this.#freeCount] = operation;
    this.#freeCount += 1;
    client.diskOperationDone(this.#tag[operation] as number, result);
  }
}

function isUnsupported(result: number): boolean {
  return result === errno.notSupported || result === errno.noMethod || result === errno.invalid;
}
