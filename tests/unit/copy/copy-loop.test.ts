import { describe, expect, test } from 'vitest';
import { blockBytes, kibibyte, sectorBytes } from '../../../app/base/units.ts';
import { CopyLoop } from '../../../app/copy/copy-loop.ts';
import { Pace, piecesMax } from '../../../app/copy/pace.ts';
import type { PendingBlocks } from '../../../app/copy/pending-blocks.ts';
import { BlocksToCopy, BlocksToReturn } from '../../../app/copy/pending-blocks.ts';
import { FlagMap } from '../../../app/flags/flag-map.ts';
import type { RangeOwner } from '../../../app/flags/ranges-in-flight.ts';
import { RangesInFlight } from '../../../app/flags/ranges-in-flight.ts';
import { UnreadableBlocks } from '../../../app/flags/unreadable-blocks.ts';
import { NoJournal } from '../../../app/journal/round-journal.ts';
import { SteppedDiskIo } from '../router/stepped-disk-io.ts';

const ioError = -5;
const idle = { inFlight: 0, requests: 0, totalLatencyUs: 0 };
const pieceBytes = new Pace('full', idle).nextPieceBytes(new Float64Array(1));
const pieceBlocks = pieceBytes / blockBytes;
/** Done blocks that a piece reads across, at most. */
const gapBlocks = (64 * kibibyte) / blockBytes;

/** A copy loop at full speed over disks that the test steps by hand. */
class CopyBench {
  readonly io = new SteppedDiskIo();
  readonly flags: FlagMap;
  readonly unreadable: UnreadableBlocks;
  readonly ranges = new RangesInFlight(piecesMax + 4);
  readonly clockUs = new Float64Array(1);
  readonly loop: CopyLoop;

  constructor(
    sizeBytes: number,
    makePending = (flags: FlagMap, unreadable: UnreadableBlocks): PendingBlocks =>
      new BlocksToCopy(flags, new NoJournal(), unreadable),
  ) {
    this.flags = new FlagMap(Math.ceil(sizeBytes / blockBytes));
    this.unreadable = new UnreadableBlocks(this.flags.blockCount);
    const { io, ranges, clockUs } = this;
    const pace = new Pace('full', idle);
    this.loop = new CopyLoop({
      pending: makePending(this.flags, this.unreadable),
      sizeBytes,
      io,
      ranges,
      buffers: 0,
      pace,
      clockUs,
    });
  }

  /** Sets the flags of these blocks as if the consumer had written them. */
  flag(...blocks: number[]): void {
    for (const block of blocks) this.flags.setRange(block, block + 1);
  }

  /**
   * A consumer's operation on blocks from `first` to before `end`. Returns how to end it, and whether it has
   * gone ahead.
   */
  consumerOn(first: number, end: number): { release: () => void; hasBegun: () => boolean } {
    let hasBegun = false;
    const owner: RangeOwner = { rangeReady: () => void (hasBegun = true) };
    const range = this.ranges.claim(first, end, owner, 0);
    if (this.ranges.isReady(range)) hasBegun = true;
    return { release: () => this.ranges.release(range), hasBegun: () => hasBegun };
  }

  start(): void {
    this.loop.start();
    this.loop.pump();
  }

  /** Lets the loop run to its end over a disk on which these blocks cannot be read. Returns what it has read. */
  runWith(...blocks: readonly number[]): string[] {
    const bad = new Set(blocks);
    const reads: string[] = [];
    while (this.loop.state === 'running' || this.io.underWay.length > 0) {
      const [text = ''] = this.io.underWay;
      const [, kind, , offset = NaN, length = NaN] = /^(\w+) (\w+) (\d+)\+(\d+)/.exec(text) ?? [];
      const [first, end] = [Number(offset) / blockBytes, (Number(offset) + Number(length)) / blockBytes];
      let fails = false;
      for (let block = first; block < end && kind === 'read'; block += 1) fails ||= bad.has(block);
      if (text.startsWith('read')) reads.push(`${first}+${end - first}${fails ? ' fails' : ''}`);
      if (text !== '') this.io.end(text, fails ? ioError : 0);
      this.loop.pump();
      if (kind === undefined && this.io.underWay.length === 0 && this.loop.state === 'running')
        throw new Error('the loop runs and does nothing');
    }
    return reads;
  }
}

