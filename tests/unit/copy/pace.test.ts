import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Pace, pieceBytesMax, piecesMax, speeds } from '../../../app/copy/pace.ts';
import type { Speed } from '../../../app/copy/pace.ts';
import { blockBytes, kibibyte } from '../../../app/base/units.ts';
import { speedSchema } from '../../../app/contract/plan.ts';

/** Longer than the consumer counts as busy after its last request. */
const stillUs = 25_000;
const considerate = ['gentle', 'balanced'] as const;

interface Load {
  inFlight: number;
  requests: number;
  totalLatencyUs: number;
}

const idle = (): Load => ({ inFlight: 0, requests: 0, totalLatencyUs: 0 });
const busy = (): Load => ({ inFlight: 1, requests: 0, totalLatencyUs: 0 });

/** The clock. */
const at = (us: number): Float64Array => Float64Array.of(us);

/** A consumer that is never still and whose requests take so long on average. */
const busyFor = (latencyUs: number): Load => ({
  inFlight: 1,
  requests: 1000,
  totalLatencyUs: 1000 * latencyUs,
});

interface Played {
  readonly bytes: number;
  /** Time without a piece under way. */
  readonly restedUs: number;
  readonly nowUs: number;
  readonly inFlightMost: number;
  readonly pieceBytesMost: number;
}

interface Times {
  readonly fromUs: number;
  readonly untilUs: number;
  /** How long a piece takes once those before it are done. */
  readonly pieceUs: (bytes: number) => number;
}

/**
 * Plays a copy loop that starts pieces whenever it may, over disks that carry one after the other; lets all
 * of them end.
 */
function play(pace: Pace, { fromUs, untilUs, pieceUs }: Times): Played {
  let [nowUs, bytes, restedUs, inFlightMost, pieceBytesMost] = [fromUs, 0, 0, 0, 0];
  const pieces: number[] = [];
  while (nowUs < untilUs || pieces.length > 0) {
    for (
      let next = pace.nextPieceBytes(at(nowUs));
      next > 0 && nowUs < untilUs;
      next = pace.nextPieceBytes(at(nowUs))
    ) {
      pace.pieceStarted(at(nowUs), next);
      pieces.push(next);
      pieceBytesMost = Math.max(pieceBytesMost, next);
    }
    inFlightMost = Math.max(inFlightMost, pieces.length);
    const done = pieces.shift();
    if (done === undefined) {
      const restUs = pace.restUs(at(nowUs));
      expect(restUs).toBeGreaterThan(0);
      nowUs += restUs;
      restedUs += restUs;
    } else {
      nowUs += pieceUs(done);
      bytes += done;
      pace.pieceDone(at(nowUs), done);
    }
  }
  return { bytes, restedUs, nowUs, inFlightMost, pieceBytesMost };
}

/** Disks that carry a piece in the time that its bytes take, after a seek. */
const disks =
  ({ bytesPerUs, seekUs = 0 }: { bytesPerUs: number; seekUs?: number }) =>
  (bytes: number): number =>
    seekUs + bytes / bytesPerUs;

const fast = disks({ bytesPerUs: 1000 });

// The copy loop must not know the contract, so the list stands in both.
test('the speeds of the copy loop are those of the contract', () => {
  expect(speeds).toEqual(speedSchema.options);
});

