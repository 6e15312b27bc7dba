import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { blockKinds, blockShares, blockSquares } from '../../../renderer/state/block-shares.ts';
import { levelMax, partsMax } from '../../../app/contract/place-levels.ts';
import type { Places } from '../../../app/contract/places.ts';
import { sharesText } from '../../../app/contract/places.ts';
import { nextForecast, noForecast, stalledMs } from '../../../renderer/state/job-forecast.ts';
import type { Samples } from '../../../renderer/state/job-samples.ts';
import { addSample, noSamples, pointsMax } from '../../../renderer/state/job-samples.ts';
import { placeSquares } from '../../../renderer/state/place-squares.ts';
import { percentText, rangeText } from '../../../renderer/text/figures.ts';
import { mebi, progress } from './made-events.ts';

describe('samples for the charts', () => {
  test('are never more than a chart has room for, and cover the whole job', () => {
    let samples: Samples = noSamples;
    for (let index = 0; index < 20_000; index += 1) samples = addSample(samples, progress(index * 100));
    expect(samples.points.length).toBeLessThanOrEqual(pointsMax);
    expect(samples.points.length).toBeGreaterThanOrEqual(pointsMax / 2);
    expect(samples.points[0]?.timeMs).toBe(0);
    expect(samples.points.reduce((sum, { count }) => sum + count, 0)).toBe(20_000);
  });

  test('keep the mean rate and the worst wait', () => {
    const wait = (p99Us: number) => ({ readIops: 0, writeIops: 0, p50Us: 1, p99Us, longestStallMs: 0 });
    const first = addSample(noSamples, progress(0, { copyBytesPerSecond: 10, consumer: wait(5) }));
    const both = addSample(first, progress(100, { copyBytesPerSecond: 30, consumer: wait(900) }));
    expect(both.points).toMatchObject([{ copyBytesPerSecond: 20, p99Us: 900, count: 2 }]);
  });
});

describe('the forecast', () => {
  const pending = (index: number): number => (100 - index) * mebi;

  test('is silent while it warms up, then a range around what was foretold, for ten seconds', () => {
    let forecast = noForecast;
    const shown: (number | undefined)[] = [];
    for (let second = 0; second < 30; second += 1) {
      const etaSeconds = 100 - second + (second % 2 === 0 ? 10 : -10);
      forecast = nextForecast(forecast, progress(second * 1000, { etaSeconds, pendingBytes: pending(second) }));
      shown.push(forecast.range?.lowSeconds);
    }
    expect(shown.slice(0, 5)).toEqual([undefined, undefined, undefined, undefined, undefined]);
    expect(new Set(shown.slice(5, 15)).size).toBe(1);
    expect(new Set(shown.slice(5, 30)).size).toBe(3);
    const { lowSeconds = 0, highSeconds = 0 } = forecast.range ?? {};
    expect(lowSeconds).toBeLessThan(highSeconds);
    expect(lowSeconds).toBeGreaterThan(0);
  });

  test('begins anew with each phase, and where nothing is known', () => {
    const copying = [0, 3000, 6000].reduce((now, timeMs) => nextForecast(now, progress(timeMs)), noForecast);
    expect(copying.range).not.toBeNull();
    expect(nextForecast(copying, progress(7000, { phase: 'verifying' })).range).toBeNull();
    expect(nextForecast(copying, progress(7000, { etaSeconds: null })).range).toBeNull();
  });

  test('tells a standstill from its beginning, and its end', () => {
    const moving = nextForecast(noForecast, progress(1000));
    const standing = progress(9000);
    const after = nextForecast(moving, standing);
    expect(stalledMs(after, standing)).toBe(8000);
    const again = progress(9500, { pendingBytes: 1 });
    expect(stalledMs(nextForecast(after, again), again)).toBe(0);
    expect(stalledMs(moving, progress(1500))).toBe(0);
  });

  test.each([
    [null, 'The time left is not known yet'],
    [{ lowSeconds: 2, highSeconds: 60 }, 'Less than a minute left'],
    [{ lowSeconds: 50, highSeconds: 61 }, 'About 2 minutes left'],
    [{ lowSeconds: 100, highSeconds: 300 }, '1 to 5 minutes left'],
    [{ lowSeconds: 11_000, highSeconds: 20_000 }, '3 to 6 hours left'],
  ])('of %o is "%s"', (range, words) => {
    expect(rangeText(range)).toBe(words);
  });
});

