/**
 * A consumer whose every byte is known: several writers at once write, zero, discard and read back random
 * whole sectors past the page cache, and what the device must hold is kept in memory.
 *
 * Each sector belongs to one writer, so that the order of writes never decides what is right. In the first
 * part of the device ownership changes from sector to sector: writers then change the same 4096-byte block at
 * the same time, which is where a merge can lose a neighbour. Further on the shares grow, up to pieces of
 * many blocks.
 */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { expect } from 'vitest';
import { BufferPool } from '../../../app/base/buffer-pool.ts';
import { present } from '../../../app/base/error.ts';
import { blockBytes, kibibyte } from '../../../app/base/units.ts';
import { addon } from '../../../native/binding.ts';
import { Random } from '../../sim/random.ts';
import type { Scratch } from './scratch.ts';

/** As many as Node's thread pool carries out at once. */
const writerCount = 4;
const transferBytesMax = 256 * kibibyte;
/** How many sectors in a row belong to one writer, from the device's first part to its last. */
const shareSectors = [1, 3, 8, 21, 600] as const;

export interface SectorWriterOptions {
  readonly seed: number;
  /** What the device holds now; kept up to date as what it must hold. */
  readonly expected: Buffer;
  /** The device's logical block size: "sector" here. */
  readonly sectorBytes: number;
  /**
   * False where nothing is promised about what was discarded. True when left out: the fuse frontend zeroes
   * it.
   */
  readonly discardsZero?: boolean;
}

interface Range {
  readonly offset: number;
  readonly length: number;
}

export class SectorWriter {
  readonly expected: Buffer;
  /** Operations done, for tests that wait for some. */
  operations = 0;
  readonly #handle: FileHandle;
  readonly #sectorBytes: number;
  readonly #discardsZero: boolean;
  readonly #randoms: readonly Random[];
  readonly #buffers: readonly Uint8Array[];

  static async open(scratch: Scratch, path: string, options: SectorWriterOptions): Promise<SectorWriter> {
    const writer = new SectorWriter(await open(path, constants.O_RDWR | constants.O_DIRECT), options);
    scratch.onRelease('a writer', () => writer.close());
    return writer;
  }

  private constructor(handle: FileHandle, options: SectorWriterOptions) {
    const { seed, expected, sectorBytes, discardsZero = true } = options;
    this.expected = expected;
    this.#handle = handle;
    this.#sectorBytes = sectorBytes;
    this.#discardsZero = discardsZero;
    this.#randoms = Array.from(
      { length: writerCount },
      (_, writer) => new Random(seed * writerCount + writer),
    );
    const pool = new BufferPool(writerCount * transferBytesMax, (view) => addon().misalignmentBytes(view));
    this.#buffers = this.#randoms.map(() => {
      const start = pool.reserve(transferBytesMax);
      return pool.bytes.subarray(start, start + transferBytesMax);
    });
  }

  /** Every writer does so many operations. */
  async run(operationsEach: number): Promise<void> {
    await this.runWhile(() => true, operationsEach);
  }

  /** Every writer goes on while `goesOn`, or up to so many operations. */
  async runWhile(goesOn: () => boolean, operationsEach = Infinity): Promise<void> {
    const write = async (writer: number): Promise<void> => {
      for (let done = 0; done < operationsEach && goesOn(); done += 1) {
        await this.#operate(writer);
        this.operations += 1;
      }
    };
    await Promise.all(this.#randoms.map((_, writer) => write(writer)));
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #operate(writer: number): Promise<void> {
    const random = present(this.#randoms[writer], 'each writer has its random numbers');
    const range = this.#chooseRange(writer, random);
    const draw = random.share();
    if (draw < 0.6) await this.#write(writer, random, range);
    else if (draw < 0.8) await this.#readBack(writer, range);
    else if (draw < 0.88) await this.#zero(range);
    else if (draw < 0.96 && this.#discardsZero) await this.#discard(range);
    else await this.#handle.datasync();
  }

  /** Some of the sectors of one of the writer's shares. */
  #chooseRange(writer: number, random: Random): Range {
    const sectorCount = this.expected.length / this.#sectorBytes;
    const zoneSectors = Math.floor(sectorCount / shareSectors.length);
    const zone = random.between(0, shareSectors.length - 1);
    const fitting = Math.floor(zoneSectors / writerCount);
    const share = Math.min(fitting, present(shareSectors[zone], 'a zone has its share'));
    const turns = Math.floor(zoneSectors / (share * writerCount));
    const turn = random.between(0, turns - 1);
    const first = zone * zoneSectors + (turn * writerCount + writer) * share;
    const from = random.between(0, share - 1);
    const longest = Math.min(share - from, transferBytesMax / this.#sectorBytes);
    return {
      offset: (first + from) * this.#sectorBytes,
      length: random.between(1, longest) * this.#sectorBytes,
    };
  }

  async #write(writer: number, random: Random, { offset, length }: Range): Promise<void> {
    const data = present(this.#buffers[writer], 'each writer has its buffer').subarray(0, length);
    for (let sector = 0; sector < length; sector += this.#sectorBytes) {
      data.fill(random.between(1, 255), sector, sector + this.#sectorBytes);
    }
    const { bytesWritten } = await this.#handle.write(data, 0, length, offset);
    expect(bytesWritten).toBe(length);
    this.expected.set(data, offset);
  }

  async #readBack(writer: number, { offset, length }: Range): Promise<void> {
    const data = present(this.#buffers[writer], 'each writer has its buffer').subarray(0, length);
    await this.#handle.read(data, 0, length, offset);
    expectSame(data, this.expected.subarray(offset, offset + length), offset);
  }

  async #zero({ offset, length }: Range): Promise<void> {
    await addon().blockZeroOut(this.#handle.fd, offset, length);
    this.expected.fill(0, offset, offset + length);
  }

  /** Whole blocks only, as file systems do it. */
  async #discard({ offset, length }: Range): Promise<void> {
    const start = Math.ceil(offset / blockBytes) * blockBytes;
    const end = Math.floor((offset + length) / blockBytes) * blockBytes;
    if (start >= end) return;
    await addon().blockDiscard(this.#handle.fd, start, end - start);
    this.expected.fill(0, start, end);
  }
}

/** Says where the first difference is, which a diff of megabytes would not. */
export function expectSame(actual: Uint8Array, expected: Uint8Array, offsetBytes = 0): void {
  if (Buffer.compare(actual, expected) === 0) return;
  const at = actual.findIndex((byte, index) => byte !== expected[index]);
  const lengths = `${actual.length} and ${expected.length} bytes`;
  expect.fail(`byte ${offsetBytes + at} is ${actual[at]} instead of ${expected[at]} (${lengths})`);
}
