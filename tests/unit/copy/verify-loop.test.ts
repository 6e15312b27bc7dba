import { beforeEach, describe, expect, test } from 'vitest';
import { BufferPool } from '../../../app/base/buffer-pool.ts';
import { blockBytes, mebibyte } from '../../../app/base/units.ts';
import { PoolContents } from '../../../app/copy/block-contents.ts';
import { CopiedBlocks } from '../../../app/copy/copied-blocks.ts';
import { copyPoolBytes } from '../../../app/copy/copy-loop.ts';
import { Pace } from '../../../app/copy/pace.ts';
import { VerifyLoop } from '../../../app/copy/verify-loop.ts';
import { FlagMap } from '../../../app/flags/flag-map.ts';
import { RangesInFlight } from '../../../app/flags/ranges-in-flight.ts';
import { addon } from '../../../native/binding.ts';
import { SteppedDiskIo } from '../router/stepped-disk-io.ts';

const idle = { inFlight: 0, requests: 0, totalLatencyUs: 0 };
const sizeBytes = mebibyte + 3 * blockBytes + 512;
const blockCount = Math.ceil(sizeBytes / blockBytes);
const ioError = -5;

/** A verification over disks of known content, stepped by hand; everything has been copied. */
class VerifyBench {
  readonly io = new SteppedDiskIo();
  readonly ranges = new RangesInFlight(16);
  readonly written = new FlagMap(blockCount);
  readonly copied: CopiedBlocks;
  readonly loop: VerifyLoop;
  readonly source = new Uint8Array(sizeBytes);
  readonly destination = new Uint8Array(sizeBytes);
  readonly #contents: PoolContents;
  readonly #isSuccessor: boolean;
  readonly #pool = new BufferPool(copyPoolBytes, () => 0);

