/**
 * io_uring as typed arrays: operations are written into a submission array and one native call per loop turn
 * hands them over and brings the completions. Owns the encoding of an entry; knows nothing of what operations
 * mean.
 *
 * Always holds: a buffer is an offset in the pool, checked natively before the kernel sees it; no more
 * than `ringEntries` entries wait for submission (a full array is submitted in the middle of a turn).
 *
 * Every operation carries a 32-bit tag: an owner in the upper 8 bits, the owner's own index in the lower 24.
 */
import type { BufferPool } from '../app/base/buffer-pool.ts';
import { assert } from '../app/base/error.ts';
import type { NativeRing } from './binding.ts';
import { addon } from './binding.ts';

/**
 * Words of a submission entry (each 32 bits; native/submission.cc decodes them):
 * 0 opcode | entry flags << 8 · 1 fd · 2 flags of the operation (poll: events; fallocate: mode) ·
 * 3, 4 file offset low, high ·
 * 5 buffer offset, or index of the first vector pair (cancel: the target's tag) ·
 * 6 length in bytes, or number of vectors (cancel: 1 if the target has skipSuccess) · 7 tag ·
 * 8, 9 range length low, high (fallocate) · 10 to 15 unused
 */
export const submissionWords = 16;
export const completionWords = 4;
export const ringEntries = 2048;
/** The most vectors that may be prepared between two submissions. */
const vectorPairsMax = 4096;

/** Numbers of linux/io_uring.h. */
const opcode = {
  readv: 1,
  writev: 2,
  fsync: 3,
  pollAdd: 6,
  accept: 13,
  asyncCancel: 14,
  fallocate: 17,
  read: 22,
  write: 23,
  recv: 27,
} as const;

/** IOSQE_IO_HARDLINK: the next entry starts when this one is done, whatever its result. */
export const hardLink = 1 << 3;
/** IOSQE_CQE_SKIP_SUCCESS: no completion when the operation succeeds. */
export const skipSuccess = 1 << 6;

const datasync = 1; // IORING_FSYNC_DATASYNC
const rwfDsync = 2; // RWF_DSYNC of linux/fs.h
const closeOnExec = 0o2000000; // SOCK_CLOEXEC
/** For files without a position, such as /dev/fuse and sockets: offset -1 in both words. */
const noOffset = 0xffffffff;
const twoTo32 = 4294967296;

export function tagOf(owner: number, index: number): number {
  return (owner << 24) | index;
}

export class Ring {
  readonly clockUs = new Float64Array(1);
  readonly #submissions = new Uint32Array(ringEntries * submissionWords);
  readonly #completions = new Int32Array(ringEntries * 4 * completionWords);
  readonly #vectors = new Uint32Array(vectorPairsMax * 2);
  readonly #native: NativeRing;
  #prepared = 0;
  #vectorPairs = 0;

