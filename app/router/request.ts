/**
 * Consumer requests in flight, as a fixed table of slots: the frontend claims a slot, fills it and hands it
 * to the router; the router answers through `RequestSink`, and the frontend releases the slot when its reply
 * is out. Every slot owns its buffers in the pool: a header page for the frontend, the data, and two scratch
 * blocks in which the router merges partial blocks. Nothing is allocated per request.
 */
import type { BufferPool } from '../base/buffer-pool.ts';
import { pageBytes } from '../base/buffer-pool.ts';
import { assert } from '../base/error.ts';
import { blockBytes, mebibyte } from '../base/units.ts';

export const requestKinds = { read: 1, write: 2, flush: 3, discard: 4, writeZeroes: 5 } as const;
export type RequestKind = (typeof requestKinds)[keyof typeof requestKinds];

/** The longest read or write of one slot. Discards and zeroes carry no data and may be longer. */
export const requestDataBytesMax = mebibyte;
/** Pool bytes of one slot: header page, data, two scratch blocks. */
export const requestSlotBytes = pageBytes + requestDataBytesMax + 2 * blockBytes;

/** Who gets the answers: the frontend that claimed the slot. */
export interface RequestSink {
  /** `result` is 0 or a negative errno. A read's data is then in the slot's data buffer. */
  requestDone(slot: number, result: number): void;
}

/** Who takes the requests of a frontend: the router. */
export interface RequestHandler {
  /** Answers the filled slot exactly once through the sink, possibly from inside this call. */
  begin(slot: number): void;
}

export class RequestTable {
  readonly capacity: number;
  readonly kind: Uint8Array;
  readonly fua: Uint8Array;
  readonly offsetBytes: Float64Array;
  readonly lengthBytes: Float64Array;
  /** When the router took the request, on the ring's clock, in microseconds. */
  readonly startedUs: Float64Array;
  readonly #firstSlotOffset: number;
  readonly #free: Int32Array;
  /** One byte per slot: 1 while it is claimed. */
  readonly #isClaimed: Uint8Array;
  #freeCount: number;

  constructor(capacity: number, pool: BufferPool) {
    this.capacity = capacity;
    this.kind = new Uint8Array(capacity);
    this.fua = new Uint8Array(capacity);
    this.offsetBytes = new Float64Array(capacity);
    this.lengthBytes = new Float64Array(capacity);
    this.startedUs = new Float64Array(capacity);
    this.#firstSlotOffset = pool.reserve(capacity * requestSlotBytes);
    this.#free = Int32Array.from({ length: capacity }, (_, index) => capacity - 1 - index);
    this.#isClaimed = new Uint8Array(capacity);
    this.#freeCount = capacity;
  }

  get freeCount(): number {
    return this.#freeCount;
  }

  /** A free slot, or -1 when all are in use. */
  claim(): number {
    if (this.#freeCount === 0) return -1;
    this.#freeCount -= 1;
    const slot = this.#free[this.#freeCount] as number;
    this.#isClaimed[slot] = 1;
    return slot;
  }

  release(slot: number): void {
    assert(this.#isClaimed[slot] === 1, 'a request slot is released once');
    this.#isClaimed[slot] = 0;
    this.#free[this.#freeCount] = slot;
    this.#freeCount += 1;
  }

  /** Pool offset of the page in front of the data, which the frontend uses for protocol headers. */
  headerOffset(slot: number): number {
    return this.#firstSlotOffset + slot * requestSlotBytes;
  }

  /** Pool offset of the data, page-aligned, `requestDataBytesMax` long, right behind the header page. */
  dataOffset(slot: number): number {
    return this.headerOffset(slot) + pageBytes;
  }

  /** Pool offset of one of the two scratch blocks: 0 for a request's first block, 1 for its last. */
  scratchOffset(slot: number, which: 0 | 1): number {
    return this.dataOffset(slot) + requestDataBytesMax + which * blockBytes;
  }
}