function toReturn(written: FlagMap, unreadable: UnreadableBlocks): PendingBlocks {
  return new BlocksToReturn(written, () => {}, unreadable);
}

function blocks(first: number, count: number): string {
  return `${first * blockBytes}+${count * blockBytes}`;
}

describe('the copy loop', () => {
  test('does nothing before it is started', () => {
    const bench = new CopyBench(8 * blockBytes);
    bench.loop.pump();
    expect([bench.loop.state, bench.io.underWay]).toEqual(['waiting', []]);
  });

  test('reads from the source, writes to the destination, flags, and is complete', () => {
    const bench = new CopyBench(8 * blockBytes);
    bench.start();
    const buffer = bench.io.end(`read source ${blocks(0, 8)}`);
    expect(bench.flags.setCount).toBe(0);
    expect(bench.io.end(`write destination ${blocks(0, 8)}`)).toBe(buffer);
    expect([bench.flags.clearCount, bench.loop.carriedBytes]).toEqual([0, 8 * blockBytes]);
    bench.loop.pump();
    expect([bench.loop.state, bench.loop.isIdle, bench.ranges.count]).toEqual(['complete', true, 0]);
  });

  test('is complete at once when nothing is pending', () => {
    const bench = new CopyBench(8 * blockBytes);
    bench.flags.setRange(0, 8);
    bench.start();
    expect([bench.loop.state, bench.io.underWay]).toEqual(['complete', []]);
  });

  test("copies of the disk's short last block only what lies on the disk", () => {
    const bench = new CopyBench(2 * blockBytes + sectorBytes);
    bench.start();
    bench.io.end('read source 0+8704');
    bench.io.end('write destination 0+8704');
    expect(bench.loop.carriedBytes).toBe(8704);
  });

  test('has as many pieces under way as the pace allows', () => {
    const bench = new CopyBench((piecesMax + 2) * pieceBytes);
    bench.start();
    expect(bench.io.underWay).toEqual(
      Array.from(
        { length: piecesMax },
        (_, piece) => `read source ${blocks(piece * pieceBlocks, pieceBlocks)}`,
      ),
    );
  });

  test('reads across gaps of up to 64 KiB, writes only what is pending, and begins a new piece behind longer gaps', () => {
    const bench = new CopyBench(60 * blockBytes);
    bench.flags.setRange(0, 60);
    const second = 2 + 1 + gapBlocks;
    const third = second + 1 + gapBlocks + 1;
    bench.flags.clearRange(2, 3);
    bench.flags.clearRange(second, second + 1);
    bench.flags.clearRange(third, third + 2);
    bench.start();
    expect(bench.io.underWay).toEqual([
      `read source ${blocks(2, gapBlocks + 2)}`,
      `read source ${blocks(third, 2)}`,
    ]);
    const buffer = bench.io.end(`read source ${blocks(2, gapBlocks + 2)}`);
    bench.io.end(`read source ${blocks(third, 2)}`);
    expect(bench.io.bufferOf(`write destination ${blocks(second, 1)}`)).toBe(
      buffer + (second - 2) * blockBytes,
    );
    expect(bench.io.underWay.sort()).toEqual(
      [blocks(2, 1), blocks(second, 1), blocks(third, 2)].map((text) => `write destination ${text}`).sort(),
    );
    bench.io.endAll();
    expect([bench.flags.clearCount, bench.loop.carriedBytes]).toEqual([0, 4 * blockBytes]);
  });

  test('does not write what the consumer has written while the piece was read', () => {
    const bench = new CopyBench(8 * blockBytes);
    bench.start();
    bench.flag(0, 4, 7);
    bench.io.end(`read source ${blocks(0, 8)}`);
    expect(bench.io.underWay).toEqual([
      `write destination ${blocks(1, 3)}`,
      `write destination ${blocks(5, 2)}`,
    ]);
  });

  test('does not write where a consumer operation is under way, and comes back when it has failed', () => {
    const bench = new CopyBench(8 * blockBytes);
    const consumer = bench.consumerOn(3, 5);
    bench.start();
    bench.io.end(`read source ${blocks(0, 8)}`);
    expect(bench.io.underWay).toEqual([
      `write destination ${blocks(0, 3)}`,
      `write destination ${blocks(5, 3)}`,
    ]);
    bench.io.endAll();
    consumer.release();
    bench.loop.pump();
    expect([bench.loop.state, bench.io.underWay]).toEqual(['running', [`read source ${blocks(3, 2)}`]]);
    bench.io.endAll();
    bench.loop.pump();
    expect(bench.loop.state).toBe('complete');
  });

  test('does not read again what a slow consumer operation lies on, and is complete when that ends well', () => {
    const bench = new CopyBench(8 * blockBytes);
    const consumer = bench.consumerOn(3, 5);
    bench.start();
    bench.io.endAll();
    for (let turn = 0; turn < 3; turn += 1) bench.loop.pump();
    expect([bench.loop.state, bench.io.underWay]).toEqual(['running', []]);
    bench.flag(3, 4);
    consumer.release();
    bench.loop.pump();
    expect([bench.loop.state, bench.io.underWay, bench.ranges.count]).toEqual(['complete', [], 0]);
  });

  test('takes its turn between consumer operations that fail again and again', () => {
    const bench = new CopyBench(8 * blockBytes);
    const first = bench.consumerOn(3, 5);
    bench.start();
    bench.io.endAll();
    bench.loop.pump();
    const second = bench.consumerOn(3, 5);
    first.release();
    expect([bench.io.underWay, second.hasBegun()]).toEqual([[`read source ${blocks(3, 2)}`], false]);
    bench.io.end(`read source ${blocks(3, 2)}`);
    bench.io.end(`write destination ${blocks(3, 2)}`);
    expect([bench.flags.clearCount, second.hasBegun()]).toEqual([0, true]);
    bench.loop.pump();
    expect([bench.loop.state, bench.loop.isIdle]).toEqual(['complete', true]);
  });

  test('tells of a block that neither the consumer nor it can write', () => {
    const bench = new CopyBench(8 * blockBytes);
    const first = bench.consumerOn(3, 5);
    bench.start();
    bench.io.endAll();
    bench.loop.pump();
    first.release();
    bench.io.end(`read source ${blocks(3, 2)}`);
    const second = bench.consumerOn(3, 5);
    for (let times = 0; times < 4; times += 1) bench.io.end(`write destination ${blocks(3, 2)}`, ioError);
    expect([bench.loop.state, second.hasBegun()]).toEqual(['failed', true]);
    expect(bench.loop.failure).toMatchObject({ operation: 'write', offsetBytes: 3 * blockBytes });
  });

  test('does not make consumers wait for what failed when it is tried again', () => {
    const bench = new CopyBench(8 * blockBytes);
    bench.start();
    bench.runWith(3, 4);
    bench.start();
    expect([bench.io.underWay, bench.consumerOn(3, 5).hasBegun()]).toEqual([
      [`read source ${blocks(4, 1)}`],
      true,
    ]);
  });

  test('ends a piece without a write when the consumer has written all of it', () => {
    const bench = new CopyBench(2 * blockBytes);
    bench.start();
    bench.flag(0, 1);
    bench.io.end(`read source ${blocks(0, 2)}`);
    expect([bench.io.underWay, bench.loop.isIdle, bench.loop.carriedBytes]).toEqual([[], true, 0]);
  });

  test('makes consumer operations wait for a piece that is being written, not for one that is being read', () => {
    const bench = new CopyBench(8 * blockBytes);
    bench.start();
    const whileRead = bench.consumerOn(7, 8);
    expect(whileRead.hasBegun()).toBe(true);
    bench.io.end(`read source ${blocks(0, 8)}`);
    const whileWritten = bench.consumerOn(0, 1);
    expect(whileWritten.hasBegun()).toBe(false);
    bench.io.end(`write destination ${blocks(0, 7)}`);
    expect(whileWritten.hasBegun()).toBe(true);
  });

  test('has set the flags when those who waited go ahead', () => {
    const bench = new CopyBench(2 * blockBytes);
    bench.start();
    bench.io.end(`read source ${blocks(0, 2)}`);
    const seen: number[] = [];
    bench.ranges.claim(0, 1, { rangeReady: () => seen.push(bench.flags.setCount) }, 0);
    bench.io.endAll();
    expect(seen).toEqual([2]);
  });

  test('starts no piece while it is paused, but ends those under way', () => {
    const bench = new CopyBench((piecesMax + 1) * pieceBytes);
    bench.start();
    bench.loop.pause();
    bench.io.endAll();
    bench.loop.pump();
    expect([bench.loop.state, bench.loop.isIdle, bench.io.underWay]).toEqual(['waiting', true, []]);
    expect(bench.flags.clearCount).toBe(pieceBlocks);
    bench.start();
    expect(bench.io.underWay).toHaveLength(1);
  });
});

