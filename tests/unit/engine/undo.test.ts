/** The worker's part of undo, over a real router and disks that the test steps by hand. */
import { beforeEach, describe, expect, test } from 'vitest';
import { blockBytes } from '../../../app/base/units.ts';
import { CopyLoop } from '../../../app/copy/copy-loop.ts';
import { Pace } from '../../../app/copy/pace.ts';
import type { PendingBlocks } from '../../../app/copy/pending-blocks.ts';
import { BlocksToCopy } from '../../../app/copy/pending-blocks.ts';
import { Undo } from '../../../app/engine/undo.ts';
import { NoJournal } from '../../../app/journal/round-journal.ts';
import { requestKinds } from '../../../app/router/request.ts';
import { diskBytes, RouterBench } from '../router/router-bench.ts';

const { write } = requestKinds;
const ioError = -5;
const returned = { kind: 'returned' };
const block0 = { offset: 0, length: blockBytes };

let bench: RouterBench;
let copy: CopyLoop;
let undo: Undo;

function makeLoop(pending: PendingBlocks): CopyLoop {
  const { io, ranges, clockUs, meter } = bench;
  return new CopyLoop({
    pending,
    sizeBytes: diskBytes,
    io,
    ranges,
    buffers: 0,
    pace: new Pace('full', meter),
    clockUs,
  });
}

function turn(): string[] {
  undo.pump();
  return bench.io.underWay;
}

beforeEach(() => {
  bench = new RouterBench();
  copy = makeLoop(new BlocksToCopy(bench.flags, new NoJournal(), bench.unreadable));
  undo = new Undo({ isStill: () => copy.isIdle, router: bench.router, written: bench.written, makeLoop });
  bench.ask(write, { offset: 2 * blockBytes, length: blockBytes });
  bench.io.endAll();
});

describe('undo', () => {
  test('begins when no piece of the copy is under way any more', () => {
    copy.start();
    copy.pump();
    copy.pause();
    undo.start();
    const [piece] = turn();
    expect([bench.io.underWay.length, bench.router.mirror.isOn]).toEqual([1, false]);
    bench.io.end(piece ?? '', ioError);
    bench.io.endAll();
    turn();
    expect(bench.router.mirror.isOn).toBe(true);
  });

  test('carries back what was written, flushes what was mirrored, and says so once', () => {
    undo.start();
    expect(turn()).toEqual(['read destination 8192+4096']);
    bench.ask(write, block0);
    bench.io.endAll();
    expect([turn(), undo.takeEnd()]).toEqual([['flush source'], undefined]);
    bench.io.end('flush source');
    expect([undo.takeEnd(), undo.takeEnd(), bench.written.setCount]).toEqual([returned, undefined, 0]);
    expect(bench.router.mirror.isOn).toBe(true);
  });

  test('waits for a write that began before mirroring, and carries it back', () => {
    bench.ask(write, block0);
    undo.start();
    turn();
    bench.io.end('read destination 8192+4096');
    bench.io.end('write source 8192+4096 fua');
    expect(turn()).toEqual(['write destination 0+4096']);
    bench.io.endAll();
    turn();
    expect(turn()).toEqual(['read destination 0+4096']);
    bench.io.endAll();
    turn();
    expect(undo.takeEnd()).toEqual(returned);
  });

  test('carries back what the source refuses, also while it is being flushed', () => {
    undo.start();
    turn();
    bench.ask(write, block0);
    bench.io.endAll();
    turn();
    bench.ask(write, block0);
    bench.io.end('write source 0+4096', ioError);
    bench.io.end('write destination 0+4096');
    bench.io.end('flush source');
    expect([undo.takeEnd(), turn()]).toEqual([undefined, ['read destination 0+4096']]);
  });

  test('fails when the source does, and goes on with what is left when it is asked again', () => {
    undo.start();
    turn();
    for (let tries = 0; tries < 4; tries += 1) {
      if (tries === 0) bench.io.end('read destination 8192+4096');
      bench.io.end('write source 8192+4096 fua', ioError);
    }
    turn();
    const failure = { operation: 'write', offsetBytes: 8192, lengthBytes: 4096, errno: ioError };
    expect(undo.takeEnd()).toEqual({ kind: 'return-failed', failure });
    expect(turn()).toEqual([]);
    undo.start();
    turn();
    bench.io.endAll();
    turn();
    expect([undo.takeEnd(), bench.written.setCount]).toEqual([returned, 0]);
  });

  test('fails when the last flush does, and then carries back once more what it may have lost', () => {
    undo.start();
    turn();
    bench.ask(write, block0);
    bench.io.endAll();
    turn();
    bench.io.end('flush source', ioError);
    const failure = { operation: 'flush', errno: ioError };
    expect(undo.takeEnd()).toEqual({ kind: 'return-failed', failure });
    undo.start();
    expect(turn()).toEqual(['read destination 0+4096']);
  });

  test('asks a person when the source refuses one write after the other, though each can be returned', () => {
    undo.start();
    turn();
    for (let refused = 0; undo.takeEnd() === undefined; refused += 1) {
      expect(refused).toBeLessThan(1000);
      // Not where the last one is being carried back.
      const offset = (refused % 2) * blockBytes;
      bench.ask(write, { offset, length: blockBytes });
      bench.io.end(`write source ${offset}+4096`, ioError);
      bench.io.endAll();
      turn();
    }
    expect(bench.router.mirror.refusals).toBeGreaterThan(100);
  });

  test('that is stopped begins nothing more', () => {
    undo.start();
    turn();
    undo.stop();
    bench.io.endAll();
    expect([turn(), undo.takeEnd()]).toEqual([[], undefined]);
  });
});
