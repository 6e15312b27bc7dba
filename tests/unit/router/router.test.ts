import { beforeEach, describe, expect, test } from 'vitest';
import { blockBytes, sectorBytes } from '../../../app/base/units.ts';
import type { RunKind } from '../../../app/journal/record.ts';
import { runKinds } from '../../../app/journal/record.ts';
import type { JournalClient, RoundJournal } from '../../../app/journal/round-journal.ts';
import { requestDataBytesMax, requestKinds } from '../../../app/router/request.ts';
import { diskBytes, RouterBench, wholeBlocks } from './router-bench.ts';

const { read, write, flush, discard, writeZeroes } = requestKinds;
const invalid = -22;
const ioError = -5;
const shortBlock = wholeBlocks * blockBytes;

describe('the router', () => {
  test.each([
    ['of no length', 0, 0],
    ['that begins within a logical block', 100, 512],
    ['that ends within a logical block', 0, 700],
    ['that reaches behind the end', diskBytes - 512, 1024],
    ['behind the end', diskBytes, 512],
    ['at an offset beyond exact numbers', 2 ** 63, 512],
  ])('refuses a request %s and touches no disk', (_, offset, length) => {
    for (const kind of [read, write, discard, writeZeroes]) {
      const bench = new RouterBench();
      const slot = bench.ask(kind, { offset, length: kind === write ? Math.min(length, 4096) : length });
      expect(bench.answers).toEqual([[slot, invalid]]);
      expect(bench.io.underWay).toEqual([]);
    }
  });

  test('refuses data longer than a slot, but not a longer discard', () => {
    const bench = new RouterBench(4 * requestDataBytesMax);
    const tooLong = { offset: 0, length: requestDataBytesMax + sectorBytes };
    const slot = bench.ask(read, tooLong);
    expect(bench.answers).toEqual([[slot, invalid]]);
    bench.ask(discard, { offset: 0, length: 2 * requestDataBytesMax });
    expect(bench.io.underWay).toEqual([`discard destination 0+${2 * requestDataBytesMax}`]);
  });

  test('tells its meter of every request, with its latency', () => {
    const bench = new RouterBench();
    bench.ask(write, { offset: 0, length: 4096 });
    expect(bench.meter.inFlight).toBe(1);
    bench.clockUs[0] = 750;
    bench.io.endAll();
    const { writeRequests, writtenBytes, longestUs } = bench.meter.snapshot();
    expect([bench.meter.inFlight, writeRequests, writtenBytes, longestUs]).toEqual([0, 1, 4096, 750]);
  });

  test('has one frontend', () => {
    const bench = new RouterBench();
    expect(() => bench.router.connect(bench)).toThrow('one frontend');
  });
});

