/**
 * What the copy loop has carried over and nobody has changed since: the blocks that can be compared with the
 * source, and what the source held when they were read, as one hash per span of 1 MiB.
 *
 * Always holds: a block is in `map` only while the destination should hold what was read from the source.
 * Whoever else changes a block takes it out before its range is free again (router.ts), and for good. A span's
 * hash is the sum of the hashes of all that was ever carried into it: it can be used while none of them has
 * been taken out, otherwise the source itself has to be read again.
 *
 * One bit per block and, with hashes, 12 bytes per span, in memory only: after a crash every flagged block
 * counts as written, so that nothing on disk could serve anybody.
 */
import { blockBytes, mebibyte } from '../base/units.ts';
import type { FlagMap } from '../flags/flag-map.ts';
import type { BlockContents } from './block-contents.ts';

export const spanBlocks = mebibyte / blockBytes;

export class CopiedBlocks {
  readonly map: FlagMap;
  readonly #sizeBytes: number;
  readonly #contents: BlockContents | undefined;
  readonly #sums: Int32Array;
  /** Blocks in each sum. */
  readonly #counts: Uint16Array;

  /** Without `contents` no hashes are kept. */
  constructor(options: {
    readonly map: FlagMap;
    readonly sizeBytes: number;
    readonly contents: BlockContents | undefined;
  }) {
    this.map = options.map;
    this.#sizeBytes = options.sizeBytes;
    this.#contents = options.contents;
    const spans = options.contents === undefined ? 0 : Math.ceil(options.map.blockCount / spanBlocks);
    this.#sums = new Int32Array(2 * spans);
    this.#counts = new Uint16Array(spans);
  }

  /** Blocks have arrived whose content is in the buffer; they are claimed. */
  carried(first: number, end: number, buffer: number): void {
    this.map.setRange(first, end);
    if (this.#contents === undefined) return;
    for (let block = first; block < end;) {
      const span = Math.floor(block / spanBlocks);
      const to = Math.min(end, (span + 1) * spanBlocks);
      const at = buffer + (block - first) * blockBytes;
      this.#contents.addHashes(at, this.bytesBetween(block, to), block, this.#sums, span);
      this.#counts[span] = (this.#counts[span] as number) + to - block;
      block = to;
    }
  }

  /** Whether these many blocks of the span are all that its hash is of. */
  hasHashOf(span: number, blocks: number): boolean {
    return this.#contents !== undefined && this.#counts[span] === blocks;
  }

  /** `sum` is a pair of halves. */
  isHash(span: number, sum: Int32Array): boolean {
    return this.#sums[2 * span] === sum[0] && this.#sums[2 * span + 1] === sum[1];
  }

  /** The disk's last block may be short. */
  bytesBetween(first: number, end: number): number {
    return Math.min(end * blockBytes, this.#sizeBytes) - first * blockBytes;
  }
}
