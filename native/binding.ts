/**
 * The only file that loads the addon. Types of what it exports; the addon has mechanism and no policy. Every
 * function that fails throws an `AddonError` whose `code` is the errno's name and `syscall` what failed.
 */
import { createRequire } from 'node:module';
import { builtFile } from '../app/base/built-file.ts';

/** `code` such as 'EBUSY', positive `errno`, `syscall` such as 'ioctl(LOOP_CONFIGURE)'. */
export interface AddonError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
}

export interface RingMemory {
  /** Submission entries to fill, `entries` × `submissionWords` (ring.ts documents the words). */
  readonly submissions: Uint32Array;
  /** Completions: `completionWords` each: tag, result, flags, unused. Four times as many as entries. */
  readonly completions: Int32Array;
  /** Pairs of pool offset and length for vectored operations. */
  readonly vectors: Uint32Array;
  /** All buffers of all operations lie in it; the addon checks the bounds of each. */
  readonly pool: Uint8Array;
  /** One element: CLOCK_MONOTONIC in microseconds, written before each submitAndWait returns. */
  readonly clockUs: Float64Array;
}

export interface NativeRing {
  /** Hands `count` prepared entries to the kernel and waits for none. Takes no completions. */
  submit(count: number): void;
  /**
   * Hands `count` prepared entries over, waits until `minComplete` completions are there or `timeoutUs` has
   * passed (-1: without limit), and copies the completions out. Returns how many.
   */
  submitAndWait(count: number, minComplete: number, timeoutUs: number): number;
  /**
   * A plain read(2) of a non-blocking descriptor into the pool. Returns the number of bytes or a negative
   * errno.
   */
  readNow(fd: number, lengthBytes: number, buffer: number): number;
  /** Makes it the ring's one fixed file: it stays open, without an fd, until the ring's last request has ended. */
  registerFile(fd: number): void;
  /** sched_yield(2): a thread that waits for this processor runs first. */
  yieldProcessor(): void;
  /** Another descriptor of the ring: the kernel keeps what is in flight until that is closed, too. */
  duplicate(): number;
  /** Closes the ring; the kernel cancels or finishes what is in flight. Idempotent. */
  close(): void;
}

/** A mapped file; see engine/live-map.ts. */
export interface NativeLiveMap {
  /** Copies the words of `count` pairs of `ranges` (first, end) to where they lie in the map at `atBytes`. */
  copy(words: Int32Array, atBytes: number, ranges: Int32Array, count: number): void;
  /** Fills `words` from `atBytes` on. */
  load(words: Int32Array, atBytes: number): void;
  close(): void;
}

export interface BlockGeometry {
  readonly sizeBytes: number;
  readonly logicalBlockBytes: number;
  readonly physicalBlockBytes: number;
  readonly readOnly: boolean;
}

export interface LoopOptions {
  /** An open fd of the backing file; the loop device keeps its own reference. */
  readonly backingFd: number;
  /** Shown by losetup; at most 63 bytes are kept. */
  readonly backingName: string;
  readonly logicalBlockBytes: number;
  readonly readOnly: boolean;
  readonly directIo: boolean;
}

export interface LoopDevice {
  readonly path: string;
  /**
   * Keeps the device for as long as it is open; may not be closed on the thread that serves the backing file.
   */
  readonly fd: number;
}

/** Messages of device-mapper.ts for one device. */
export interface DeviceMapperSwap {
  readonly suspend: Uint8Array;
  readonly resume: Uint8Array;
  /** Takes back the loaded table when the swap fails. */
  readonly clear: Uint8Array;
  /** fsynced between suspend and resume; null: nothing is. */
  readonly flushFd: number | null;
}

/** The consumer's I/O stood still for all of it. */
export interface SwapTimes {
  readonly suspendMs: number;
  readonly flushMs: number;
  readonly resumeMs: number;
}

/** A command for /dev/ublk-control (ublk.ts makes them). */
export interface UblkCall {
  /** For errors. */
  readonly name: string;
  readonly operation: number;
  readonly deviceId: number;
  readonly value: number;
  /** -1: without limit. A limited command has no buffer. */
  readonly timeoutMs: number;
  /** The kernel reads and writes a copy of it, to which the call resolves. */
  readonly buffer: Uint8Array;
}

export interface NativeUblkQueue {
  /** Copies the descriptions of all requests into the array that was given to the constructor. */
  refresh(): void;
  /** Idempotent. The device cannot be deleted before. */
  close(): void;
}

