/** What a router does while undo mirrors: both disks are stepped by hand. */
import { beforeEach, describe, expect, test } from 'vitest';
import { blockBytes } from '../../../app/base/units.ts';
import { destination, source } from '../../../app/devices/disk-io.ts';
import { requestKinds } from '../../../app/router/request.ts';
import { RouterBench } from './router-bench.ts';

const { write, flush, discard, writeZeroes } = requestKinds;
const ioError = -5;
const anywhere = { offset: 0, length: 0 };
/** From the middle of block 1, which is covered in part, to the end of block 2, which is covered whole. */
const partAndWhole = { offset: blockBytes + 512, length: 2 * blockBytes - 512 };
const toSource = 'write source 4608+7680';
const toDestination = 'write destination 4608+7680';

let bench: RouterBench;

/** `written` of blocks 1 and 2. */
function writtenThen(): [boolean, boolean] {
  return [bench.written.isSet(1), bench.written.isSet(2)];
}

beforeEach(() => {
  bench = new RouterBench();
  bench.flags.setRange(0, 4);
});

describe('a write before mirroring', () => {
  test('goes to the destination alone, and mirroring is not complete before it has ended', () => {
    const { mirror } = bench.router;
    bench.ask(write, partAndWhole);
    expect(mirror.isComplete).toBe(false);
    mirror.start();
    expect([mirror.isOn, mirror.isComplete, bench.io.underWay]).toEqual([true, false, [toDestination]]);
    bench.io.endAll();
    expect([mirror.isComplete, writtenThen()]).toEqual([true, [true, true]]);
  });

  test('is not waited for when it fails', () => {
    bench.ask(write, partAndWhole);
    bench.router.mirror.start();
    bench.io.end(toDestination, ioError);
    expect(bench.router.mirror.isComplete).toBe(true);
  });

  test('that has yet to read what it merges is mirrored', () => {
    bench.flags.clearRange(1, 2);
    bench.ask(write, partAndWhole);
    bench.router.mirror.start();
    bench.endRead('read source 4096+4096', 1);
    expect(bench.io.underWay).toContain(toSource);
    bench.io.endAll();
    expect(writtenThen()).toEqual([false, false]);
  });
});

describe('a mirrored write', () => {
  beforeEach(() => bench.router.mirror.start());

  test('is answered when both disks have it, and both get the same bytes', () => {
    const slot = bench.ask(write, { ...partAndWhole, fill: 7 });
    expect(bench.io.underWay).toEqual([toSource, toDestination]);
    expect(bench.io.bufferOf(toSource)).toBe(bench.io.bufferOf(toDestination));
    bench.io.end(toDestination);
    expect([bench.answers, bench.ranges.count]).toEqual([[], 1]);
    bench.io.end(toSource);
    expect([bench.answers, bench.ranges.count]).toEqual([[[slot, 0]], 0]);
  });

  test('of a part of a clear block gives the source its own bytes, not the merged block', () => {
    bench.flags.clearRange(1, 2);
    bench.ask(write, { offset: blockBytes + 512, length: 512, fua: true });
    expect(bench.io.underWay).toEqual(['read source 4096+4096']);
    bench.endRead('read source 4096+4096', 1);
    expect(bench.io.underWay).toEqual(['write source 4608+512 fua', 'write destination 4096+4096 fua']);
    bench.io.endAll();
    expect([bench.flags.isSet(1), bench.written.isSet(1)]).toEqual([true, false]);
  });

  test('of zeroes zeroes the source', () => {
    bench.ask(writeZeroes, { ...partAndWhole, fua: true });
    expect(bench.io.underWay).toEqual(['zero source 4608+7680 fua', 'zero destination 4608+7680 fua']);
  });

  test.each([
    ['both have', 0, 0, [true, false]],
    ['the source refuses', ioError, 0, [true, true]],
    ['the destination refuses', 0, ioError, [true, true]],
    ['both refuse', ioError, ioError, [true, true]],
  ] as const)(
    'that %s leaves so much written of what was: part and whole',
    (_, fromSource, fromDestination, expected) => {
      bench.written.setRange(1, 3);
      const slot = bench.ask(write, partAndWhole);
      bench.io.end(toSource, fromSource);
      bench.io.end(toDestination, fromDestination);
      expect([bench.answers, writtenThen()]).toEqual([[[slot, fromDestination]], expected]);
    },
  );

  test.each([
    ['both have', 0, 0, [false, false]],
    ['the source refuses', ioError, 0, [true, true]],
    ['the destination refuses', 0, ioError, [false, false]],
    ['both refuse', ioError, ioError, [false, false]],
  ] as const)(
    'that %s makes so much written of what was not: part and whole',
    (_, fromSource, fromDestination, expected) => {
      bench.ask(write, partAndWhole);
      bench.io.end(toDestination, fromDestination);
      bench.io.end(toSource, fromSource);
      expect(writtenThen()).toEqual(expected);
    },
  );

  test('that the source refuses is told with its place', () => {
    bench.ask(write, partAndWhole);
    bench.io.end(toSource, -28);
    const { refusals, lastRefusal } = bench.router.mirror;
    expect([refusals, lastRefusal]).toEqual([1, { offsetBytes: 4608, lengthBytes: 7680, errno: -28 }]);
  });

  test('with FUA that only the source refuses spoils no flush of the consumer', () => {
    const slot = bench.ask(write, { ...partAndWhole, fua: true });
    bench.io.end(`${toSource} fua`, ioError);
    bench.io.endAll();
    const later = bench.ask(flush, anywhere);
    bench.io.endAll();
    expect(bench.answers).toEqual([
      [slot, 0],
      [later, 0],
    ]);
  });
});

