/**
 * The guard in transit (DESIGN 5.4): a DiskIo over another one that keeps identities inverted on both disks
 * and shows them as they are to whoever reads. Router, copy loop, undo and mirror run over it and know
 * nothing of it.
 *
 * - A read that touches one of the guard's places (guard-places.ts) is looked at when it has ended: what is
 *   masked on the disk is inverted in the reader's buffer.
 * - A write that carries a signature to one of them goes out through a bounce buffer, in which it is inverted.
 *   The caller's buffer is never changed: the same one may go to the other disk, or be written again.
 * - A write that carries what would pass for masked is refused with EIO: nobody could tell it apart afterwards.
 *   It could only come from copying a masked disk onto the virtual device.
 * - Zeroes, discards and flushes pass: zeroes are no signature, and what is masked stays masked.
 *
 * `setMasking` ends it for one place of one disk, when that is about to become the volume (mask-change.ts).
 * All slots are there from the start; writes wait in turn for one of a few bounce buffers (invariant 10).
 */
import type { BufferPool } from '../base/buffer-pool.ts';
import { errno } from '../base/errno.ts';
import { assert } from '../base/error.ts';
import { mebibyte } from '../base/units.ts';
import type { Disk, DiskIo, DiskIoClient, Offsets } from './disk-io.ts';
import type { GuardPlaces } from './guard-places.ts';
import { invertSector } from './guard-places.ts';

/** The longest write of router and copy loop. */
const bounceBytes = mebibyte;
const bouncesMax = 4;
const noBounce = -1;
/** Pool bytes that a MaskedDiskIo reserves. */
export const maskedIoPoolBytes = bouncesMax * bounceBytes;

const kinds = { read: 1, write: 2, refusal: 3 } as const;
type Kind = (typeof kinds)[keyof typeof kinds];

export interface MaskedDiskIoOptions {
  readonly io: DiskIo;
  readonly pool: BufferPool;
  readonly places: GuardPlaces;
  /** The least that the disks transfer. */
  readonly logicalBlockBytes: number;
  /** Operations of the clients in flight at the most. */
  readonly operationsMax: number;
}

export class MaskedDiskIo implements DiskIo, DiskIoClient {
  readonly #io: DiskIo;
  readonly #pool: BufferPool;
  readonly #places: GuardPlaces;
  readonly #logicalBlockBytes: number;
  readonly #isMasking: readonly [Uint8Array, Uint8Array];
  readonly #isUnreadable: readonly [Uint8Array, Uint8Array];
  readonly #bounces: number;
  readonly #freeBounces = Int32Array.from({ length: bouncesMax }, (_, index) => index);
  #freeBounceCount = bouncesMax;

  readonly #kind: Uint8Array;
  readonly #disk: Uint8Array;
  readonly #fua: Uint8Array;
  readonly #bounce: Int8Array;
  /** What the operation below is told, too. */
  readonly #offset: Float64Array;
  readonly #length: Float64Array;
  readonly #buffer: Float64Array;
  readonly #tag: Float64Array;
  readonly #client: (DiskIoClient | undefined)[];
  readonly #free: Int32Array;
  #freeCount: number;
  /** Slots that wait for a bounce buffer, as a circle. */
  readonly #waiting: Int32Array;
  #waitingHead = 0;
  #waitingCount = 0;

  constructor({ io, pool, places, logicalBlockBytes, operationsMax }: MaskedDiskIoOptions) {
    this.#io = io;
    this.#pool = pool;
    this.#places = places;
    this.#logicalBlockBytes = logicalBlockBytes;
    this.#isMasking = [new Uint8Array(places.count).fill(1), new Uint8Array(places.count).fill(1)];
    this.#isUnreadable = [new Uint8Array(places.count), new Uint8Array(places.count)];
    this.#bounces = pool.reserve(maskedIoPoolBytes);
    this.#kind = new Uint8Array(operationsMax);
    this.#disk = new Uint8Array(operationsMax);
    this.#fua = new Uint8Array(operationsMax);
    this.#bounce = new Int8Array(operationsMax);
    this.#offset = new Float64Array(operationsMax);
    this.#length = new Float64Array(operationsMax);
    this.#buffer = new Float64Array(operationsMax);
    this.#tag = new Float64Array(operationsMax);
    this.#client = new Array<DiskIoClient | undefined>(operationsMax).fill(undefined);
    this.#free = Int32Array.from({ length: operationsMax }, (_, index) => operationsMax - 1 - index);
    this.#freeCount = operationsMax;
    this.#waiting = new Int32Array(operationsMax);
  }

