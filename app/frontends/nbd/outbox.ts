/**
 * Answers to one client that wait for the socket, first come first out. Each is one contiguous piece of the
 * pool; one vectored write takes all that are there, and what the socket did not accept goes out with the
 * next. A piece that is out gives its slot back.
 */
import { assert } from '../../base/error.ts';
import type { Ring } from '../../../native/ring.ts';

/** The most pieces in one write (the kernel takes 1024). */
const vectorsMax = 256;

export class Outbox {
  readonly #capacity: number;
  readonly #slot: Int32Array;
  readonly #at: Float64Array;
  readonly #bytes: Uint32Array;
  readonly #releaseSlot: (slot: number) => void;
  #first = 0;
  #count = 0;

  /** `releaseSlot` is called with the slot of each piece that is out or was dropped. */
  constructor(capacity: number, releaseSlot: (slot: number) => void) {
    this.#capacity = capacity;
    this.#slot = new Int32Array(capacity);
    this.#at = new Float64Array(capacity);
    this.#bytes = new Uint32Array(capacity);
    this.#releaseSlot = releaseSlot;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  put(slot: number, at: number, lengthBytes: number): void {
    assert(this.#count < this.#capacity, 'there are no more answers than slots');
    const index = (this.#first + this.#count) % this.#capacity;
    this.#slot[index] = slot;
    this.#at[index] = at;
    this.#bytes[index] = lengthBytes;
    this.#count += 1;
  }

  /** Writes what is there. One write at a time: `sent` comes before the next. */
  post(ring: Ring, fd: number, tag: number): void {
    const count = Math.min(this.#count, vectorsMax);
    const vectorAt = ring.beginVectors(count);
    for (let offset = 0; offset < count; offset += 1) {
      const index = (this.#first + offset) % this.#capacity;
      ring.addVector(this.#at[index] as number, this.#bytes[index] as number);
    }
    ring.writeVectors(fd, vectorAt, count, tag);
  }

  /** The socket has accepted `lengthBytes` more. */
  sent(lengthBytes: number): void {
    let left = lengthBytes;
    while (left > 0) {
      assert(this.#count > 0, 'no more is sent than was there');
      const pieceBytes = this.#bytes[this.#first] as number;
      if (left < pieceBytes) {
        this.#at[this.#first] = (this.#at[this.#first] as number) + left;
        this.#bytes[this.#first] = pieceBytes - left;
        return;
      }
      left -= pieceBytes;
      this.#drop();
    }
  }

  /** Nobody will take the answers any more. Not while a write is under way. */
  clear(): void {
    while (this.#count > 0) this.#drop();
  }

  #drop(): void {
    const slot = this.#slot[this.#first] as number;
    this.#first = (this.#first + 1) % this.#capacity;
    this.#count -= 1;
    this.#releaseSlot(slot);
  }
}