test('a discard is not mirrored', () => {
  bench.router.mirror.start();
  bench.ask(discard, { offset: 0, length: blockBytes });
  expect(bench.io.underWay).toEqual(['discard destination 0+4096']);
});

describe('what was mirrored and not flushed', () => {
  const place = { offset: 2 * blockBytes, length: blockBytes };

  beforeEach(() => {
    bench.router.mirror.start();
    bench.ask(write, place);
    bench.io.endAll();
  });

  function sourceFails(): void {
    bench.ask(flush, anywhere);
    bench.io.end('flush source', ioError);
    bench.io.endAll();
  }

  test('counts as written again when a flush of the source fails', () => {
    expect(bench.written.setCount).toBe(0);
    sourceFails();
    expect([bench.written.setCount, bench.written.isSet(2)]).toEqual([1, true]);
  });

  test('counts as written again when a FUA write to the source fails', () => {
    bench.ask(write, { offset: 0, length: blockBytes, fua: true });
    bench.io.end('write source 0+4096 fua', ioError);
    bench.io.endAll();
    expect([bench.written.setCount, bench.written.isSet(2)]).toEqual([2, true]);
  });

  test('does not once a flush has covered it', () => {
    const results: number[] = [];
    bench.router.flushSource((result) => results.push(result));
    bench.io.endAll();
    bench.ask(write, { offset: 0, length: blockBytes });
    bench.io.endAll();
    sourceFails();
    expect([results, bench.written.setCount, bench.written.isSet(0)]).toEqual([[0], 1, true]);
  });

  test('counts as written also when the source fails while the write is under way', () => {
    bench.ask(write, { offset: 0, length: blockBytes });
    bench.io.end('write source 0+4096');
    sourceFails();
    expect(bench.written.isSet(0)).toBe(true);
  });

  test('may be lost from the first failed flush on, also for a successor, who cannot know', () => {
    const mayHaveLost = (): boolean[] => [bench.router.mayHaveLost(destination), bench.router.mayHaveLost(source)];
    expect(mayHaveLost()).toEqual([false, false]);
    sourceFails();
    expect(mayHaveLost()).toEqual([false, true]);
    bench = new RouterBench();
    bench.router.goOnAfter(0);
    expect(mayHaveLost()).toEqual([false, true]);
    bench.router.goOnAfter(ioError);
    expect(mayHaveLost()).toEqual([true, true]);
    bench = new RouterBench();
    bench.router.goOnAfter(0, true);
    expect(mayHaveLost()).toEqual([true, true]);
  });

  test('may be lost on the destination once others flush it past the router', () => {
    bench.router.expectUnseenWrites();
    expect([bench.router.mayHaveLost(destination), bench.router.mayHaveLost(source)]).toEqual([true, false]);
  });

  test('is nothing after FUA writes, which are durable at once', () => {
    bench.router.flushSource(() => {});
    bench.io.endAll();
    bench.ask(write, { ...place, fua: true });
    bench.io.endAll();
    bench.ask(flush, anywhere);
    expect(bench.io.underWay).toEqual(['flush destination']);
  });
});
