/**
 * One aligned piece of memory for all I/O of an engine, handed out once at start and never given back:
 * the hot path refers to buffers by their offset in the pool and allocates nothing.
 *
 * The pool is a JavaScript ArrayBuffer, because Electron's memory cage refuses external ones. JavaScript
 * cannot ask for an aligned ArrayBuffer (a SharedArrayBuffer starts at 16 modulo 4096), so the pool takes a
 * page more than it needs and asks the addon where the first page starts.
 */
import { assert } from './error.ts';

export const pageBytes = 4096;

export class BufferPool {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly signedWords: Int32Array;
  #reservedBytes = 0;

  /**
   * @param capacityBytes a multiple of the page size
   * @param misalignmentBytes how far a view's first byte lies behind a page boundary
   */
  constructor(capacityBytes: number, misalignmentBytes: (view: Uint8Array) => number) {
    assert(capacityBytes % pageBytes === 0, 'a pool is made of whole pages');
    const raw = new ArrayBuffer(capacityBytes + pageBytes);
    const start = (pageBytes - misalignmentBytes(new Uint8Array(raw))) % pageBytes;
    this.bytes = new Uint8Array(raw, start, capacityBytes);
    this.words = new Uint32Array(raw, start, capacityBytes / 4);
    this.signedWords = new Int32Array(raw, start, capacityBytes / 4);
  }

  /** Takes the next `lengthBytes` (a multiple of the page size) and returns their offset in the pool. */
  reserve(lengthBytes: number): number {
    assert(lengthBytes % pageBytes === 0, 'reservations are made of whole pages');
    const offset = this.#reservedBytes;
    this.#reservedBytes += lengthBytes;
    assert(
      this.#reservedBytes <= this.bytes.length,
      'the buffer pool is too small for what is reserved in it',
    );
    return offset;
  }
}
