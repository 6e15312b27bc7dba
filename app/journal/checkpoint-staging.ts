/**
 * Writes the maps of the next checkpoint to its slot, piece by piece from the live maps, while everything
 * goes on. Flags that are set meanwhile may be in it or not, but each that is in it was set when its block
 * had been written: a flush of the disks that begins after the last piece makes all of them true. Those that
 * it lacks are in records, from the one on that was next when the staging began.
 *
 * A chunk's flags and written bits are taken in the same moment, so that no block is ever written without
 * being flagged.
 */
import type { BufferPool } from '../base/buffer-pool.ts';
import { assert } from '../base/error.ts';
import type { DiskIoClient, JournalIo } from '../devices/disk-io.ts';
import { journal } from '../devices/disk-io.ts';
import type { FlagMap } from '../flags/flag-map.ts';
import { crc32c } from './crc32c.ts';
import type { JournalLayout, Slot } from './layout.ts';
import { chunkMapBytes, mapsOffset } from './layout.ts';

/** Chunks of one write: 128 KiB, summed in an eighth of a millisecond. */
const pieceChunks = 16;
const chunkBytes = 2 * chunkMapBytes;
/** Pool bytes that a CheckpointStaging reserves. */
export const stagingPoolBytes = pieceChunks * chunkBytes;

export interface CheckpointStagingOptions {
  readonly io: JournalIo;
  readonly pool: BufferPool;
  readonly layout: JournalLayout;
  readonly flags: FlagMap;
  readonly written: FlagMap;
  /** All pieces are written, or one has failed. */
  readonly ended: (result: number) => void;
}

export class CheckpointStaging implements DiskIoClient {
  readonly #options: CheckpointStagingOptions;
  readonly #buffer: number;
  readonly #offset = new Float64Array(1);
  #state: 'idle' | 'staging' | 'staged' = 'idle';
  #slot: Slot = 0;
  #nextSequence = 0;
  #chunk = 0;
  #mapsSum = 0;
  #isWriting = false;

  constructor(options: CheckpointStagingOptions) {
    this.#options = options;
    this.#buffer = options.pool.reserve(stagingPoolBytes);
  }

  get isIdle(): boolean {
    return this.#state === 'idle';
  }

  /** The maps are written, but perhaps not durable. */
  get isStaged(): boolean {
    return this.#state === 'staged';
  }

  get mapsSum(): number {
    return this.#mapsSum;
  }

  /** The first record that the maps may lack. */
  get nextSequence(): number {
    return this.#nextSequence;
  }

  /** Begins, from the start if it has begun before: every change until now will be in the maps. */
  start(slot: Slot, nextSequence: number): void {
    this.#state = 'staging';
    this.#slot = slot;
    this.#nextSequence = nextSequence;
    this.#chunk = 0;
    this.#mapsSum = 0;
    if (!this.#isWriting) this.#writePiece();
  }

  /** The checkpoint is valid, and this one has nothing to do with it any more. */
  finish(): void {
    assert(this.isStaged, 'a checkpoint is staged before it is valid');
    this.#state = 'idle';
  }

  diskOperationDone(_tag: number, result: number): void {
    this.#isWriting = false;
    if (result < 0) {
      this.#state = 'idle';
      this.#options.ended(result);
    } else if (this.#chunk < this.#options.layout.chunkCount) {
      this.#writePiece();
    } else {
      this.#state = 'staged';
      this.#options.ended(0);
    }
  }

  #writePiece(): void {
    const { io, pool, layout, flags, written } = this.#options;
    const first = this.#chunk;
    const count = Math.min(pieceChunks, layout.chunkCount - first);
    for (let index = 0; index < count; index += 1) {
      const at = this.#buffer + index * chunkBytes;
      flags.copyChunk(first + index, pool.bytes, at);
      written.copyChunk(first + index, pool.bytes, at + chunkMapBytes);
    }
    const lengthBytes = count * chunkBytes;
    this.#mapsSum = crc32c(pool.bytes, this.#buffer, this.#buffer + lengthBytes, this.#mapsSum);
    this.#offset[0] = mapsOffset(layout, this.#slot) + first * chunkBytes;
    this.#chunk = first + count;
    this.#isWriting = true;
    io.write(journal, this.#offset, lengthBytes, this.#buffer, false, this, 0);
  }
}
