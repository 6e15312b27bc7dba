/**
 * One file over plain /dev/fuse, with a loop device on top: a block device on any kernel, and one that a
 * successor can take over after a crash (which FUSE over io_uring cannot be).
 *
 * A request is read as one piece so that a write's data lands page-aligned in the slot's data buffer, right
 * behind the 80 bytes of its headers; an answer goes out as one piece from the 16 bytes in front of the data.
 *
 *   header page                      data page …
 *   ............[40 header][40 args]|[data of a write]        request
 *   ...........................[16 ]|[data of a read]         answer
 *
 * Requests do not come through the ring: it would keep each read that finds none, wake all of them for every
 * request and try them in vain (half the IOPS at depth 1). One poll waits in the ring; when it tells of
 * requests, plain reads of the non-blocking fd take them until there are none.
 */
import { errno } from '../../base/errno.ts';
import { BugError } from '../../base/error.ts';
import type { Ring } from '../../../native/ring.ts';
import { pollIn, tagOf } from '../../../native/ring.ts';
import { requestDataBytesMax, requestKinds } from '../../router/request.ts';
import type { RequestHandler, RequestKind, RequestTable } from '../../router/request.ts';
import type { DeviceGeometry, Frontend, FrontendSetting } from '../frontend.ts';
import {
  fallocateMode,
  initFlags,
  opcode,
  openFlags,
  replyHeaderBytes,
  requestWord,
  transferHeaderBytes,
} from './protocol.ts';

/** Requests that the kernel may have in flight: below 128 deep queues lose 40 %. */
const backgroundRequestsMax = 128;
const attributesValidSeconds = 1_000_000;
const regularFile0600 = 0o100600;

/** Of the poll in the ring; an answer's index is its slot. */
const pollIndex = 1 << 20;

const twoTo32 = 4294967296;

export class FuseFrontend implements Frontend {
  /** The kernel counts who has the loop device open. */
  readonly clientCount = 0;
  readonly #ring: Ring;
  readonly #ringOwner: number;
  readonly #fd: number;
  readonly #bytes: Uint8Array;
  readonly #words: Uint32Array;
  readonly #signedWords: Int32Array;
  readonly #requests: RequestTable;
  readonly #handler: RequestHandler;
  readonly #geometry: DeviceGeometry;
  #isPolling = false;
  #isUnmounted = false;
  #isStopping = false;

  constructor(setting: FrontendSetting, fuseFd: number) {
    this.#ring = setting.ring;
    this.#ringOwner = setting.ringOwner;
    this.#fd = fuseFd;
    this.#bytes = setting.pool.bytes;
    this.#words = setting.pool.words;
    this.#signedWords = setting.pool.signedWords;
    this.#requests = setting.requests;
    this.#handler = setting.handler;
    this.#geometry = setting.geometry;
  }

  /** Who has the file itself open, such as a backup of everything, is no consumer, and is not waited for. */
  get isClosed(): boolean {
    return this.#isUnmounted || (this.#isStopping && this.#requests.freeCount === this.#requests.capacity);
  }

  /** The loop device is gone by now, and with it all that had to be served. What comes now gets errors. */
  stopAccepting(): void {
    this.#isStopping = true;
  }