describe('a piece that fails', () => {
  test('is written again where it was written, and flagged only when all of it has been', () => {
    const bench = new CopyBench(8 * blockBytes);
    bench.start();
    bench.flag(4);
    bench.io.end(`read source ${blocks(0, 8)}`);
    const [first, second] = [`write destination ${blocks(0, 4)}`, `write destination ${blocks(5, 3)}`];
    bench.io.end(first, ioError);
    bench.io.end(second);
    expect([bench.flags.setCount, bench.io.underWay]).toEqual([1, [first, second]]);
    bench.io.endAll();
    expect(bench.flags.clearCount).toBe(0);
  });

  test('flags nothing when it cannot be written, and gives its blocks to those who wait', () => {
    const bench = new CopyBench(8 * blockBytes);
    bench.start();
    bench.io.end(`read source ${blocks(0, 8)}`);
    const consumer = bench.consumerOn(2, 3);
    for (let times = 0; times < 4; times += 1) bench.io.end(`write destination ${blocks(0, 8)}`, ioError);
    expect([bench.flags.setCount, bench.loop.state, consumer.hasBegun()]).toEqual([0, 'failed', true]);
    expect(bench.loop.failure).toMatchObject({ operation: 'write', offsetBytes: 0 });
  });

  test('leaves the other pieces to end, and lets the loop be started again', () => {
    const bench = new CopyBench(2 * pieceBytes);
    bench.start();
    bench.io.end(`read source ${blocks(0, pieceBlocks)}`);
    const text = `write destination ${blocks(0, pieceBlocks)}`;
    for (let times = 0; times < 4; times += 1) bench.io.end(text, ioError);
    expect(bench.loop.isIdle).toBe(false);
    bench.io.endAll();
    expect([bench.flags.setCount, bench.loop.isIdle]).toEqual([pieceBlocks, true]);
    bench.start();
    bench.io.endAll();
    bench.loop.pump();
    expect([bench.loop.state, bench.loop.failure]).toEqual(['complete', undefined]);
  });
});

