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
 * 0 opcode · 1 fd · 2 flags of the operation (poll: events; fallocate: mode; driver's command: its number) ·
 * 3, 4 file offset low, high ·
 * 5 buffer offset, or index of the first vector pair (cancel: the target's tag) ·
 * 6 length in bytes, or number of vectors · 7 tag ·
 * 8, 9 range length low, high (fallocate) · 10, 11 a driver's command · 12 to 15 unused
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
  uringCmd: 46,
} as const;

/** POLLIN of poll.h, for `poll`. */
export const pollIn = 1;

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
  #beforeHandOver: (() => void) | undefined;
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

  /** Called before each hand-over to the kernel, also those in the middle of a turn. */
  set beforeHandOver(act: () => void) {
    this.#beforeHandOver = act;
  }

  /** It stays open, without an fd, until the last request of this ring has ended, whatever ends the process. */
  registerFile(fd: number): void {
    this.#native.registerFile(fd);
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

  /** Reads into two buffers from a file without a position. */
  readStreamInTwo(
    fd: number,
    firstBuffer: number,
    firstBytes: number,
    secondBuffer: number,
    secondBytes: number,
    tag: number,
  ): void {
    const vectorAt = this.beginVectors(2);
    this.addVector(firstBuffer, firstBytes);
    this.addVector(secondBuffer, secondBytes);
    this.#vectored(opcode.readv, fd, vectorAt, 2, tag);
  }

  writeStream(fd: number, lengthBytes: number, buffer: number, tag: number): void {
    this.#setNoOffset(this.#transfer(opcode.write, fd, 0, lengthBytes, buffer, tag));
  }

  /**
   * Writes `vectorCount` buffers to a file without a position; `vectorAt` was returned by `beginVectors` and
   * the vectors were added by `addVector` since. May be done in part, as writev(2).
   */
  writeVectors(fd: number, vectorAt: number, vectorCount: number, tag: number): void {
    this.#vectored(opcode.writev, fd, vectorAt, vectorCount, tag);
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
  poll(fd: number, events: number, tag: number): void {
    const at = this.#next(opcode.pollAdd, fd, tag);
    this.#submissions[at + 2] = events;
  }

  /**
   * A command for the driver behind `fd`: `command` is its number; its 16 bytes are the two words and the
   * buffer's address. What they mean, and what the result is, is the driver's affair.
   */
  uringCmd(
    fd: number,
    command: number,
    firstWord: number,
    secondWord: number,
    lengthBytes: number,
    buffer: number,
    tag: number,
  ): void {
    const at = this.#transfer(opcode.uringCmd, fd, command, lengthBytes, buffer, tag);
    this.#submissions[at + 10] = firstWord;
    this.#submissions[at + 11] = secondWord;
  }

  /** Cancels the operation that carries `target` as its tag. */
  cancel(target: number, tag: number): void {
    const at = this.#next(opcode.asyncCancel, -1, tag);
    this.#submissions[at + 5] = target;
  }

  /**
   * Reads what is there at once, past the ring, which would keep a read of an empty non-blocking descriptor
   * and try it again and again. Returns the number of bytes or a negative errno.
   */
  readNow(fd: number, lengthBytes: number, buffer: number): number {
    return this.#native.readNow(fd, lengthBytes, buffer);
  }

  /** One loop turn: submits what is prepared and waits. Returns the number of completions. */
  submitAndWait(minComplete: number, timeoutUs: number): number {
    return this.#native.submitAndWait(this.#takePrepared(), minComplete, timeoutUs);
  }

  /**
   * A turn that does not sleep: submits what is prepared and takes what is there. When that is nothing,
   * whoever waits for this processor gets it first. It may be the very thread that brings the completion:
   * without this, one request in a hundred waited until the loop went to sleep.
   */
  submitAndLook(): number {
    const count = this.#native.submitAndWait(this.#takePrepared(), 0, 0);
    if (count === 0) this.#native.yieldProcessor();
    return count;
  }

  completionTag(index: number): number {
    return this.#completions[index * completionWords] as number;
  }

  completionResult(index: number): number {
    return this.#completions[index * completionWords + 1] as number;
  }

  /**
   * Another descriptor of the ring, which keeps it, and what is in flight in it, beyond `close` and the end of
   * this thread.
   */
  duplicate(): number {
    return this.#native.duplicate();
  }

  close(): void {
    this.#native.close();
  }

  #next(code: number, fd: number, tag: number): number {
    if (this.#prepared === ringEntries) this.#submitPrepared();
    const at = this.#prepared * submissionWords;
    this.#prepared += 1;
    this.#submissions.fill(0, at, at + submissionWords);
    this.#submissions[at] = code;
    this.#submissions[at + 1] = fd;
    this.#submissions[at + 7] = tag;
    return at;
  }

  #submitPrepared(): void {
    this.#native.submit(this.#takePrepared());
  }

  /** Forgets what is prepared before it is handed over, so that an error can never hand it over again. */
  #takePrepared(): number {
    this.#beforeHandOver?.();
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

  #transfer(code: number, fd: number, flags: number, length: number, buffer: number, tag: number): number {
    const at = this.#next(code, fd, tag);
    this.#submissions[at + 2] = flags;
    this.#submissions[at + 5] = buffer;
    this.#submissions[at + 6] = length;
    return at;
  }

  #vectored(code: number, fd: number, vectorAt: number, vectorCount: number, tag: number): void {
    const at = this.#next(code, fd, tag);
    this.#setNoOffset(at);
    this.#submissions[at + 5] = vectorAt;
    this.#submissions[at + 6] = vectorCount;
  }
}