  /**
   * Whether what is written to the place from now on is masked on that disk. Whoever calls it holds the
   * place's range, so that no write to it is under way.
   */
  setMasking(disk: Disk, place: number, isMasking: boolean): void {
    this.#isMasking[disk][place] = isMasking ? 1 : 0;
  }

  isMasking(disk: Disk, place: number): boolean {
    return this.#isMasking[disk][place] === 1;
  }

  /** What whoever looked at the place has found; until something is written there, which may heal it. */
  setUnreadable(disk: Disk, place: number, isUnreadable: boolean): void {
    this.#isUnreadable[disk][place] = isUnreadable ? 1 : 0;
  }

  isUnreadable(disk: Disk, place: number): boolean {
    return this.#isUnreadable[disk][place] === 1;
  }

  read(
    disk: Disk,
    offsets: Offsets,
    lengthBytes: number,
    buffer: number,
    client: DiskIoClient,
    tag: number,
  ): void {
    if (this.#places.areOutside(offsets, tag, lengthBytes)) {
      this.#io.read(disk, offsets, lengthBytes, buffer, client, tag);
      return;
    }
    const offset = offsets[tag] as number;
    const slot = this.#claim(kinds.read, disk, offset, lengthBytes, buffer, false, client, tag);
    this.#io.read(disk, this.#offset, lengthBytes, buffer, this, slot);
  }