  constructor(pool: BufferPool) {
    this.#native = new (addon().Ring)(ringEntries, {
      submissions: this.#submissions,
      completions: this.#completions,
      vectors: this.#vectors,
      pool: pool.bytes,
      clockUs: this.clockUs,
    });
  }

  /** From `offsets[index]`, in bytes: a large number that is passed by value would be allocated. */
  read(
    fd: number,
    offsets: Float64Array,
    index: number,
    lengthBytes: number,
    buffer: number,
    tag: number,
  ): void {
    this.#setOffset(this.#transfer(opcode.read, fd, 0, lengthBytes, buffer, tag), offsets, index);
  }

  /** With `fua`, RWF_DSYNC: done when durable. */
  write(
    fd: number,
    offsets: Float64Array,
    index: number,
    lengthBytes: number,
    buffer: number,
    fua: boolean,
    tag: number,
  ): void {
    const flags = fua ? rwfDsync : 0;
    this.#setOffset(this.#transfer(opcode.write, fd, flags, lengthBytes, buffer, tag), offsets, index);
  }

  /** For files without a position (eventfd, /dev/fuse). */
  readStream(fd: number, lengthBytes: number, buffer: number, tag: number): void {
    this.#setNoOffset(this.#transfer(opcode.read, fd, 0, lengthBytes, buffer, tag));
  }

  /** Reads into two buffers from a file without a position. `entryFlags` links it to its neighbours. */
  readStreamInTwo(
    fd: number,
    firstBuffer: number,
    firstBytes: number,
    secondBuffer: number,
    secondBytes: number,
    tag: number,
    entryFlags = 0,
  ): void {
    this.#twoVectors(opcode.readv, fd, firstBuffer, firstBytes, secondBuffer, secondBytes, tag, entryFlags);
  }

  /** Writes two buffers to a file without a position as one message. */
  writeStreamInTwo(
    fd: number,
    firstBuffer: number,
    firstBytes: number,
    secondBuffer: number,
    secondBytes: number,
    tag: number,
  ): void {
    this.#twoVectors(opcode.writev, fd, firstBuffer, firstBytes, secondBuffer, secondBytes, tag, 0);
  }

  writeStream(fd: number, lengthBytes: number, buffer: number, tag: number): void {
    this.#setNoOffset(this.#transfer(opcode.write, fd, 0, lengthBytes, buffer, tag));
  }

  /**
   * Writes `vectorCount` buffers to a file without a position; `vectorAt` was returned by `beginVectors` and
   * the vectors were added by `addVector` since. May be done in part, as writev(2).
   */
  writeVectors(fd: number, vectorAt: number, vectorCount: number, tag: number): void {
    const at = this.#next(opcode.writev, fd, tag);
    this.#setNoOffset(at);
    this.#submissions[at + 5] = vectorAt;
    this.#submissions[at + 6] = vectorCount;
  }

  /**
   * Submits what is prepared unless `entries` more (with two vectors each) fit in: linked entries must go
   * together.
   */
  makeRoom(entries: number): void {
    const fits = this.#prepared + entries <= ringEntries && this.#vectorPairs + entries * 2 <= vectorPairsMax;
    if (!fits) this.#submitPrepared();
  }

  /** Makes room for `count` vectors that stay together and returns where they start. */
  beginVectors(count: number): number {
    assert(count <= vectorPairsMax, 'too many vectors for one operation');
    if (this.#vectorPairs + count > vectorPairsMax || this.#prepared === ringEntries) this.#submitPrepared();
    return this.#vectorPairs;
  }

  addVector(buffer: number, lengthBytes: number): void {
    assert(this.#vectorPairs < vectorPairsMax, 'more vectors than beginVectors was asked for');
    const at = this.#vectorPairs * 2;
    this.#vectors[at] = buffer;
    this.#vectors[at + 1] = lengthBytes;
    this.#vectorPairs += 1;
  }

  recv(fd: number, lengthBytes: number, buffer: number, flags: number, tag: number): void {
    this.#transfer(opcode.recv, fd, flags, lengthBytes, buffer, tag);
  }

  /** The result is the new connection's fd, closed on exec. */
  accept(fd: number, tag: number): void {
    const at = this.#next(opcode.accept, fd, tag);
    this.#submissions[at + 2] = closeOnExec;
  }

  /** fdatasync(2). */
  flush(fd: number, tag: number): void {
    const at = this.#next(opcode.fsync, fd, tag);
    this.#submissions[at + 2] = datasync;
  }

  /** fallocate(2); `mode` are FALLOC_FL_ bits. */
  fallocate(
    fd: number,
    mode: number,
    offsets: Float64Array,
    index: number,
    lengthBytes: number,
    tag: number,
  ): void {
    const at = this.#next(opcode.fallocate, fd, tag);
    this.#submissions[at + 2] = mode;
    this.#setOffset(at, offsets, index);
    this.#submissions[at + 8] = lengthBytes % twoTo32;
    this.#submissions[at + 9] = Math.floor(lengthBytes / twoTo32);
  }

  /** Completes once when one of `events` (POLL bits) is there. */
  poll(fd: number, events: number, tag: number, entryFlags = 0): void {
    const at = this.#next(opcode.pollAdd | (entryFlags << 8), fd, tag);
    this.#submissions[at + 2] = events;
  }

  /** Cancels the operation that carries `target` as its tag; one with `skipSuccess` is found only as such. */
  cancel(target: number, tag: number, targetSkipsSuccess = false): void {
    const at = this.#next(opcode.asyncCancel, -1, tag);
    this.#submissions[at + 5] = target;
    this.#submissions[at + 6] = targetSkipsSuccess ? 1 : 0;
  }

  /** One loop turn: submits what is prepared and waits. Returns the number of completions. */
  submitAndWait(minComplete: number, timeoutUs: number): number {
    return this.#native.submitAndWait(this.#takePrepared(), minComplete, timeoutUs);
  }

  completionTag(index: number): number {
    return this.#completions[index * completionWords] as number;
  }

  completionResult(index: number): number {
    return this.#completions[index * completionWords + 1] as number;
  }

  close(): void {
    this.#native.close();
  }

  #next(opcodeAndFlags: number, fd: number, tag: number): number {
    if (this.#prepared === ringEntries) this.#submitPrepared();
    const at = this.#prepared * submissionWords;
    this.#prepared += 1;
    this.#submissions.fill(0, at, at + submissionWords);
    this.#submissions[at] = opcodeAndFlags;
    this.#submissions[at + 1] = fd;
    this.#submissions[at + 7] = tag;
    return at;
  }

  #submitPrepared(): void {
    this.#native.submit(this.#takePrepared());
  }

  /** Forgets what is prepared before it is handed over, so that an error can never hand it over again. */
  #takePrepared(): number {
    const count = this.#prepared;
    this.#prepared = 0;
    this.#vectorPairs = 0;
    return count;
  }

  #setOffset(at: number, offsets: Float64Array, index: number): void {
    const offsetBytes = offsets[index] as number;
    this.#submissions[at + 3] = offsetBytes % twoTo32;
    this.#submissions[at + 4] = Math.floor(offsetBytes / twoTo32);
  }

  #setNoOffset(at: number): void {
    this.#submissions[at + 3] = noOffset;
    this.#submissions[at + 4] = noOffset;
  }

  #transfer(
    code: number,
    fd: number,
    flags: number,
    length: number,
    buffer: number,
    tag: number,
  ): number {
    const at = this.#next(code, fd, tag);
    this.#submissions[at + 2] = flags;
    this.#submissions[at + 5] = buffer;
    this.#submissions[at + 6] = length;
    return at;
  }

  #twoVectors(
    code: number,
    fd: number,
    firstBuffer: number,
    firstBytes: number,
    secondBuffer: number,
    secondBytes: number,
    tag: number,
    entryFlags: number,
  ): void {
    const vectorAt = this.beginVectors(2);
    this.addVector(firstBuffer, firstBytes);
    this.addVector(secondBuffer, secondBytes);
    const at = this.#next(code | (entryFlags << 8), fd, tag);
    this.#setNoOffset(at);
    this.#submissions[at + 5] = vectorAt;
    this.#submissions[at + 6] = 2;
  }
}