describe('a block that cannot be read', () => {
  test('is found by halves when all else has crossed, and tried again from the other end', () => {
    const bench = new CopyBench(pieceBytes + 8 * blockBytes);
    bench.start();
    expect(bench.runWith(5)).toEqual([
      `0+${pieceBlocks} fails`,
      `${pieceBlocks}+8`,
      `0+${pieceBlocks} fails`,
      ...[128, 64, 32, 16, 8].map((count) => `0+${count} fails`),
      '0+4',
      '4+4 fails',
      '4+2 fails',
      '4+1',
      '5+1 fails',
      ...['6+1', '7+1', '8+4', '12+4', '16+16', '32+32', '64+64', '128+128'],
      '5+1 fails',
      '5+1 fails',
    ]);
    expect([bench.loop.state, bench.loop.failure]).toEqual(['failed', { operation: 'the last reads', blockCount: 1 }]);
    expect([bench.flags.clearCount, bench.flags.nextClear(0), bench.unreadable.count]).toEqual([1, 5, 1]);
  });

  test('is one failed read each in a long run of them, after the first', () => {
    const bench = new CopyBench(pieceBytes);
    const run = Array.from({ length: 64 }, (_, index) => 32 + index);
    bench.start();
    const alone = bench.runWith(...run).filter((read) => read.endsWith('+1 fails'));
    expect(alone).toHaveLength(3 * run.length);
    expect([bench.flags.clearCount, bench.unreadable.count]).toEqual([64, 64]);
  });

  test('keeps nothing else from crossing, wherever the bad ones are', () => {
    const bad = [0, 7, 255, 256, 300, 301, 302, 767];
    const bench = new CopyBench(3 * pieceBytes);
    bench.start();
    bench.runWith(...bad);
    expect(Array.from({ length: 768 }, (_, block) => block).filter((block) => !bench.flags.isSet(block))).toEqual(bad);
    expect(bench.unreadable.list(3 * pieceBytes)).toMatchObject({ extentCount: 5, totalBytes: 8 * blockBytes });
  });

  test('crosses when a later try can read it', () => {
    const bench = new CopyBench(8 * blockBytes);
    bench.start();
    bench.runWith(2, 3);
    bench.start();
    bench.runWith(3);
    expect([bench.flags.clearCount, bench.unreadable.count]).toEqual([1, 1]);
    bench.start();
    bench.runWith();
    expect([bench.loop.state, bench.unreadable.count]).toEqual(['complete', 0]);
  });

  test('becomes zeroes when it is accepted, and only then', () => {
    const bench = new CopyBench(8 * blockBytes);
    bench.loop.acceptUnreadable();
    expect(bench.loop.state).toBe('waiting');
    bench.start();
    bench.runWith(2, 3, 6);
    bench.loop.acceptUnreadable();
    bench.loop.pump();
    bench.io.end(`zero destination ${blocks(2, 2)}`);
    bench.loop.pump();
    expect(bench.flags.clearCount).toBe(1);
    bench.io.end(`zero destination ${blocks(6, 1)}`);
    bench.loop.pump();
    expect([bench.loop.state, bench.flags.clearCount, bench.unreadable.count]).toEqual(['complete', 0, 0]);
  });

  test('does not become zeroes where the consumer has written meanwhile', () => {
    const bench = new CopyBench(8 * blockBytes);
    bench.start();
    bench.runWith(2, 3);
    const consumer = bench.consumerOn(2, 3);
    bench.loop.acceptUnreadable();
    bench.loop.pump();
    expect(bench.io.underWay).toEqual([]);
    bench.flag(2);
    consumer.release();
    expect(bench.io.underWay).toEqual([`zero destination ${blocks(3, 1)}`]);
    bench.io.endAll();
    bench.loop.pump();
    expect([bench.loop.state, bench.loop.isIdle]).toEqual(['complete', true]);
  });

  test('stays on an undone disk as it was when it is accepted, and what becomes so afterwards is asked about', () => {
    const bench = new CopyBench(8 * blockBytes, toReturn);
    bench.flag(2, 3, 5);
    bench.start();
    bench.runWith(2, 3, 5);
    const consumer = bench.consumerOn(3, 4);
    bench.loop.acceptUnreadable();
    expect([bench.flags.setCount, bench.unreadable.count]).toEqual([0, 0]);
    // The source has refused what the consumer wrote.
    bench.flag(3);
    consumer.release();
    bench.runWith(3);
    expect(bench.loop.failure).toEqual({ operation: 'the last reads', blockCount: 1 });
    bench.loop.acceptUnreadable();
    bench.loop.pump();
    expect([bench.loop.state, bench.flags.setCount]).toEqual(['complete', 0]);
  });

  test('is waited for in turn when a consumer lies on it again and again', () => {
    const bench = new CopyBench(8 * blockBytes);
    bench.start();
    bench.io.end(`read source ${blocks(0, 8)}`, ioError);
    bench.loop.pump();
    const consumer = bench.consumerOn(0, 8);
    bench.io.end(`read source ${blocks(0, 8)}`);
    bench.loop.pump();
    expect([bench.io.underWay, bench.flags.setCount]).toEqual([[], 0]);
    consumer.release();
    expect(bench.io.underWay).toEqual([`read source ${blocks(0, 8)}`]);
    bench.io.endAll();
    expect(bench.flags.clearCount).toBe(0);
  });
});