describe('the shares of a volume', () => {
  const amount = fc.integer({ min: 0, max: 100 * mebi });

  test('make up all of it, whatever is told', () => {
    fc.assert(
      fc.property(fc.record({ pendingBytes: amount, unreadableBytes: amount, skippedBytes: amount, toReturnBytes: amount, verifiedBytes: amount }), (fields) => {
        const shares = blockShares(progress(0, fields));
        expect(blockKinds.reduce((sum, kind) => sum + shares[kind], 0)).toBe(100 * mebi);
        expect(blockKinds.every((kind) => shares[kind] >= 0)).toBe(true);
        const squares = blockSquares(shares, 400);
        expect(squares).toHaveLength(400);
        for (const kind of blockKinds) expect(squares.includes(kind)).toBe(shares[kind] > 0);
      }),
    );
  });

  test('keep sight of one bad block among very many', () => {
    const huge = progress(0, { totalBytes: 2 ** 46, pendingBytes: 2 ** 45, unreadableBytes: 4096 });
    expect(blockSquares(blockShares(huge), 500).filter((kind) => kind === 'unreadable')).toHaveLength(1);
  });

  test('are none of nothing', () => {
    expect(blockSquares(blockShares(progress(0, { totalBytes: 0, pendingBytes: 0 })), 10)).toEqual([]);
  });
});

describe('the places of a volume', () => {
  const tebi = 2 ** 40;
  /** Of 64 TiB. */
  const huge = { totalBytes: 64 * tebi, verifiedBytes: 0 };
  const partBytes = huge.totalBytes / partsMax;
  const levels = (level: (part: number) => number): string => sharesText(Uint8Array.from({ length: partsMax }, (_, part) => level(part)));
  const nothing: Places = { partBytes, crossed: '', written: '', free: '', unreadable: '' };

  test('are squares in their order, and cover all of it', () => {
    const half = { ...nothing, crossed: levels((part) => (part < 256 ? levelMax : 0)) };
    for (const count of [1, 7, 480, 512, 600]) {
      const squares = placeSquares(half, huge, count);
      expect(squares).toHaveLength(Math.min(count, partsMax));
      expect(squares[0]?.offsetBytes).toBe(0);
      expect(squares.at(-1)?.endBytes).toBe(huge.totalBytes);
      squares.slice(1).forEach(({ offsetBytes }, index) => expect(offsetBytes).toBe(squares[index]?.endBytes));
    }
    const squares = placeSquares(half, huge, 512);
    expect([squares[255]?.kind, squares[256]?.kind]).toEqual(['copied', 'source']);
  });

  test('never show a part that is left as crossed, nor a bad block as anything else', () => {
    const nearly = { ...nothing, crossed: levels((part) => (part === 100 ? levelMax - 1 : levelMax)), unreadable: levels((part) => (part === 300 ? 1 : 0)) };
    const squares = placeSquares(nearly, huge, 64);
    expect(squares.filter(({ crossed }) => crossed < 1)).toHaveLength(1);
    expect(squares.filter(({ kind }) => kind === 'unreadable')).toMatchObject([{ offsetBytes: 296 * partBytes }]);
  });

  test('tell what was written, was free and was compared', () => {
    const all = () => levelMax;
    const mixed = {
      ...{ ...nothing, crossed: levels(all), written: levels((part) => (part < 2 ? levelMax : 0)) },
      free: levels((part) => (part === 2 ? levelMax : 0)),
    };
    const kinds = placeSquares(mixed, { ...huge, verifiedBytes: 4 * partBytes }, 512).map(({ kind }) => kind);
    expect(kinds.slice(0, 5)).toEqual(['written', 'written', 'free', 'verified', 'copied']);
  });

  test('are none of nothing, and not more than a volume has', () => {
    expect(placeSquares(nothing, { totalBytes: 0, verifiedBytes: 0 }, 10)).toEqual([]);
    expect(placeSquares(nothing, { totalBytes: partBytes + 1, verifiedBytes: 0 }, 10)).toHaveLength(2);
  });
});

describe('a percentage', () => {
  test.each([
    [0, 100, '0.0'],
    [999_999, 1_000_000, '99.9'],
    [1_000_000, 1_000_000, '100'],
    [0, 0, '100'],
  ])('of %d in %d is %s, and 100 only when nothing is left', (done, total, words) => {
    expect(percentText(done, total)).toBe(words);
  });
});