describe('a write', () => {
  test('of whole blocks goes to the destination at once, and is flagged when it is done and before the answer', () => {
    const bench = new RouterBench();
    const seen: boolean[] = [];
    bench.onAnswer = () => seen.push(bench.flags.isSet(2), bench.written.isSet(3), bench.ranges.count === 0);
    const slot = bench.ask(write, { offset: 2 * blockBytes, length: 2 * blockBytes });
    expect(bench.io.underWay).toEqual(['write destination 8192+8192']);
    expect(bench.flags.setCount).toBe(0);
    bench.io.endAll();
    expect(seen).toEqual([true, true, true]);
    expect(bench.answers).toEqual([[slot, 0]]);
    expect([bench.flags.setCount, bench.written.setCount]).toEqual([2, 2]);
  });

  test('of a part of a clear block is merged with the source and written as a whole block', () => {
    const bench = new RouterBench();
    bench.ask(write, { offset: blockBytes + 1024, length: 512, fill: 7 });
    expect(bench.io.underWay).toEqual(['read source 4096+4096']);
    bench.endRead('read source 4096+4096', 1);
    expect(bench.io.underWay).toEqual(['write destination 4096+4096']);
    const buffer = bench.io.end('write destination 4096+4096');
    expect(bench.runsAt(buffer, blockBytes)).toEqual([
      [1, 1024],
      [7, 512],
      [1, 2560],
    ]);
    expect(bench.flags.isSet(1)).toBe(true);
  });

  test('with FUA that fails makes every later flush fail, also one that is under way', () => {
    const bench = new RouterBench();
    const failed = bench.ask(write, { offset: 512, length: blockBytes, fua: true });
    bench.endRead('read source 0+4096', 1);
    bench.endRead('read source 4096+4096', 1);
    const earlier = bench.ask(write, { offset: 5 * blockBytes, length: blockBytes });
    bench.io.end('write destination 20480+4096');
    const running = bench.ask(flush, { offset: 0, length: 0 });
    bench.io.end('write destination 0+4096 fua', ioError);
    bench.io.end('flush destination');
    bench.io.end('write destination 4096+4096 fua');
    const later = bench.ask(flush, { offset: 0, length: 0 });
    expect(bench.answers).toEqual([
      [earlier, 0],
      [running, ioError],
      [failed, ioError],
      [later, ioError],
    ]);
  });

  test('with FUA that fails before anything was written spoils no flush', () => {
    const bench = new RouterBench();
    bench.ask(write, { offset: 512, length: 512, fua: true });
    bench.io.end('read source 0+4096', ioError);
    bench.ask(flush, { offset: 0, length: 0 });
    expect(bench.answers.map(([, result]) => result)).toEqual([ioError, 0]);
  });

  test('of a part of a flagged block is written as it is', () => {
    const bench = new RouterBench();
    bench.flags.setRange(1, 2);
    bench.ask(write, { offset: blockBytes + 1024, length: 512 });
    expect(bench.io.underWay).toEqual(['write destination 5120+512']);
    bench.io.endAll();
    expect(bench.written.isSet(1)).toBe(true);
  });

  test('with FUA that begins and ends within blocks is three writes with FUA', () => {
    const bench = new RouterBench();
    const slot = bench.ask(write, { offset: 512, length: 3 * blockBytes, fua: true, fill: 7 });
    bench.endRead('read source 0+4096', 1);
    expect(bench.io.underWay).toEqual(['read source 12288+4096']);
    bench.endRead('read source 12288+4096', 2);
    const [first, last, body] = [
      'write destination 0+4096 fua',
      'write destination 12288+4096 fua',
      'write destination 4096+8192 fua',
    ] as const;
    expect(bench.io.underWay).toEqual([first, last, body]);
    expect(bench.runsAt(bench.io.end(body), 8192)).toEqual([[7, 8192]]);
    expect(bench.runsAt(bench.io.end(first), blockBytes)).toEqual([
      [1, 512],
      [7, 3584],
    ]);
    expect(bench.answers).toEqual([]);
    expect(bench.runsAt(bench.io.end(last), blockBytes)).toEqual([
      [7, 512],
      [2, 3584],
    ]);
    expect(bench.answers).toEqual([[slot, 0]]);
    expect(bench.flags.setCount).toBe(4);
  });

  test("takes the disk's short last block for whole when it reaches the end", () => {
    const bench = new RouterBench();
    bench.ask(write, { offset: shortBlock, length: 3 * sectorBytes });
    expect(bench.io.underWay).toEqual([`write destination ${shortBlock}+1536`]);
    bench.io.endAll();
    expect(bench.flags.isSet(wholeBlocks)).toBe(true);
  });

  test("merges of the disk's short last block only what lies on the disk", () => {
    const bench = new RouterBench();
    bench.ask(write, { offset: shortBlock + 512, length: 512, fill: 7 });
    bench.endRead(`read source ${shortBlock}+1536`, 1);
    const buffer = bench.io.end(`write destination ${shortBlock}+1536`);
    expect(bench.runsAt(buffer, 1536)).toEqual([
      [1, 512],
      [7, 512],
      [1, 512],
    ]);
  });

  test('that fails flags nothing, is answered with the error and lets the next one go', () => {
    const bench = new RouterBench();
    const first = bench.ask(write, { offset: 0, length: blockBytes });
    const second = bench.ask(write, { offset: 0, length: blockBytes });
    expect(bench.io.underWay).toEqual(['write destination 0+4096']);
    bench.io.end('write destination 0+4096', ioError);
    expect(bench.answers).toEqual([[first, ioError]]);
    expect([bench.flags.setCount, bench.written.setCount]).toEqual([0, 0]);
    bench.io.end('write destination 0+4096');
    expect(bench.answers).toEqual([
      [first, ioError],
      [second, 0],
    ]);
  });

  test('whose merge cannot read the source writes nothing', () => {
    const bench = new RouterBench();
    const slot = bench.ask(write, { offset: 512, length: blockBytes });
    bench.io.end('read source 0+4096', ioError);
    bench.io.end('read source 4096+4096');
    expect(bench.answers).toEqual([[slot, ioError]]);
    expect(bench.io.underWay).toEqual([]);
    expect([bench.flags.setCount, bench.ranges.count]).toEqual([0, 0]);
  });

  test('is answered with its first error, and only when all its parts have ended', () => {
    const bench = new RouterBench();
    const slot = bench.ask(write, { offset: 0, length: blockBytes + 512 });
    bench.io.end('read source 4096+4096');
    bench.io.end('write destination 4096+4096', ioError);
    expect(bench.answers).toEqual([]);
    bench.io.end('write destination 0+4096', -28);
    expect(bench.answers).toEqual([[slot, ioError]]);
  });

  test('waits for an earlier one of the same block and then finds it flagged', () => {
    const bench = new RouterBench();
    bench.ask(write, { offset: 0, length: 512 });
    bench.ask(write, { offset: 1024, length: 512 });
    expect(bench.io.underWay).toEqual(['read source 0+4096']);
    bench.io.end('read source 0+4096');
    bench.io.end('write destination 0+4096');
    expect(bench.io.underWay).toEqual(['write destination 1024+512']);
  });

  test('does not wait for one of the next block', () => {
    const bench = new RouterBench();
    bench.ask(write, { offset: 0, length: blockBytes });
    bench.ask(write, { offset: blockBytes, length: blockBytes });
    expect(bench.io.underWay).toEqual(['write destination 0+4096', 'write destination 4096+4096']);
  });
});