describe('a disk that has gone', () => {
  test('stops the loop after a few reads instead of being called unreadable block by block', () => {
    const bench = new CopyBench(100 * pieceBytes);
    bench.start();
    bench.io.end(`read source ${blocks(0, pieceBlocks)}`);
    bench.io.end(`write destination ${blocks(0, pieceBlocks)}`);
    const all = Array.from({ length: 100 * pieceBlocks }, (_, block) => block);
    const reads = bench.runWith(...all);
    expect(reads.at(-5)).toBe('0+1 fails');
    expect(reads.length).toBeLessThan(25);
    expect([bench.loop.state, bench.loop.failure]).toEqual(['failed', { operation: 'any read', errno: ioError }]);
    expect(bench.unreadable.count).toBe(0);
    bench.start();
    bench.runWith();
    expect([bench.loop.state, bench.flags.clearCount]).toEqual(['complete', 0]);
  });

  test('stops it at once when the kernel says so', () => {
    const bench = new CopyBench(8 * blockBytes);
    bench.start();
    bench.io.end(`read source ${blocks(0, 8)}`, -19);
    expect(bench.loop.failure).toEqual({ operation: 'any read', errno: -19 });
  });

  test('is not taken for gone when what was read before can still be read', () => {
    const bench = new CopyBench(20 * pieceBytes);
    const bad = Array.from({ length: 2000 }, (_, index) => 2 * pieceBlocks + index);
    bench.start();
    bench.runWith(...bad);
    expect(bench.loop.failure).toEqual({ operation: 'the last reads', blockCount: bad.length });
  });

  test('is given up by an undo with all that it had, when that is accepted', () => {
    const bench = new CopyBench(8 * blockBytes, toReturn);
    bench.flag(2, 3, 5);
    bench.start();
    bench.io.end(`read destination ${blocks(2, 4)}`, -19);
    bench.loop.acceptUnreadable();
    bench.loop.pump();
    expect([bench.io.underWay, bench.flags.setCount, bench.loop.state]).toEqual([[], 0, 'complete']);
  });
});