  constructor(takesHashes: boolean, isSuccessor = false) {
    const contents = new PoolContents(this.#pool, addon().addBlockHashes);
    this.source.forEach((_, at) => (this.source[at] = at * 7 + Math.floor(at / blockBytes)));
    this.destination.set(this.source);
    const map = new FlagMap(blockCount);
    this.copied = new CopiedBlocks({ map, sizeBytes, contents: takesHashes ? contents : undefined });
    this.#pool.bytes.set(this.source);
    this.copied.carried(0, blockCount, 0);
    this.#pool.bytes.fill(0);
    this.#contents = contents;
    this.#isSuccessor = isSuccessor;
    this.loop = this.startAgain();
  }

  startAgain(): VerifyLoop {
    const [contents, isSuccessor] = [this.#contents, this.#isSuccessor];
    const loop = new VerifyLoop({
      copied: this.copied,
      written: this.written,
      sizeBytes,
      contents,
      io: this.io,
      ranges: this.ranges,
      isSuccessor,
      buffers: 0,
      pace: new Pace('full', idle),
      clockUs: new Float64Array(1),
    });
    loop.start();
    loop.pump();
    return loop;
  }

  /** A consumer has written the block while nobody watched. */
  write(block: number): void {
    this.destination.fill(99, block * blockBytes, (block + 1) * blockBytes);
    this.written.setRange(block, block + 1);
    this.copied.map.clearRange(block, block + 1);
  }

  /** Ends the oldest operation as the disks would; returns its text. */
  step(result = 0): string {
    const text = this.io.underWay[0] ?? '';
    const [, verb, disk, offset = 0, length = 0] = /^(\w+) (\w+) (\d+)\+(\d+)/.exec(text) ?? [];
    const bytes = disk === 'source' ? this.source : this.destination;
    const [at, end] = [Number(offset), Number(offset) + Number(length)];
    const buffer = this.io.bufferOf(text);
    if (verb === 'read' && result === 0) this.#pool.bytes.set(bytes.subarray(at, end), buffer);
    if (verb === 'write' && result === 0) bytes.set(this.#pool.bytes.subarray(buffer, buffer + end - at), at);
    this.io.end(text, result);
    this.loop.pump();
    return text;
  }

  /** Everything up to the end. Returns what was done after the first reading of both spans. */
  finish(loop = this.loop): string[] {
    const done: string[] = [];
    while (this.io.underWay.length > 0) {
      done.push(this.step());
      loop.pump();
    }
    expect(loop.isComplete).toBe(true);
    return done;
  }
}

let bench: VerifyBench;

describe.each([
  ['with hashes', true],
  ['without', false],
])('a verification %s', (_, takesHashes) => {
  beforeEach(() => (bench = new VerifyBench(takesHashes)));

  test('finds everything right', () => {
    bench.finish();
    expect(bench.loop.result).toEqual({
      checkedBytes: sizeBytes,
      repairedBytes: 0,
      failedBytes: 0,
      writtenBytes: 0,
      unknownBytes: 0,
      repaired: [],
      failed: [],
    });
  });

  test('writes again what differs, and only that', () => {
    bench.destination[5 * blockBytes + 1] = 1;
    bench.destination[sizeBytes - 1] = 1;
    const done = bench.finish();
    expect(done.filter((text) => text.startsWith('write'))).toEqual([
      `write destination ${5 * blockBytes}+${blockBytes}`,
      `write destination ${sizeBytes - 512}+512`,
    ]);
    expect(Buffer.compare(bench.destination, bench.source)).toBe(0);
    expect(bench.loop.result).toMatchObject({ repairedBytes: 2 * blockBytes, failedBytes: 0, checkedBytes: sizeBytes });
  });

  test('does not compare what a consumer has written before it looks again', () => {
    bench.destination[5 * blockBytes] = 1;
    while (!(bench.io.underWay[0] ?? '').startsWith('read source')) bench.step();
    bench.write(5);
    const done = bench.finish();
    expect(done.filter((text) => text.startsWith('write'))).toEqual([]);
    expect(bench.destination[5 * blockBytes]).toBe(99);
    expect(bench.loop.result).toMatchObject({ repairedBytes: 0, failedBytes: 0, writtenBytes: blockBytes });
  });

  test('waits for who lies on a block that differs', () => {
    bench.destination[5 * blockBytes] = 1;
    const range = bench.ranges.claim(5, 6, { rangeReady: () => {} }, 0);
    while (bench.io.underWay.length > 0) bench.step();
    expect(bench.loop.isIdle).toBe(false);
    bench.write(5);
    bench.ranges.release(range);
    expect(bench.finish()).toEqual([]);
    expect(bench.destination[5 * blockBytes]).toBe(99);
  });

  test('lets nobody in between looking again and writing', () => {
    bench.destination[5 * blockBytes] = 1;
    const repair = `write destination ${5 * blockBytes}+${blockBytes}`;
    while (bench.io.underWay[0] !== repair) bench.step();
    const range = bench.ranges.claim(5, 6, { rangeReady: () => {} }, 0);
    expect(bench.ranges.isReady(range)).toBe(false);
    bench.finish();
    expect(bench.ranges.isReady(range)).toBe(true);
  });

  test('takes a block that cannot be read for one that differs', () => {
    bench.step(ioError);
    bench.finish();
    expect(bench.loop.result).toMatchObject({ checkedBytes: sizeBytes, repairedBytes: 0, failedBytes: 0 });
  });

  test('says where it could not repair', () => {
    bench.destination[5 * blockBytes] = 1;
    const repair = `write destination ${5 * blockBytes}+${blockBytes}`;
    while (bench.io.underWay[0] !== repair) bench.step();
    bench.step(ioError);
    bench.finish();
    expect(bench.loop.result).toMatchObject({
      failedBytes: blockBytes,
      failed: [{ offsetBytes: 5 * blockBytes, lengthBytes: blockBytes }],
    });
  });

  test('ends early when it is stopped, with no block left claimed', () => {
    bench.destination[5 * blockBytes] = 1;
    while (!(bench.io.underWay[0] ?? '').startsWith('write')) bench.step();
    bench.loop.stop();
    bench.io.endAll();
    expect([bench.loop.isIdle, bench.ranges.count]).toEqual([true, 0]);
  });
});

describe('a verification', () => {
  test('of a successor says how much its predecessor has copied', () => {
    bench = new VerifyBench(false, true);
    bench.finish();
    expect(bench.loop.result).toMatchObject({ checkedBytes: sizeBytes, unknownBytes: 0 });
    bench.copied.map.clearRange(0, 256);
    bench.loop.stop();
    const second = bench.startAgain();
    bench.finish(second);
    expect(second.result).toMatchObject({ checkedBytes: 4 * blockBytes, unknownBytes: mebibyte });
  });

  test('reads the source only where the hash is wrong', () => {
    bench = new VerifyBench(true);
    bench.destination[5 * blockBytes] = 1;
    const sourceReads = bench.finish().filter((text) => text.startsWith('read source'));
    expect(sourceReads).toEqual([`read source 0+${mebibyte}`, `read source ${5 * blockBytes}+${blockBytes}`]);
  });

  test('repairs nothing from a source whose hash is wrong as well', () => {
    bench = new VerifyBench(true);
    bench.destination[5 * blockBytes] = 1;
    bench.source[6 * blockBytes] = 1;
    expect(bench.finish().filter((text) => text.startsWith('write'))).toEqual([]);
    expect(bench.loop.result).toMatchObject({ failedBytes: 2 * blockBytes, repairedBytes: 0 });
  });

  test('distrusts both disks when they agree on what was not copied', () => {
    bench = new VerifyBench(true);
    bench.destination[5 * blockBytes] = 1;
    bench.source[5 * blockBytes] = 1;
    bench.finish();
    expect(bench.loop.result).toMatchObject({ failedBytes: mebibyte, repairedBytes: 0 });
  });
});