describe('write zeroes', () => {
  test('zeroes whole blocks and merges the parts at both ends', () => {
    const bench = new RouterBench();
    const slot = bench.ask(writeZeroes, { offset: 512, length: 2 * blockBytes, fua: true });
    bench.endRead('read source 0+4096', 1);
    bench.endRead('read source 8192+4096', 2);
    bench.io.end('zero destination 4096+4096 fua');
    expect(bench.runsAt(bench.io.end('write destination 0+4096 fua'), blockBytes)).toEqual([
      [1, 512],
      [0, 3584],
    ]);
    expect(bench.runsAt(bench.io.end('write destination 8192+4096 fua'), blockBytes)).toEqual([
      [0, 512],
      [2, 3584],
    ]);
    expect(bench.answers).toEqual([[slot, 0]]);
    expect([bench.flags.setCount, bench.written.setCount]).toEqual([3, 3]);
  });
});

describe('a discard', () => {
  test('of a part of a block is answered at once and changes nothing', () => {
    const bench = new RouterBench();
    const slot = bench.ask(discard, { offset: 512, length: 7 * sectorBytes });
    expect(bench.answers).toEqual([[slot, 0]]);
    expect([bench.io.underWay.length, bench.flags.setCount]).toEqual([0, 0]);
  });

  test('leaves alone the parts of blocks at both ends, flagged or not', () => {
    const bench = new RouterBench();
    bench.flags.setRange(0, 1);
    bench.ask(discard, { offset: 512, length: 2 * blockBytes });
    expect(bench.io.underWay).toEqual(['discard destination 4096+4096']);
    bench.io.endAll();
    expect([bench.flags.isSet(1), bench.flags.isSet(2)]).toEqual([true, false]);
  });

  test('flags its blocks when it is done, as nothing that undo would bring back', () => {
    const bench = new RouterBench();
    bench.ask(discard, { offset: 0, length: diskBytes });
    expect([bench.io.underWay, bench.flags.setCount]).toEqual([[`discard destination 0+${diskBytes}`], 0]);
    bench.io.endAll();
    expect([bench.flags.clearCount, bench.written.setCount]).toEqual([0, 0]);
  });

  test('that fails flags nothing', () => {
    const bench = new RouterBench();
    const slot = bench.ask(discard, { offset: 0, length: blockBytes });
    bench.io.end('discard destination 0+4096', ioError);
    expect([bench.answers, bench.flags.setCount]).toEqual([[[slot, ioError]], 0]);
  });

  test('waits for a write of its block, and a later write for it', () => {
    const bench = new RouterBench();
    bench.ask(write, { offset: 0, length: blockBytes });
    bench.ask(discard, { offset: 0, length: 2 * blockBytes });
    bench.ask(write, { offset: blockBytes, length: 512 });
    bench.io.end('write destination 0+4096');
    expect(bench.io.underWay).toEqual(['discard destination 0+8192']);
    bench.io.end('discard destination 0+8192');
    expect(bench.io.underWay).toEqual(['write destination 4096+512']);
  });
});

