/**
 * What dm-log-writes has kept of a disk: every write in the order in which it may have become durable. The kernel
 * logs a write when the flush that follows it has ended, or the write itself with FUA; so each beginning of the log is
 * what a power cut may leave.
 *
 * The format is that of drivers/md/dm-log-writes.c, version 1: a superblock and entries, each in a sector of its own with
 * its data in the sectors behind. A mark has no data but its text, in the entry's own sector.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { assert } from '../../app/base/error.ts';

const magic = 0x6a736677736872n;
const version = 1n;
const superblockBytes = 28;
const entryBytes = 32;
const flags = { discard: 4, mark: 8 } as const;

interface Entry {
  /** Of the disk, where the data belongs. */
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  /** Of the log, where the data is. */
  readonly dataBytes: number;
  readonly isDiscard: boolean;
  readonly mark: string | undefined;
}

export class WriteLog {
  readonly #path: string;
  readonly #entries: readonly Entry[];

  /** `path`: of the log's disk, or the image below it. */
  constructor(path: string) {
    this.#path = path;
    this.#entries = readEntries(path);
  }

  get length(): number {
    return this.#entries.length;
  }

  /** How many entries there are until that mark. */
  at(mark: string): number {
    const index = this.#entries.findIndex((entry) => entry.mark === mark);
    if (index < 0) throw new Error(`the log has no mark "${mark}"`);
    return index;
  }

  /** Those of the first `count` entries. */
  marks(count: number): string[] {
    return this.#entries.slice(0, count).flatMap(({ mark }) => mark ?? []);
  }

  /** Writes the first `count` entries to a disk that holds what the logged one held before. */
  replay(count: number, path: string): void {
    const [log, disk] = [openSync(this.#path, 'r'), openSync(path, 'r+')];
    try {
      for (const { offsetBytes, lengthBytes, dataBytes, isDiscard, mark } of this.#entries.slice(0, count)) {
        // What a disk returns for what was discarded is not defined: here, what was there.
        if (isDiscard || mark !== undefined || lengthBytes === 0) continue;
        const data = Buffer.alloc(lengthBytes);
        assert(readSync(log, data, 0, lengthBytes, dataBytes) === lengthBytes, 'the log has all of the data');
        writeSync(disk, data, 0, lengthBytes, offsetBytes);
      }
    } finally {
      closeSync(log);
      closeSync(disk);
    }
  }
}

function readEntries(path: string): Entry[] {
  const fd = openSync(path, 'r');
  try {
    const head = readAt(fd, 0, superblockBytes);
    assert(head.readBigUInt64LE(0) === magic && head.readBigUInt64LE(8) === version, `${path} is a log of writes`);
    const [count, sectorBytes] = [Number(head.readBigUInt64LE(16)), head.readUInt32LE(24)];
    const entries: Entry[] = [];
    for (let at = sectorBytes; entries.length < count;) {
      const entry = readEntry(fd, at, sectorBytes);
      entries.push(entry);
      at = entry.dataBytes + (entry.isDiscard || entry.mark !== undefined ? 0 : entry.lengthBytes);
    }
    return entries;
  } finally {
    closeSync(fd);
  }
}

function readEntry(fd: number, at: number, sectorBytes: number): Entry {
  const raw = readAt(fd, at, sectorBytes);
  const [sector, sectors, bits, textBytes] = [0, 8, 16, 24].map((place) => Number(raw.readBigUInt64LE(place)));
  const isMark = ((bits ?? 0) & flags.mark) !== 0;
  return {
    offsetBytes: (sector ?? NaN) * sectorBytes,
    lengthBytes: (sectors ?? NaN) * sectorBytes,
    dataBytes: at + sectorBytes,
    isDiscard: ((bits ?? 0) & flags.discard) !== 0,
    mark: isMark ? raw.subarray(entryBytes, entryBytes + (textBytes ?? 0)).toString().replace(/\0+$/, '') : undefined,
  };
}

function readAt(fd: number, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  assert(readSync(fd, bytes, 0, length, offset) === length, 'the log is not cut short');
  return bytes;
}