describe('a broken assumption', () => {
  test('in a piece stops copying, and nobody waits for the piece for ever', () => {
    const bench = new CopyBench(8 * blockBytes);
    bench.start();
    bench.flag(4);
    bench.io.end(`read source ${blocks(0, 8)}`);
    const consumer = bench.consumerOn(6, 7);
    bench.io.end(`write destination ${blocks(0, 4)}`, ioError);
    bench.io.failAfter(0, new Error('no operation left'));
    bench.io.end(`write destination ${blocks(5, 3)}`);
    expect(bench.loop.failure).toEqual({ operation: 'bug', message: 'no operation left' });
    expect([bench.loop.state, bench.loop.isIdle, consumer.hasBegun()]).toEqual(['failed', true, true]);
    bench.loop.start();
    expect(bench.loop.state).toBe('failed');
  });

  test('between the writes of a piece ends it when those under way have ended', () => {
    const bench = new CopyBench(8 * blockBytes);
    bench.start();
    bench.flag(4);
    bench.io.failAfter(1, new Error('no operation left'));
    bench.io.end(`read source ${blocks(0, 8)}`);
    const consumer = bench.consumerOn(0, 1);
    expect([bench.loop.state, bench.loop.isIdle, consumer.hasBegun()]).toEqual(['failed', false, false]);
    bench.io.end(`write destination ${blocks(0, 4)}`);
    expect([bench.flags.setCount, bench.loop.isIdle, consumer.hasBegun()]).toEqual([1, true, true]);
  });

  test('at the start of a piece leaves none under way', () => {
    const bench = new CopyBench(8 * blockBytes);
    bench.io.failAfter(0, new Error('no operation left'));
    bench.start();
    expect([bench.loop.state, bench.loop.isIdle]).toEqual(['failed', true]);
  });

  test('when its turn comes gives the blocks to those who wait', () => {
    const bench = new CopyBench(8 * blockBytes);
    const first = bench.consumerOn(3, 5);
    bench.start();
    bench.io.endAll();
    bench.loop.pump();
    const second = bench.consumerOn(3, 5);
    bench.io.failAfter(0, new Error('no operation left'));
    first.release();
    expect([bench.loop.state, bench.loop.isIdle, second.hasBegun()]).toEqual(['failed', true, true]);
  });

  test('of who waited for a piece is not taken for one of the copy loop', () => {
    const bench = new CopyBench(2 * blockBytes);
    bench.start();
    bench.io.end(`read source ${blocks(0, 2)}`);
    const broken = (): void => {
      throw new Error('the router broke');
    };
    bench.ranges.claim(0, 1, { rangeReady: broken }, 0);
    expect(() => bench.io.endAll()).toThrow('the router broke');
    expect(bench.loop.failure).toBeUndefined();
  });
});