describe('a read', () => {
  test('is split where the flags change', () => {
    const bench = new RouterBench();
    bench.flags.setRange(1, 3);
    const slot = bench.ask(read, { offset: 512, length: 4 * blockBytes });
    const pieces = ['read source 512+3584', 'read destination 4096+8192', 'read source 12288+4608'];
    expect(bench.io.underWay).toEqual(pieces);
    const data = bench.requests.dataOffset(slot);
    expect(pieces.map((piece) => bench.io.bufferOf(piece) - data)).toEqual([0, 3584, 11_776]);
    bench.io.endAll();
    expect(bench.answers).toEqual([[slot, 0]]);
  });

  test('does not wait for a write of its block and is then served from the source', () => {
    const bench = new RouterBench();
    bench.ask(write, { offset: 0, length: blockBytes });
    bench.ask(read, { offset: 0, length: blockBytes });
    expect(bench.io.underWay).toEqual(['write destination 0+4096', 'read source 0+4096']);
  });

  /** Every other block is flagged. */
  function riddled(): RouterBench {
    const bench = new RouterBench(40 * blockBytes);
    for (let block = 0; block < 40; block += 2) bench.flags.setRange(block, block + 1);
    return bench;
  }

  test('of many pieces has at most sixteen under way, and looks at the flags when a piece starts', () => {
    const bench = riddled();
    const slot = bench.ask(read, { offset: 0, length: 40 * blockBytes });
    expect(bench.io.underWay).toHaveLength(16);
    bench.flags.setRange(16, 40);
    bench.io.end('read destination 0+4096');
    expect(bench.io.underWay).toHaveLength(16);
    const rest = `read destination ${16 * blockBytes}+${24 * blockBytes}`;
    expect(bench.io.bufferOf(rest)).toBe(bench.requests.dataOffset(slot) + 16 * blockBytes);
    bench.io.endAll();
    expect(bench.answers).toEqual([[slot, 0]]);
  });

  test('that fails starts no more pieces and is answered once, when all have ended', () => {
    const bench = riddled();
    const slot = bench.ask(read, { offset: 0, length: 40 * blockBytes });
    bench.io.end('read source 4096+4096', ioError);
    expect([bench.io.underWay.length, bench.answers]).toEqual([15, []]);
    bench.io.endAll();
    expect(bench.answers).toEqual([[slot, ioError]]);
  });
});

describe('a flush', () => {
  test('flushes the destination after a write, and not after a discard or a failed write', () => {
    const bench = new RouterBench();
    const lengths = { offset: 0, length: blockBytes };
    bench.ask(discard, lengths);
    bench.io.endAll();
    bench.ask(write, lengths);
    bench.io.end('write destination 0+4096', ioError);
    bench.ask(flush, { offset: 0, length: 0 });
    expect(bench.io.underWay).toEqual([]);
    bench.ask(write, lengths);
    bench.io.endAll();
    bench.ask(flush, { offset: 0, length: 0 });
    expect(bench.io.underWay).toEqual(['flush destination']);
  });

  test('does not wait for a write that is under way', () => {
    const bench = new RouterBench();
    bench.ask(write, { offset: 0, length: blockBytes });
    const slot = bench.ask(flush, { offset: 0, length: 0 });
    expect(bench.answers).toEqual([[slot, 0]]);
  });
});