export interface Addon {
  /** Maps the file, which must be that long and have no holes; locked in memory where that is allowed. */
  readonly LiveMap: new (fd: number, lengthBytes: number) => NativeLiveMap;
  readonly UblkQueue: new (characterFd: number, depth: number, descriptors: Uint32Array) => NativeUblkQueue;
  readonly Ring: new (entries: number, memory: RingMemory) => NativeRing;
  /** Address of the view's first byte modulo 4096. */
  misalignmentBytes(view: Uint8Array): number;
  /** BLKGETSIZE64, BLKSSZGET, BLKPBSZGET, BLKROGET. */
  blockGeometry(fd: number): BlockGeometry;
  /** BLKDISCARD, BLKZEROOUT of a byte range; BLKFLSBUF; BLKRRPART. Promises: they may take long. */
  blockDiscard(fd: number, offsetBytes: number, lengthBytes: number): Promise<void>;
  blockZeroOut(fd: number, offsetBytes: number, lengthBytes: number): Promise<void>;
  blockFlushBuffers(fd: number): Promise<void>;
  blockRereadPartitions(fd: number): Promise<void>;
  /**
   * Adds to `sums`, pair number `index` of 32-bit halves, the hash of each block of 4096 bytes in the pool from
   * `buffer` on; the last may be short, in whole sectors. A hash depends on the block's number.
   */
  readonly addBlockHashes: (
    pool: Uint8Array,
    buffer: number,
    lengthBytes: number,
    firstBlock: number,
    sums: Int32Array,
    index: number,
  ) => void;
  /** FITRIM on the file system that `fd` lies on; resolves to how many bytes it says it has discarded. */
  trimFileSystem(fd: number): Promise<number>;
  /**
   * Sets up a free loop device (LOOP_CTL_GET_FREE, LOOP_CONFIGURE; races with others are retried). It is
   * detached by the kernel when the last who has it open closes it (LO_FLAGS_AUTOCLEAR), the caller included.
   */
  loopAttach(options: LoopOptions): Promise<LoopDevice>;
  /**
   * One ioctl on /dev/mapper/control; resolves to the kernel's answer, as long as the message. The key of
   * that serial number (0: none) is found by a table that names it.
   */
  deviceMapperCall(command: number, message: Uint8Array, keySerial: number): Promise<Uint8Array>;
  /**
   * Suspends the device, flushes, and resumes it with the table that was loaded before, with no JavaScript in
   * between. When anything fails the device goes on with its old table; the message says so if it could not.
   */
  deviceMapperSwap(swap: DeviceMapperSwap): Promise<SwapTimes>;
  /**
   * Gives a key of the type "logon" to the kernel, which keeps it until it is removed or this process ends.
   * Returns its serial number. Add and remove on one thread.
   */
  keyAdd(description: string, payload: Uint8Array): number;
  keyRemove(serial: number): void;
  /**
   * The payload of somebody's key of the type "user", which the caller wipes. ENOKEY: no keyring of this process or of
   * its session has it.
   */
  keyRead(description: string): Uint8Array;
  /** mknod(2) of a block device, mode 0600. */
  makeBlockNode(path: string, major: number, minor: number): void;
  /** The same of a character device. */
  makeCharacterNode(path: string, major: number, minor: number): void;
  /** Rejects with ETIMEDOUT when its time was over. */
  ublkControl(call: UblkCall): Promise<Uint8Array>;
  /** A semaphore that udev's rules for device-mapper take one from; its number is to be sent along. */
  udevCookieMake(): number;
  /** Whether udev has dealt with the event that carried the cookie. */
  udevCookieWait(cookie: number, timeoutMs: number): Promise<boolean>;
  udevCookieRemove(cookie: number): void;
  /** Mounts an open, non-blocking /dev/fuse over a regular file. */
  fuseMount(options: {
    readonly path: string;
    readonly name: string;
    readonly maxReadBytes: number;
    readonly deviceFd: number;
  }): void;
  /** umount2 with MNT_DETACH. */
  unmountDetach(path: string): void;
  /** umount2 with MNT_FORCE: a FUSE connection is aborted; what is in use stays mounted. */
  unmountForce(path: string): void;
  /** A non-blocking eventfd. */
  eventFd(): number;
  /** Sends one message over generic netlink; resolves to the kernel's answers. `name` is for errors. */
  netlinkCall(name: string, message: Uint8Array): Promise<Uint8Array>;
  /** Two Unix stream sockets that are connected to each other. */
  socketPair(): [number, number];
  /** Both directions, for whoever holds either end; the descriptor stays open. */
  shutDownSocket(fd: number): void;
  /** A listening Unix stream socket for `Ring.accept`, mode 0600, bound to a path that must not exist yet. */
  listenUnix(path: string, backlog: number): number;
  /** fallocate(2) from the start of the file: room for all of it, zeroes until written. False where the file system cannot. */
  allocate(fd: number, lengthBytes: number): boolean;
  /** Of the process at the other end of a Unix socket, when it connected. */
  peerCredentials(fd: number): readonly [processId: number, userId: number, groupId: number];
  /** flock(LOCK_EX | LOCK_NB); throws EWOULDBLOCK when somebody else holds it. */
  lockExclusive(fd: number): void;
  /** Of O_DIRECT offsets, by statx(STATX_DIOALIGN); 0 when the file cannot or the kernel cannot tell. */
  directIoAlignmentBytes(fd: number): number;
}

let loaded: Addon | undefined;

export function addon(): Addon {
  loaded ??= createRequire(import.meta.url)(builtFile('native/diskferry.node')) as Addon;
  return loaded;
}

export function isAddonError(error: unknown): error is AddonError {
  return error instanceof Error && 'code' in error && 'syscall' in error;
}

/** Takes the lock of an open file at once (flock(2), exclusive). False: somebody else has it. */
export function tryLock(fd: number): boolean {
  try {
    addon().lockExclusive(fd);
    return true;
  } catch (error) {
    if (isAddonError(error) && ['EAGAIN', 'EWOULDBLOCK'].includes(error.code)) return false;
    throw error;
  }
}
