import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Pace, pieceBytesMax, piecesMax, speeds } from '../../../app/copy/pace.ts';
import type { Speed } from '../../../app/copy/pace.ts';
import { blockBytes } from '../../../app/base/units.ts';
import { speedSchema } from '../../../app/contract/plan.ts';

/** Longer than the consumer counts as busy after its last request. */
const stillUs = 25_000;

interface Load {
  inFlight: number;
  requests: number;
}

const idle = (): Load => ({ inFlight: 0, requests: 0 });
const busy = (): Load => ({ inFlight: 1, requests: 0 });

interface Played {
  readonly bytes: number;
  readonly restedUs: number;
  readonly nowUs: number;
}

/**
 * Plays a copy loop that starts pieces whenever it may, one after the other, each taking as long as `pieceUs` says.
 * Returns the bytes that were carried and the time that no piece was under way.
 */
function play(pace: Pace, times: { fromUs: number; untilUs: number; pieceUs: (bytes: number) => number }): Played {
  let [nowUs, bytes, restedUs] = [times.fromUs, 0, 0];
  while (nowUs < times.untilUs) {
    const pieceBytes = pace.nextPieceBytes(nowUs, 0);
    if (pieceBytes === 0) {
      const stepUs = Math.max(1, Math.min(pace.restMs(nowUs) * 1000, 1000));
      nowUs += stepUs;
      restedUs += stepUs;
      continue;
    }
    const tookUs = times.pieceUs(pieceBytes);
    nowUs += tookUs;
    bytes += pieceBytes;
    pace.pieceDone(nowUs, tookUs, pieceBytes);
  }
  return { bytes, restedUs, nowUs };
}

// The copy loop must not know the contract, so the list stands in both.
test('the speeds of the copy loop are those of the contract', () => {
  expect(speeds).toEqual(speedSchema.options);
});

describe('the pace', () => {
  test.each(speeds)('of %s asks for whole blocks, never more than the buffers hold', (speed) => {
    for (const load of [idle(), busy()]) {
      const bytes = new Pace(speed, load).nextPieceBytes(0, 0);
      expect(bytes % blockBytes).toBe(0);
      expect(bytes).toBeGreaterThan(0);
      expect(bytes).toBeLessThanOrEqual(pieceBytesMax);
    }
  });

  test.each(speeds)('of %s is full while the consumer is idle', (speed) => {
    const pace = new Pace(speed, idle());
    expect(pace.nextPieceBytes(0, piecesMax - 1)).toBe(new Pace('full', idle()).nextPieceBytes(0, 0));
    expect(pace.nextPieceBytes(0, piecesMax)).toBe(0);
    pace.pieceDone(1000, 1000, 4096);
    expect(pace.restMs(1000)).toBe(0);
  });

  test('of full does not mind a busy consumer', () => {
    const pace = new Pace('full', busy());
    expect(pace.nextPieceBytes(0, piecesMax - 1)).toBeGreaterThan(0);
    pace.pieceDone(1000, 1000, 4096);
    expect(pace.restMs(1000)).toBe(0);
  });

  test('beside a busy consumer has one piece under way, smaller the gentler', () => {
    const pieceOf = (speed: Speed): number => new Pace(speed, busy()).nextPieceBytes(0, 0);
    expect(pieceOf('gentle')).toBeLessThan(pieceOf('balanced'));
    expect(pieceOf('balanced')).toBeLessThan(pieceOf('full'));
    for (const speed of ['gentle', 'balanced'] as const) expect(new Pace(speed, busy()).nextPieceBytes(0, 1)).toBe(0);
  });

  test('rests after a piece for longer the longer it took, and says how long', () => {
    const restAfter = (tookUs: number): number => {
      const pace = new Pace('balanced', busy());
      pace.pieceDone(tookUs, tookUs, 4096);
      expect(pace.nextPieceBytes(tookUs, 0)).toBe(0);
      const restUs = pace.restMs(tookUs) * 1000;
      expect(pace.nextPieceBytes(tookUs + restUs, 0)).toBeGreaterThan(0);
      return restUs;
    };
    expect(restAfter(300)).toBeCloseTo(3 * restAfter(100));
  });

  test('forgets its rest when the speed is changed', () => {
    const pace = new Pace('gentle', busy());
    pace.pieceDone(1000, 1000, 4096);
    expect(pace.nextPieceBytes(1000, 0)).toBe(0);
    pace.speed = 'balanced';
    expect(pace.nextPieceBytes(1000, 0)).toBeGreaterThan(0);
    expect(pace.speed).toBe('balanced');
  });

  test('takes the consumer for busy for a while after its last request, then not', () => {
    const load = idle();
    const pace = new Pace('gentle', load);
    const unhindered = pace.nextPieceBytes(0, 0);
    load.requests = 1;
    expect(pace.nextPieceBytes(10, 0)).toBeLessThan(unhindered);
    expect(pace.nextPieceBytes(10 + stillUs / 2, 0)).toBeLessThan(unhindered);
    expect(pace.nextPieceBytes(10 + stillUs, 0)).toBe(unhindered);
  });

  test('beside a consumer that never stops goes on for ever, however slow the disk', () => {
    const pieceUs = fc.integer({ min: 10, max: 500_000 });
    fc.assert(
      fc.property(fc.constantFrom(...speeds), fc.array(pieceUs, { minLength: 1, maxLength: 20 }), (speed, durations) => {
        const pace = new Pace(speed, busy());
        let nowUs = 0;
        for (const tookUs of durations) {
          expect(pace.nextPieceBytes(nowUs, 0)).toBeGreaterThan(0);
          nowUs += tookUs;
          pace.pieceDone(nowUs, tookUs, pieceBytesMax);
          const restUs = pace.restMs(nowUs) * 1000;
          expect(restUs).toBeLessThan(20 * tookUs);
          nowUs += restUs;
        }
      }),
    );
  });

  test.each(['gentle', 'balanced'] as const)('of %s leaves the disks to the consumer most of the time', (speed) => {
    const { restedUs, nowUs } = play(new Pace(speed, busy()), { fromUs: 1, untilUs: 10e6, pieceUs: () => 500 });
    expect(restedUs / nowUs).toBeGreaterThan(0.7);
  });

  test('of balanced never falls under a tenth of its best rate, though each piece takes much longer now', () => {
    const load = idle();
    const pace = new Pace('balanced', load);
    const bytesPerUs = 1000;
    const before = play(pace, { fromUs: 1, untilUs: 1e6, pieceUs: (bytes) => bytes / bytesPerUs });
    const best = before.bytes / before.nowUs;
    load.inFlight = 1;
    const untilUs = before.nowUs + 10e6;
    const during = play(pace, { fromUs: before.nowUs, untilUs, pieceUs: (bytes) => (bytes / bytesPerUs) * 4 });
    expect(during.bytes / 10e6).toBeGreaterThan(best / 10);
  });
});
