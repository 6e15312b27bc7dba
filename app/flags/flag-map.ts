/**
 * One bit per block: set or clear. The engine keeps two: *flags* (the destination holds the valid copy) and
 * *written* (the consumer wrote it since the start).
 *
 * Beside the bits stands a count of clear bits per chunk of 32768 blocks (128 MiB of disk), so that
 * searching and filling skip over whole chunks: a scan of a map of many TiB costs microseconds, not seconds.
 * Memory: one bit per block, 32 MiB per TiB, taken page by page as bits are first set. Block numbers go
 * beyond 2^32, so word numbers come from division, never from shifts of a block number.
 */
import { assert } from '../base/error.ts';
import type { ChangedWords } from './changed-words.ts';

const wordBits = 32;
const wordBytes = 4;
const chunkWords = 1024;
/** Blocks whose clear bits are counted together. */
export const chunkBlocks = chunkWords * wordBits;
/** Signed, as all words here: of unsigned ones the upper half would be allocated when they are passed on. */
const allSet = -1;

/** A mask with the bits from `first` to before `end` set, 0 ≤ first < end ≤ 32. */
function maskOf(first: number, end: number): number {
  const upTo = end === wordBits ? allSet : ~(allSet << end);
  return upTo & (allSet << first);
}

function countBits(word: number): number {
  let x = word - ((word >>> 1) & 0x55555555);
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333);
  return (((x + (x >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
}

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}

function highestBit(word: number): number {
  return 31 - Math.clz32(word);
}

export class FlagMap {
  readonly blockCount: number;
  readonly #words: Int32Array;
  /** The same memory; the processors that we build for put the lowest byte of a word first. */
  readonly #bytes: Uint8Array;
  readonly #clearInChunk: Uint32Array;
  #setCount = 0;
  #revision = 0;
  #follower: ChangedWords | undefined;

  constructor(blockCount: number) {
    assert(Number.isSafeInteger(blockCount) && blockCount > 0, 'a flag map has at least one block');
    this.blockCount = blockCount;
    this.#words = new Int32Array(Math.ceil(blockCount / wordBits));
    this.#bytes = new Uint8Array(this.#words.buffer);
    const chunkCount = Math.ceil(blockCount / chunkBlocks);
    this.#clearInChunk = new Uint32Array(chunkCount).fill(chunkBlocks);
    this.#clearInChunk[chunkCount - 1] = blockCount - (chunkCount - 1) * chunkBlocks;
  }

  /** For a copy of the map; bit n of word m is block 32 m + n. */
  get words(): Int32Array {
    return this.#words;
  }

  /** Everything that is set now and whatever changes from now on is noted there. */
  follow(follower: ChangedWords): void {
    this.#follower = follower;
    if (this.#setCount > 0) follower.note(0, this.#words.length);
  }

  /** Takes over what `fill` puts into the words. */
  load(fill: (words: Int32Array) => void): void {
    fill(this.#words);
    const chunkBytes = chunkWords * wordBytes;
    for (let chunk = 0; chunk < this.chunkCount; chunk += 1)
      this.loadChunk(chunk, this.#bytes.subarray(chunk * chunkBytes, (chunk + 1) * chunkBytes));
  }

  /** From what `toBytes` made; all clear where there is nothing yet. */
  static from(blockCount: number, bytes: Uint8Array | undefined): FlagMap {
    const map = new FlagMap(blockCount);
    if (bytes === undefined) return map;
    const chunkBytes = chunkBlocks / 8;
    assert(bytes.length === map.chunkCount * chunkBytes, 'a map has all of its chunks');
    for (let chunk = 0; chunk < map.chunkCount; chunk += 1)
      map.loadChunk(chunk, bytes.subarray(chunk * chunkBytes, (chunk + 1) * chunkBytes));
    return map;
  }

  /** All chunks, one after the other, as `copyChunk` makes them: to hand a map to another thread. */
  toBytes(): Uint8Array<ArrayBuffer> {
    const chunkBytes = chunkBlocks / 8;
    const bytes = new Uint8Array(this.chunkCount * chunkBytes);
    for (let chunk = 0; chunk < this.chunkCount; chunk += 1)
      this.copyChunk(chunk, bytes, chunk * chunkBytes);
    return bytes;
  }

  get setCount(): number {
    return this.#setCount;
  }

  get clearCount(): number {
    return this.blockCount - this.#setCount;
  }

  /** Grows whenever a flag changes, whichever way. */
  get revision(): number {
    return this.#revision;
  }

  isSet(block: number): boolean {
    return ((this.#word(Math.floor(block / wordBits)) >>> (block % wordBits)) & 1) === 1;
  }

  /** Sets the blocks from `first` to before `end`. Returns how many were clear. */
  setRange(first: number, end: number): number {
    return this.#change(first, end, true);
  }

  /** Clears the blocks from `first` to before `end`. Returns how many were set. */
  clearRange(first: number, end: number): number {
    return this.#change(first, end, false);
  }

  /** Where the run of equal flags that starts at `first` ends, at most `end`. */
  runEnd(first: number, end: number): number {
    return this.isSet(first) ? this.#nextWith(false, first, end) : this.#nextWith(true, first, end);
  }

  /** The first clear block at or after `from`, or `end`. */
  nextClear(from: number, end = this.blockCount): number {
    return from >= end ? end : this.#nextWith(false, from, end);
  }

  /** The first set block at or after `from`, or `end`. */
  nextSet(from: number, end = this.blockCount): number {
    return from >= end ? end : this.#nextWith(true, from, end);
  }

  /** The last set block from `first` to before `end`, or -1. */
  lastSet(first: number, end: number): number {
    return this.#lastWith(true, first, end);
  }

  /** The last clear block from `first` to before `end`, or -1. */
  lastClear(first: number, end: number): number {
    return this.#lastWith(false, first, end);
  }

  /** How many blocks from `first` to before `end` are set. Whole chunks are not looked into. */
  countSet(first: number, end: number): number {
    let set = 0;
    for (let block = first; block < end;) {
      const chunk = Math.floor(block / chunkBlocks);
      const chunkEnd = Math.min(end, (chunk + 1) * chunkBlocks);
      const blocks = this.#blocksIn(chunk);
      const isWhole = chunkEnd - block === blocks;
      if (isWhole || this.#isAll(chunk, false)) set += blocks - this.#clearIn(chunk);
      else if (this.#isAll(chunk, true)) set += chunkEnd - block;
      else set += this.#countInWords(block, chunkEnd);
      block = chunkEnd;
    }
    return set;
  }

  /** How many chunks there are; the last one may be short. */
  get chunkCount(): number {
    return this.#clearInChunk.length;
  }

  /**
   * Copies a chunk's bits to `bytes` from `at` on, `chunkBlocks / 8` bytes: bit n of byte m is block 8 m + n.
   */
  copyChunk(chunk: number, bytes: Uint8Array, at: number): void {
    const first = chunk * chunkWords * wordBytes;
    const end = Math.min(first + chunkWords * wordBytes, this.#bytes.length);
    bytes.set(this.#bytes.subarray(first, end), at);
    bytes.fill(0, at + end - first, at + chunkWords * wordBytes);
  }

  /** Takes over a chunk's bits from what `copyChunk` made. */
  loadChunk(chunk: number, bytes: Uint8Array): void {
    const firstWord = chunk * chunkWords;
    const blocks = this.#blocksIn(chunk);
    const wordCount = Math.ceil(blocks / wordBits);
    this.#bytes.set(bytes.subarray(0, wordCount * wordBytes), firstWord * wordBytes);
    let set = 0;
    for (let index = firstWord; index < firstWord + wordCount; index += 1)
      set += countBits(this.#word(index));
    this.#setCount += set - (blocks - this.#clearIn(chunk));
    this.#clearInChunk[chunk] = blocks - set;
    this.#revision += 1;
    this.#follower?.note(firstWord, firstWord + wordCount);
    const behind = blocks % wordBits;
    assert(
      behind === 0 || (this.#word(firstWord + wordCount - 1) & (allSet << behind)) === 0,
      'no bit behind the last block is set',
    );
  }

  #word(index: number): number {
    return this.#words[index] as number;
  }

  #clearIn(chunk: number): number {
    return this.#clearInChunk[chunk] as number;
  }

  #blocksIn(chunk: number): number {
    return Math.min(chunkBlocks, this.blockCount - chunk * chunkBlocks);
  }

  #change(first: number, end: number, value: boolean): number {
    assert(first >= 0 && first <= end && end <= this.blockCount, 'a range of blocks lies within the map');
    let changed = 0;
    for (let block = first; block < end;) {
      const chunk = Math.floor(block / chunkBlocks);
      const chunkEnd = Math.min(end, (chunk + 1) * chunkBlocks);
      const isWhole = block === chunk * chunkBlocks && chunkEnd - block === this.#blocksIn(chunk);
      changed += isWhole ? this.#changeChunk(chunk, value) : this.#changeWords(chunk, block, chunkEnd, value);
      block = chunkEnd;
    }
    this.#setCount += value ? changed : -changed;
    this.#revision += changed;
    return changed;
  }

  /** Zeroes over a page that holds nothing else would take its memory. */
  #isAll(chunk: number, value: boolean): boolean {
    return this.#clearIn(chunk) === (value ? 0 : this.#blocksIn(chunk));
  }

  #changeChunk(chunk: number, value: boolean): number {
    if (this.#isAll(chunk, value)) return 0;
    const blocks = this.#blocksIn(chunk);
    const clear = this.#clearIn(chunk);
    const firstWord = chunk * chunkWords;
    const wordCount = Math.ceil(blocks / wordBits);
    this.#words.fill(value ? allSet : 0, firstWord, firstWord + wordCount);
    this.#clearInChunk[chunk] = value ? 0 : blocks;
    // Bits behind the last block stay clear, so that a word never claims more than the map has.
    this.#follower?.note(firstWord, firstWord + wordCount);
    if (value && blocks % wordBits > 0) this.#words[firstWord + wordCount - 1] = maskOf(0, blocks % wordBits);
    return value ? clear : blocks - clear;
  }

  #changeWords(chunk: number, first: number, end: number, value: boolean): number {
    if (this.#isAll(chunk, value)) return 0;
    let changed = 0;
    this.#follower?.note(Math.floor(first / wordBits), Math.ceil(end / wordBits));
    for (let block = first; block < end;) {
      const index = Math.floor(block / wordBits);
      const bit = block % wordBits;
      const endBit = Math.min(wordBits, bit + end - block);
      const old = this.#word(index);
      const mask = maskOf(bit, endBit);
      this.#words[index] = value ? old | mask : old & ~mask;
      changed += countBits((value ? ~old : old) & mask);
      block += endBit - bit;
    }
    this.#clearInChunk[chunk] = this.#clearIn(chunk) + (value ? -changed : changed);
    return changed;
  }

  #countInWords(first: number, end: number): number {
    let set = 0;
    for (let block = first; block < end;) {
      const bit = block % wordBits;
      const endBit = Math.min(wordBits, bit + end - block);
      set += countBits(this.#word(Math.floor(block / wordBits)) & maskOf(bit, endBit));
      block += endBit - bit;
    }
    return set;
  }

  #nextWith(value: boolean, from: number, end: number): number {
    for (let block = from; block < end;) {
      const chunk = Math.floor(block / chunkBlocks);
      const chunkEnd = Math.min(end, (chunk + 1) * chunkBlocks);
      const clear = this.#clearIn(chunk);
      const hasAny = value ? clear < this.#blocksIn(chunk) : clear > 0;
      const found = hasAny ? this.#nextInWords(value, block, chunkEnd) : chunkEnd;
      if (found < chunkEnd) return found;
      block = chunkEnd;
    }
    return end;
  }

  #nextInWords(value: boolean, from: number, end: number): number {
    const flip = value ? 0 : allSet;
    let index = Math.floor(from / wordBits);
    let word = (this.#word(index) ^ flip) & (allSet << (from % wordBits));
    while (word === 0) {
      index += 1;
      if (index * wordBits >= end) return end;
      word = this.#word(index) ^ flip;
    }
    return Math.min(end, index * wordBits + lowestBit(word));
  }

  #lastWith(value: boolean, first: number, end: number): number {
    for (let upTo = end; upTo > first;) {
      const chunk = Math.floor((upTo - 1) / chunkBlocks);
      const from = Math.max(first, chunk * chunkBlocks);
      const clear = this.#clearIn(chunk);
      const hasAny = value ? clear < this.#blocksIn(chunk) : clear > 0;
      const found = hasAny ? this.#lastInWords(value, from, upTo) : -1;
      if (found >= 0) return found;
      upTo = from;
    }
    return -1;
  }

  #lastInWords(value: boolean, first: number, end: number): number {
    const flip = value ? 0 : allSet;
    let index = Math.floor((end - 1) / wordBits);
    let word = (this.#word(index) ^ flip) & maskOf(0, ((end - 1) % wordBits) + 1);
    while (word === 0) {
      if (index * wordBits <= first) return -1;
      index -= 1;
      word = this.#word(index) ^ flip;
    }
    const found = index * wordBits + highestBit(word);
    return found >= first ? found : -1;
  }
}