  prepareTurn(): void {
    if (this.#isUnmounted || this.#isPolling || this.#requests.freeCount === 0) return;
    this.#isPolling = true;
    this.#ring.poll(this.#fd, pollIn, tagOf(this.#ringOwner, pollIndex));
  }

  ringDone(index: number, result: number): void {
    if (index !== pollIndex) {
      this.#replyDone(index, result);
      return;
    }
    assertDone(result >= 0, 'poll', result);
    this.#isPolling = false;
    this.#takeRequests();
  }

  requestDone(slot: number, result: number): void {
    if (result < 0) this.#reply(slot, result, 0);
    else if (this.#requests.kind[slot] === requestKinds.read) this.#reply(slot, 0, this.#length(slot));
    else if (this.#word(slot, requestWord.opcode) === opcode.write) this.#replyWritten(slot);
    else this.#reply(slot, 0, 0);
  }

  /** Until there are none, or no slot is left for them: then the next poll finds them. */
  #takeRequests(): void {
    while (this.#requests.freeCount > 0) {
      const slot = this.#requests.claim();
      const buffer = this.#requests.dataOffset(slot) - transferHeaderBytes;
      const result = this.#ring.readNow(this.#fd, transferHeaderBytes + requestDataBytesMax, buffer);
      if (result > 0) {
        this.#take(slot);
        continue;
      }
      this.#requests.release(slot);
      if (result === errno.noDevice) this.#isUnmounted = true;
      if (result === errno.again || result === errno.noDevice) return;
      // ENOENT: a request was interrupted before we read it.
      assertDone(result === errno.noEntry || result === errno.interrupted, 'read', result);
    }
  }

  #take(slot: number): void {
    const code = this.#word(slot, requestWord.opcode);
    switch (code) {
      case opcode.read:
        this.#beginTransfer(slot, requestKinds.read);
        break;
      case opcode.write:
        this.#beginTransfer(slot, requestKinds.write);
        break;
      case opcode.fsync:
        this.#requests.offsetBytes[slot] = 0;
        this.#requests.lengthBytes[slot] = 0;
        this.#begin(slot, requestKinds.flush);
        break;
      case opcode.fallocate:
        this.#beginFallocate(slot);
        break;
      case opcode.forget:
      case opcode.batchForget:
      case opcode.interrupt:
        this.#requests.release(slot); // The kernel expects no answer.
        break;
      default:
        this.#answerFileCall(slot, code);
    }
  }

  #beginTransfer(slot: number, kind: RequestKind): void {
    this.#setLong(
      this.#requests.offsetBytes,
      slot,
      requestWord.transferOffsetLow,
      requestWord.transferOffsetHigh,
    );
    this.#requests.lengthBytes[slot] = this.#word(slot, requestWord.transferSize);
    this.#begin(slot, kind);
  }

  /**
   * A discard and a "make zero" of the loop device both arrive as PUNCH_HOLE and cannot be told apart, so
   * each zeroes: mkfs and ext4's lazy initialisation depend on it.
   */
  #beginFallocate(slot: number): void {
    const mode = this.#word(slot, requestWord.rangeMode) & ~fallocateMode.keepSize;
    if (mode !== fallocateMode.punchHole && mode !== fallocateMode.zeroRange) {
      this.#reply(slot, errno.notSupported, 0);
      return;
    }
    this.#setLong(this.#requests.offsetBytes, slot, requestWord.rangeOffsetLow, requestWord.rangeOffsetHigh);
    this.#setLong(this.#requests.lengthBytes, slot, requestWord.rangeLengthLow, requestWord.rangeLengthHigh);
    this.#begin(slot, requestKinds.writeZeroes);
  }

  #begin(slot: number, kind: RequestKind): void {
    if (this.#isStopping) {
      this.#reply(slot, errno.ioError, 0);
      return;
    }
    this.#requests.kind[slot] = kind;
    this.#requests.fua[slot] = 0;
    this.#handler.begin(slot);
  }

  #answerFileCall(slot: number, code: number): void {
    switch (code) {
      case opcode.init:
        this.#reply(slot, 0, this.#fillInit(slot));
        break;
      case opcode.getattr:
      case opcode.setattr:
        this.#reply(slot, 0, this.#fillAttributes(slot));
        break;
      case opcode.open:
        this.#reply(slot, 0, this.#fillOpen(slot));
        break;
      case opcode.statfs:
        this.#reply(slot, 0, this.#fillStatfs(slot));
        break;
      case opcode.release:
      case opcode.flush:
      case opcode.destroy:
        this.#reply(slot, 0, 0);
        break;
      default:
        this.#reply(slot, errno.notImplemented, 0);
    }
  }

  // ---- answers

  #replyWritten(slot: number): void {
    // struct fuse_write_out: size u32, padding u32.
    const at = this.#requests.dataOffset(slot) / 4;
    this.#words[at] = this.#length(slot);
    this.#words[at + 1] = 0;
    this.#reply(slot, 0, 8);
  }

  #reply(slot: number, result: number, dataBytes: number): void {
    const data = this.#requests.dataOffset(slot);
    const request = (data - transferHeaderBytes) / 4;
    const reply = (data - replyHeaderBytes) / 4;
    this.#words[reply] = replyHeaderBytes + dataBytes;
    this.#signedWords[reply + 1] = result;
    this.#words[reply + 2] = this.#words[request + requestWord.uniqueLow] as number;
    this.#words[reply + 3] = this.#words[request + requestWord.uniqueHigh] as number;
    const tag = tagOf(this.#ringOwner, slot);
    this.#ring.writeStream(this.#fd, replyHeaderBytes + dataBytes, data - replyHeaderBytes, tag);
  }

  #replyDone(slot: number, result: number): void {
    this.#requests.release(slot);
    // ENOENT: the asker was interrupted and is gone. ENODEV: unmounted meanwhile.
    const isAnswered = result > 0 || result === errno.noEntry || result === errno.noDevice;
    assertDone(isAnswered, 'write', result);
  }

  /** struct fuse_init_out, 64 bytes. Returns its length, as all that fill an answer do. */
  #fillInit(slot: number): number {
    const { asyncRead, bigWrites, asyncDio, maxPages, initExtended } = initFlags;
    const offered = this.#word(slot, requestWord.initFlags);
    const minor = this.#word(slot, requestWord.initMinor);
    const at = this.#clearData(slot, 64);
    this.#words[at] = 7;
    this.#words[at + 1] = minor;
    this.#words[at + 3] = offered & (asyncRead | bigWrites | asyncDio | maxPages | initExtended);
    this.#words[at + 4] = backgroundRequestsMax | (backgroundRequestsMax << 16); // max_background, congestion
    this.#words[at + 5] = requestDataBytesMax; // max_write
    this.#words[at + 6] = 1; // time_gran, nanoseconds
    this.#words[at + 7] = requestDataBytesMax / 4096; // max_pages
    return 64;
  }

  /** struct fuse_attr_out: attr_valid u64, nsec u32, dummy u32, then struct fuse_attr of 88 bytes. */
  #fillAttributes(slot: number): number {
    const at = this.#clearData(slot, 104);
    const attributes = at + 4;
    const { sizeBytes } = this.#geometry;
    this.#words[at] = attributesValidSeconds;
    this.#words[attributes] = 1; // ino
    this.#words[attributes + 2] = sizeBytes % twoTo32;
    this.#words[attributes + 3] = Math.floor(sizeBytes / twoTo32);
    this.#words[attributes + 4] = (sizeBytes / 512) % twoTo32;
    this.#words[attributes + 5] = Math.floor(sizeBytes / 512 / twoTo32);
    this.#words[attributes + 15] = regularFile0600;
    this.#words[attributes + 16] = 1; // nlink
    this.#words[attributes + 20] = 4096; // blksize
    return 104;
  }

  /** struct fuse_open_out: fh u64, open_flags u32, backing_id s32. */
  #fillOpen(slot: number): number {
    const at = this.#clearData(slot, 16);
    const { directIo, keepCache, noFlush, parallelDirectWrites } = openFlags;
    this.#words[at + 2] = directIo | keepCache | noFlush | parallelDirectWrites;
    return 16;
  }

  /** struct fuse_statfs_out, 80 bytes: a file system of one file. */
  #fillStatfs(slot: number): number {
    const at = this.#clearData(slot, 80);
    this.#words[at + 10] = 4096; // bsize
    this.#words[at + 11] = 255; // namelen
    return 80;
  }

  /** Word index of the zeroed data area. */
  #clearData(slot: number, lengthBytes: number): number {
    const data = this.#requests.dataOffset(slot);
    this.#bytes.fill(0, data, data + lengthBytes);
    return data / 4;
  }

  // ---- fields of a request

  #length(slot: number): number {
    return this.#requests.lengthBytes[slot] as number;
  }

  #word(slot: number, word: number): number {
    return this.#words[(this.#requests.dataOffset(slot) - transferHeaderBytes) / 4 + word] as number;
  }

  /**
   * Into the slot's field of a table and not returned: a large number that is returned would be allocated.
   */
  #setLong(field: Float64Array, slot: number, low: number, high: number): void {
    field[slot] = this.#word(slot, low) + this.#word(slot, high) * twoTo32;
  }
}

/** Words are found only when it has failed: once per request, they would be garbage. */
function assertDone(isDone: boolean, call: string, result: number): void {
  if (!isDone) throw new BugError(`${call} of /dev/fuse failed: errno ${-result}`);
}