describe('undo', () => {
  test('carries what was written back to the source, durable before it counts as returned', () => {
    const bench = new CopyBench(8 * blockBytes, (written, unreadable) => new BlocksToReturn(written, () => {}, unreadable));
    bench.flag(2, 3, 5);
    bench.start();
    bench.io.end(`read destination ${blocks(2, 4)}`);
    expect(bench.io.underWay).toEqual([
      `write source ${blocks(2, 2)} fua`,
      `write source ${blocks(5, 1)} fua`,
    ]);
    expect(bench.flags.setCount).toBe(3);
    bench.io.endAll();
    bench.loop.pump();
    expect([bench.flags.setCount, bench.loop.state, bench.loop.carriedBytes]).toEqual([
      0,
      'complete',
      3 * blockBytes,
    ]);
  });

  test('does not carry back what a consumer has changed since the piece began to read, though it stays written', () => {
    const bench = new CopyBench(8 * blockBytes, (written, unreadable) => new BlocksToReturn(written, () => {}, unreadable));
    bench.flag(2, 3, 4);
    bench.start();
    // A part of the block, on both disks: the rest is still to be returned.
    bench.consumerOn(3, 4).release();
    bench.io.end(`read destination ${blocks(2, 3)}`);
    expect(bench.io.underWay).toEqual([
      `write source ${blocks(2, 1)} fua`,
      `write source ${blocks(4, 1)} fua`,
    ]);
    bench.io.endAll();
    bench.loop.pump();
    expect(bench.io.underWay).toEqual([`read destination ${blocks(3, 1)}`]);
  });

  test('tells of each write that the source has failed', () => {
    let losses = 0;
    const bench = new CopyBench(
      8 * blockBytes,
      (written, unreadable) => new BlocksToReturn(written, () => (losses += 1), unreadable),
    );
    bench.flag(2, 5);
    bench.start();
    bench.io.end(`read destination ${blocks(2, 4)}`);
    bench.io.end(`write source ${blocks(2, 1)} fua`, ioError);
    bench.io.end(`write source ${blocks(5, 1)} fua`);
    expect([losses, bench.flags.setCount, bench.loop.state]).toEqual([1, 2, 'running']);
  });
});