describe('a router with a journal', () => {
  interface Noted {
    readonly kind: RunKind;
    readonly first: number;
    readonly end: number;
  }

  /** Records at once when asked to; until then every write that it was told of is unrecorded. */
  class PlainJournal implements RoundJournal {
    readonly wantsRound = false;
    noted: Noted[] = [];
    #client: JournalClient | undefined;

    get mustRecord(): boolean {
      return this.noted.length > 0;
    }

    note(kind: RunKind, first: number, end: number): void {
      this.noted.push({ kind, first, end });
    }

    isUnrecorded(): boolean {
      return this.noted.length > 0;
    }

    prepare(client: JournalClient): void {
      this.#client = client;
      client.journalPrepared(0);
    }

    commit(): void {
      this.noted = [];
      this.#client?.journalCommitted(0);
    }
  }

  let journal: PlainJournal;
  let bench: RouterBench;

  beforeEach(() => {
    journal = new PlainJournal();
    bench = new RouterBench(diskBytes, journal);
  });

  test('notes what a write has flagged, and not a second write of the same', () => {
    bench.ask(write, { offset: blockBytes, length: blockBytes });
    expect(journal.noted).toEqual([]);
    bench.io.endAll();
    expect(journal.noted).toEqual([{ kind: runKinds.written, first: 1, end: 2 }]);
    bench.ask(write, { offset: blockBytes, length: blockBytes });
    bench.io.endAll();
    expect(journal.noted).toHaveLength(1);
  });

  test('notes the first write of a block that was flagged without it', () => {
    bench.flags.setRange(1, 2);
    bench.ask(write, { offset: blockBytes, length: blockBytes });
    bench.io.endAll();
    expect(journal.noted).toEqual([{ kind: runKinds.written, first: 1, end: 2 }]);
  });

  test('notes what a discard has flagged as flagged only, and nothing after a failure', () => {
    bench.ask(discard, { offset: blockBytes, length: blockBytes });
    bench.io.endAll();
    bench.ask(write, { offset: 2 * blockBytes, length: blockBytes });
    bench.io.end('write destination 8192+4096', ioError);
    expect(journal.noted).toEqual([{ kind: runKinds.flagged, first: 1, end: 2 }]);
  });

  test('answers a FUA write after a round when its flag is not recorded, and at once when it is', () => {
    const first = bench.ask(write, { offset: blockBytes, length: blockBytes, fua: true });
    bench.io.end('write destination 4096+4096 fua');
    expect([bench.answers, bench.io.underWay]).toEqual([[], ['flush destination']]);
    // Whoever waited for the blocks goes ahead meanwhile.
    expect(bench.ranges.count).toBe(0);
    bench.io.end('flush destination');
    expect(bench.answers).toEqual([[first, 0]]);
    const second = bench.ask(write, { offset: blockBytes, length: blockBytes, fua: true });
    bench.io.end('write destination 4096+4096 fua');
    expect([bench.answers, bench.io.underWay]).toEqual([
      [
        [first, 0],
        [second, 0],
      ],
      [],
    ]);
  });

  test('lets a FUA write wait for the flag that an earlier write has set', () => {
    bench.ask(write, { offset: blockBytes, length: blockBytes });
    bench.io.endAll();
    bench.ask(write, { offset: blockBytes, length: blockBytes, fua: true });
    bench.io.end('write destination 4096+4096 fua');
    expect(bench.io.underWay).toEqual(['flush destination']);
  });

  test('notes each mirrored write', () => {
    bench.flags.setRange(1, 2);
    bench.router.mirror.start();
    bench.ask(write, { offset: blockBytes, length: blockBytes });
    bench.io.endAll();
    expect(journal.noted).toEqual([{ kind: runKinds.written, first: 1, end: 2 }]);
  });
});
