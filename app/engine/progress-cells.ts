/**
 * Progress numbers in memory that worker and control thread share: the worker writes once per turn, the
 * control thread reads whenever it likes. Each cell is a double; a reader may see cells of two neighbouring
 * turns.
 */

const cell = {
  copiedBytes: 0,
  skippedBytes: 1,
  pendingBytes: 2,
  writtenBytes: 3,
  copying: 4,
  clients: 5,
  verifiedBytes: 6,
  unreadableBytes: 7,
} as const;
export const progressCellsBytes = 8 * Float64Array.BYTES_PER_ELEMENT;

export interface EngineProgress {
  /** Carried over by the copy loop. */
  readonly copiedBytes: number;
  /** Not copied because no file system relies on them. */
  readonly skippedBytes: number;
  /** Still valid on the source only. */
  readonly pendingBytes: number;
  /**
   * What the consumer has written and undo has not brought back: the destination holds the only copy of it.
   */
  readonly writtenBytes: number;
  /** How far the last verification has come, of the whole volume. */
  readonly verifiedBytes: number;
  /** Of the pending bytes, those that the source has failed to deliver, each block alone. */
  readonly unreadableBytes: number;
  readonly isCopying: boolean;
  /** Connected clients of a frontend that has them. */
  readonly clientCount: number;
}

export class ProgressCells {
  readonly #cells: Float64Array;

  constructor(memory: SharedArrayBuffer) {
    this.#cells = new Float64Array(memory);
  }

  // One by one, because an object with all of them would be garbage once per turn.

  set copiedBytes(bytes: number) {
    this.#cells[cell.copiedBytes] = bytes;
  }

  set skippedBytes(bytes: number) {
    this.#cells[cell.skippedBytes] = bytes;
  }

  set pendingBytes(bytes: number) {
    this.#cells[cell.pendingBytes] = bytes;
  }

  set writtenBytes(bytes: number) {
    this.#cells[cell.writtenBytes] = bytes;
  }

  set verifiedBytes(bytes: number) {
    this.#cells[cell.verifiedBytes] = bytes;
  }

  set unreadableBytes(bytes: number) {
    this.#cells[cell.unreadableBytes] = bytes;
  }

  set isCopying(isCopying: boolean) {
    this.#cells[cell.copying] = isCopying ? 1 : 0;
  }

  set clientCount(count: number) {
    this.#cells[cell.clients] = count;
  }

  read(): EngineProgress {
    return {
      copiedBytes: this.#cells[cell.copiedBytes] as number,
      skippedBytes: this.#cells[cell.skippedBytes] as number,
      pendingBytes: this.#cells[cell.pendingBytes] as number,
      writtenBytes: this.#cells[cell.writtenBytes] as number,
      verifiedBytes: this.#cells[cell.verifiedBytes] as number,
      unreadableBytes: this.#cells[cell.unreadableBytes] as number,
      isCopying: this.#cells[cell.copying] === 1,
      clientCount: this.#cells[cell.clients] as number,
    };
  }
}
