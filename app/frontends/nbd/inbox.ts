/**
 * Bytes from one client that nobody has taken yet, in a fixed piece of the pool. What arrives is read in
 * large pieces behind what is there; when little room is left, the rest (a part of a header) moves to the
 * front.
 */
import type { BufferPool } from '../../base/buffer-pool.ts';
import { assert } from '../../base/error.ts';

export class Inbox {
  readonly capacityBytes: number;
  readonly #pool: BufferPool;
  readonly #buffer: number;
  #start = 0;
  #end = 0;

  constructor(pool: BufferPool, capacityBytes: number) {
    this.#pool = pool;
    this.capacityBytes = capacityBytes;
    this.#buffer = pool.reserve(capacityBytes);
  }

  get storedBytes(): number {
    return this.#end - this.#start;
  }

  /** Pool offset of the first byte. */
  get firstAt(): number {
    return this.#buffer + this.#start;
  }

  /** Pool offset behind the last byte, where `freeBytes` more may be received. */
  get endAt(): number {
    return this.#buffer + this.#end;
  }

  get freeBytes(): number {
    return this.capacityBytes - this.#end;
  }

  /** Makes all free room one piece behind what is stored. Not while something is being received. */
  makeRoom(): void {
    if (this.#start === 0) return;
    this.#pool.bytes.copyWithin(this.#buffer, this.firstAt, this.endAt);
    this.#end -= this.#start;
    this.#start = 0;
  }

  received(lengthBytes: number): void {
    this.#end += lengthBytes;
    assert(this.#end <= this.capacityBytes, 'no more is received than there is room for');
  }

  take(lengthBytes: number): void {
    this.#start += lengthBytes;
    assert(this.#start <= this.#end, 'no more is taken than was received');
    if (this.#start === this.#end) this.clear();
  }

  clear(): void {
    this.#start = 0;
    this.#end = 0;
  }
}