  write(
    disk: Disk,
    offsets: Offsets,
    lengthBytes: number,
    buffer: number,
    fua: boolean,
    client: DiskIoClient,
    tag: number,
  ): void {
    const kind = this.#places.areOutside(offsets, tag, lengthBytes)
      ? undefined
      : this.#kindOfWrite(disk, offsets[tag] as number, lengthBytes, buffer);
    if (kind === undefined) {
      this.#io.write(disk, offsets, lengthBytes, buffer, fua, client, tag);
      return;
    }
    const offset = offsets[tag] as number;
    const slot = this.#claim(kind, disk, offset, lengthBytes, buffer, fua, client, tag);
    if (this.#freeBounceCount > 0) this.#startWrite(slot);
    else this.#wait(slot);
  }

  flush(disk: Disk, client: DiskIoClient, tag: number): void {
    this.#io.flush(disk, client, tag);
  }

  writeZeroes(
    disk: Disk,
    offsets: Offsets,
    lengthBytes: number,
    fua: boolean,
    client: DiskIoClient,
    tag: number,
  ): void {
    this.#io.writeZeroes(disk, offsets, lengthBytes, fua, client, tag);
  }

  discard(disk: Disk, offsets: Offsets, lengthBytes: number, client: DiskIoClient, tag: number): void {
    this.#io.discard(disk, offsets, lengthBytes, client, tag);
  }

  diskOperationDone(slot: number, result: number): void {
    const kind = this.#kind[slot] as Kind;
    if (kind === kinds.read && result === 0) {
      this.#invertWhere('masked', slot, this.#buffer[slot] as number);
    }
    const client = this.#client[slot];
    assert(client !== undefined, 'an operation on a guarded place ends once');
    const tag = this.#tag[slot] as number;
    this.#release(slot);
    client.diskOperationDone(tag, kind === kinds.refusal ? errno.ioError : result);
    this.#startWaiting();
  }

  /** Undefined: it carries nothing that must be masked, and passes. */
  #kindOfWrite(disk: Disk, offset: number, lengthBytes: number, buffer: number): Kind | undefined {
    let kind: Kind | undefined;
    const places = this.#places;
    for (let place = places.firstFrom(offset); place < places.count; place += 1) {
      const within = places.offsetOf(place) - offset;
      if (within >= lengthBytes) break;
      this.#isUnreadable[disk][place] = 0;
      if (this.#isMasking[disk][place] === 0) continue;
      const state = places.stateOf(place, this.#pool.bytes, buffer + within);
      if (state === 'masked') return kinds.refusal;
      if (state === 'plain') kind = kinds.write;
    }
    return kind;
  }

  #startWrite(slot: number): void {
    const disk = this.#disk[slot] as Disk;
    const length = this.#length[slot] as number;
    this.#freeBounceCount -= 1;
    const bounce = this.#freeBounces[this.#freeBounceCount] as number;
    this.#bounce[slot] = bounce;
    const into = this.#bounces + bounce * bounceBytes;
    if (this.#kind[slot] === kinds.refusal) {
      // Answers never come from inside a call: something that changes nothing ends in its place.
      this.#io.read(disk, this.#offset, this.#logicalBlockBytes, into, this, slot);
      return;
    }
    assert(length <= bounceBytes, 'a bounce buffer holds every write');
    const from = this.#buffer[slot] as number;
    this.#pool.bytes.copyWithin(into, from, from + length);
    this.#invertWhere('plain', slot, into);
    this.#io.write(disk, this.#offset, length, into, this.#fua[slot] === 1, this, slot);
  }

  /** In the buffer, which holds what the slot's operation transfers. Reads decide on what they find alone. */
  #invertWhere(state: 'plain' | 'masked', slot: number, buffer: number): void {
    const places = this.#places;
    const isMasking = this.#isMasking[this.#disk[slot] as Disk];
    const offset = this.#offset[slot] as number;
    const length = this.#length[slot] as number;
    for (let place = places.firstFrom(offset); place < places.count; place += 1) {
      const within = places.offsetOf(place) - offset;
      if (within >= length) return;
      if (state === 'plain' && isMasking[place] === 0) continue;
      if (places.stateOf(place, this.#pool.bytes, buffer + within) !== state) continue;
      invertSector(this.#pool.bytes, buffer + within);
    }
  }

  #claim(
    kind: Kind,
    disk: Disk,
    offset: number,
    lengthBytes: number,
    buffer: number,
    fua: boolean,
    client: DiskIoClient,
    tag: number,
  ): number {
    assert(this.#freeCount > 0, 'router and copy loop bound their operations in flight');
    this.#freeCount -= 1;
    const slot = this.#free[this.#freeCount] as number;
    this.#kind[slot] = kind;
    this.#disk[slot] = disk;
    this.#offset[slot] = offset;
    this.#length[slot] = lengthBytes;
    this.#buffer[slot] = buffer;
    this.#fua[slot] = fua ? 1 : 0;
    this.#bounce[slot] = noBounce;
    this.#client[slot] = client;
    this.#tag[slot] = tag;
    return slot;
  }

  #release(slot: number): void {
    const bounce = this.#bounce[slot] as number;
    if (bounce !== noBounce) {
      this.#freeBounces[this.#freeBounceCount] = bounce;
      this.#freeBounceCount += 1;
    }
    this.#client[slot] = undefined;
    this.#free[this.#freeCount] = slot;
    this.#freeCount += 1;
  }

  #wait(slot: number): void {
    this.#waiting[(this.#waitingHead + this.#waitingCount) % this.#waiting.length] = slot;
    this.#waitingCount += 1;
  }

  #startWaiting(): void {
    while (this.#waitingCount > 0 && this.#freeBounceCount > 0) {
      const slot = this.#waiting[this.#waitingHead] as number;
      this.#waitingHead = (this.#waitingHead + 1) % this.#waiting.length;
      this.#waitingCount -= 1;
      this.#startWrite(slot);
    }
  }
}