describe('the pace', () => {
  test.each(speeds)('of %s asks for whole blocks, never more than the buffers hold, on any disk', (speed) => {
    const rates = fc.double({ min: 0.01, max: 50_000, noNaN: true });
    const latencies = fc.double({ min: 0, max: 1e7, noNaN: true });
    fc.assert(
      fc.property(rates, latencies, (bytesPerUs, latencyUs) => {
        const load = idle();
        const pace = new Pace(speed, load);
        const { nowUs } = play(pace, { fromUs: 0, untilUs: 1e5, pieceUs: disks({ bytesPerUs }) });
        Object.assign(load, busyFor(latencyUs));
        const bytes = pace.nextPieceBytes(at(nowUs + 1e9));
        if (bytes === 0) return;
        expect(bytes % blockBytes).toBe(0);
        expect(bytes).toBeLessThanOrEqual(pieceBytesMax);
      }),
    );
  });

  test.each(speeds)('of %s is the fastest while the consumer is idle', (speed) => {
    const played = play(new Pace(speed, idle()), { fromUs: 1, untilUs: 1e6, pieceUs: fast });
    expect(played).toMatchObject({ restedUs: 0, inFlightMost: piecesMax });
  });

  test('of full never rests beside a busy consumer, and has as many pieces under way as it has requests', () => {
    const beside = (inFlight: number): Played =>
      play(new Pace('full', { ...busy(), inFlight }), { fromUs: 1, untilUs: 1e6, pieceUs: fast });
    expect(beside(1)).toMatchObject({ restedUs: 0, inFlightMost: 3 });
    expect(beside(5)).toMatchObject({ restedUs: 0, inFlightMost: 5 });
    expect(beside(100)).toMatchObject({ restedUs: 0, inFlightMost: piecesMax });
  });

  test.each(considerate)('of %s has one piece under way, and rests after each', (speed) => {
    const pace = new Pace(speed, busy());
    const { nowUs } = playUntilRest(pace);
    const played = play(pace, { fromUs: nowUs, untilUs: 1e6, pieceUs: fast });
    expect(played.inFlightMost).toBe(1);
    expect(played.restedUs).toBeGreaterThan(0);
  });

  test.each(considerate)('of %s does not rest for what it copied before the consumer came', (speed) => {
    const load = idle();
    const pace = new Pace(speed, load);
    const { nowUs } = play(pace, { fromUs: 1, untilUs: 60e6, pieceUs: fast });
    load.inFlight = 1;
    const played = play(pace, { fromUs: nowUs, untilUs: nowUs + 1e6, pieceUs: fast });
    expect(played.bytes / 1e6).toBeGreaterThan(1000 * 0.02);
  });

  test('leaves less to the copy the gentler it is', () => {
    const bytesOf = (speed: Speed): number =>
      play(new Pace(speed, busy()), { fromUs: 1, untilUs: 1e6, pieceUs: fast }).bytes;
    expect(bytesOf('gentle')).toBeLessThan(bytesOf('balanced') / 2);
    expect(bytesOf('balanced')).toBeLessThan(bytesOf('full') / 2);
  });

  test.each(considerate)(
    'of %s leaves the disks to the consumer most of the time, whatever they can do',
    (speed) => {
      for (const bytesPerUs of [5, 100, 3000]) {
        const pieceUs = disks({ bytesPerUs, seekUs: 20 });
        const { restedUs, nowUs } = play(new Pace(speed, busy()), { fromUs: 1, untilUs: 60e6, pieceUs });
        expect(restedUs / nowUs).toBeGreaterThan(0.75);
      }
    },
  );

  test('takes larger pieces where requests take longer, so that seeks are few', () => {
    const pieceBeside = (latencyUs: number): number => {
      const pieceUs = disks({ bytesPerUs: 150, seekUs: 15_000 });
      const load = idle();
      const pace = new Pace('balanced', load);
      const { nowUs } = play(pace, { fromUs: 1, untilUs: 1e6, pieceUs: disks({ bytesPerUs: 150 }) });
      Object.assign(load, busyFor(latencyUs));
      return play(pace, { fromUs: nowUs, untilUs: nowUs + 60e6, pieceUs }).pieceBytesMost;
    };
    expect(pieceBeside(20_000)).toBeGreaterThan(pieceBeside(100));
    expect(pieceBeside(100)).toBe(192 * kibibyte);
  });

  test('does not rest for the time that pieces wait beside the consumer, once it has seen what the disks can do', () => {
    const load = idle();
    const pace = new Pace('gentle', load);
    const before = play(pace, { fromUs: 1, untilUs: 1e6, pieceUs: fast });
    load.inFlight = 1;
    const beside = (slower: number): Played =>
      play(pace, {
        fromUs: before.nowUs,
        untilUs: before.nowUs + 10e6,
        pieceUs: (bytes) => fast(bytes) * slower,
      });
    const rate = beside(4).bytes / 10e6;
    expect(rate / (before.bytes / before.nowUs)).toBeGreaterThan(0.02);
  });

  test.each(considerate)(
    'of %s shows with its first pieces what the disks can do, if nobody knows it yet',
    (speed) => {
      const pace = new Pace(speed, busy());
      const first = play(pace, { fromUs: 1, untilUs: 2, pieceUs: fast });
      expect(first.inFlightMost).toBe(piecesMax);
      const after = play(pace, { fromUs: first.nowUs, untilUs: first.nowUs + 1e6, pieceUs: fast });
      expect(after.inFlightMost).toBe(1);
    },
  );

  test('learns from its pieces what the disks can do, if the consumer was never idle', () => {
    const pace = new Pace('balanced', busy());
    const waiting = play(pace, { fromUs: 1, untilUs: 1e6, pieceUs: (bytes) => fast(bytes) * 20 });
    const lucky = play(pace, { fromUs: waiting.nowUs, untilUs: waiting.nowUs + 1e6, pieceUs: fast });
    const again = play(pace, {
      fromUs: lucky.nowUs,
      untilUs: lucky.nowUs + 1e6,
      pieceUs: (bytes) => fast(bytes) * 5,
    });
    expect(again.bytes).toBeGreaterThan(2 * waiting.bytes);
    expect(again.bytes).toBeGreaterThan(lucky.bytes * 0.9);
  });

  test.each(considerate)(
    'of %s is not misled by pieces that end at the same moment after a long time',
    (speed) => {
      const load = idle();
      const pace = new Pace(speed, load);
      const pieces = Array.from({ length: piecesMax }, () => pace.nextPieceBytes(at(0)));
      for (const bytes of pieces) pace.pieceStarted(at(0), bytes);
      for (const bytes of pieces) pace.pieceDone(at(60_000), bytes);
      load.inFlight = 1;
      const nowUs = 1e7;
      pace.pieceStarted(at(nowUs), pace.nextPieceBytes(at(nowUs)));
      pace.pieceDone(at(nowUs + 1000), 1);
      expect(pace.restUs(at(nowUs + 1000))).toBeGreaterThan(1000);
    },
  );

  test('believes disks that have become slower when it sees them idle', () => {
    const load = idle();
    const pace = new Pace('balanced', load);
    const cached = play(pace, { fromUs: 1, untilUs: 1e6, pieceUs: fast });
    const slow = disks({ bytesPerUs: 50 });
    const full = play(pace, { fromUs: cached.nowUs, untilUs: cached.nowUs + 5e6, pieceUs: slow });
    load.inFlight = 1;
    const { restedUs } = play(pace, { fromUs: full.nowUs, untilUs: full.nowUs + 5e6, pieceUs: slow });
    expect(restedUs / 5e6).toBeGreaterThan(0.7);
  });

  test('of balanced never falls under a tenth of its idle rate, though each piece takes much longer now', () => {
    const load = idle();
    const pace = new Pace('balanced', load);
    const before = play(pace, { fromUs: 1, untilUs: 1e6, pieceUs: fast });
    load.inFlight = 1;
    const untilUs = before.nowUs + 10e6;
    const during = play(pace, { fromUs: before.nowUs, untilUs, pieceUs: (bytes) => fast(bytes) * 5 });
    expect(during.bytes / 10e6).toBeGreaterThan(before.bytes / before.nowUs / 10);
  });

  test.each(speeds)(
    'of %s goes on for ever beside a consumer that never stops, however slow the disks',
    (speed) => {
      const pieceUs = fc.integer({ min: 100, max: 1_000_000 });
      fc.assert(
        fc.property(fc.array(pieceUs, { minLength: 1, maxLength: 40 }), busyLoad, (durations, load) => {
          let index = 0;
          const next = (): number => durations[(index += 1) % durations.length] ?? 1;
          const { restedUs, nowUs } = play(new Pace(speed, load), {
            fromUs: 0,
            untilUs: 10e6,
            pieceUs: next,
          });
          expect(restedUs).toBeLessThan(nowUs * 0.99);
        }),
        { numRuns: 20 },
      );
    },
  );

  test('forgets its rest when the speed is changed', () => {
    const pace = new Pace('gentle', busy());
    const { nowUs } = playUntilRest(pace);
    expect(pace.nextPieceBytes(at(nowUs))).toBe(0);
    pace.speed = 'balanced';
    expect(pace.nextPieceBytes(at(nowUs))).toBeGreaterThan(0);
    expect(pace.speed).toBe('balanced');
  });

  test('does not sit out a rest when the consumer has become still', () => {
    const load = busy();
    const pace = new Pace('gentle', load);
    const { nowUs } = playUntilRest(pace, 1e6);
    load.inFlight = 0;
    expect(pace.restUs(at(nowUs))).toBeLessThan(stillUs);
    expect(pace.nextPieceBytes(at(nowUs + pace.restUs(at(nowUs))))).toBeGreaterThan(0);
    expect(pace.restUs(at(nowUs + stillUs))).toBe(0);
  });

  test('takes the consumer for busy for a while after its last request, then not', () => {
    const load = idle();
    const pace = new Pace('gentle', load);
    const { nowUs } = play(pace, { fromUs: 1, untilUs: 1e5, pieceUs: fast });
    const unhindered = pace.nextPieceBytes(at(nowUs));
    load.requests = 1;
    expect(pace.nextPieceBytes(at(nowUs + 10))).toBeLessThan(unhindered);
    expect(pace.nextPieceBytes(at(nowUs + 10 + stillUs / 2))).toBeLessThan(unhindered);
    expect(pace.nextPieceBytes(at(nowUs + 10 + stillUs))).toBe(unhindered);
  });
});

const busyLoad = fc.integer({ min: 0, max: 1_000_000 }).map(busyFor);

/** Pieces one after the other, up to the first rest. */
function playUntilRest(pace: Pace, pieceUs = 100): { nowUs: number } {
  let nowUs = 0;
  while (pace.restUs(at(nowUs)) === 0) {
    const bytes = pace.nextPieceBytes(at(nowUs));
    pace.pieceStarted(at(nowUs), bytes);
    nowUs += pieceUs;
    pace.pieceDone(at(nowUs), bytes);
  }
  return { nowUs };
}
