import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConsumerMeter, consumerMeterBytes } from '../../../app/router/consumer-meter.ts';
import { requestKinds } from '../../../app/router/request.ts';

const { read, write, flush, discard, writeZeroes } = requestKinds;

function meter(): ConsumerMeter {
  return new ConsumerMeter(new SharedArrayBuffer(consumerMeterBytes));
}

/** The smallest latency that `share` of all do not exceed. */
function exactPercentile(latencies: readonly number[], share: number): number {
  const sorted = [...latencies].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] as number;
}

describe('the consumer meter', () => {
  test('counts requests, bytes and failures by kind', () => {
    const counted = meter();
    for (let times = 0; times < 4; times += 1) counted.begun();
    counted.done(read, 4096, 10, false);
    counted.done(write, 512, 20, false);
    counted.done(flush, 0, 900, true);
    expect(counted.inFlight).toBe(1);
    expect(counted.requests).toBe(3);
    expect(counted.totalLatencyUs).toBe(930);
    const { readRequests, writeRequests, readBytes, writtenBytes, failedRequests, longestUs } =
      counted.snapshot();
    expect({ readRequests, writeRequests, readBytes, writtenBytes, failedRequests, longestUs }).toEqual({
      readRequests: 1,
      writeRequests: 1,
      readBytes: 4096,
      writtenBytes: 512,
      failedRequests: 1,
      longestUs: 900,
    });
  });

  test('counts bytes of what was done: zeroing too, and nothing that failed', () => {
    const counted = meter();
    counted.done(write, 512, 20, false);
    counted.done(writeZeroes, 8192, 20, false);
    counted.done(discard, 65536, 20, false);
    for (const kind of [read, write, writeZeroes]) counted.done(kind, 4096, 20, true);
    const { readBytes, writtenBytes, failedRequests } = counted.snapshot();
    expect([readBytes, writtenBytes, failedRequests, counted.requests]).toEqual([0, 512 + 8192, 3, 6]);
  });

  test('has in its counts what was asked directly, as the kernel counted it last', () => {
    const counted = meter();
    counted.begun();
    counted.begun();
    counted.done(read, 4096, 10, false);
    const direct = {
      reads: 3,
      writes: 2,
      others: 1,
      readBytes: 1024,
      writtenBytes: 512,
      inFlight: 4,
      totalLatencyMs: 2,
    };
    counted.setDirect({ ...direct, reads: 1 });
    counted.setDirect(direct);
    const { inFlight, requests, totalLatencyUs } = counted.everything;
    expect([inFlight, requests, totalLatencyUs]).toEqual([5, 7, 2010]);
    expect([counted.inFlight, counted.requests, counted.totalLatencyUs]).toEqual([1, 1, 10]);
    const { readRequests, writeRequests, readBytes, writtenBytes } = counted.snapshot();
    expect([readRequests, writeRequests, readBytes, writtenBytes]).toEqual([4, 2, 5120, 512]);
  });

  test('tells percentiles to 10 % of the latency', () => {
    const latency = fc.oneof(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 1, max: 60_000_000 }));
    const share = fc.constantFrom(0.01, 0.5, 0.9, 0.99, 1);
    fc.assert(
      fc.property(fc.array(latency, { minLength: 1, maxLength: 200 }), share, (latencies, wanted) => {
        const counted = meter();
        for (const latencyUs of latencies) counted.done(read, 512, latencyUs, false);
        const ratio = counted.snapshot().percentileUs(wanted) / exactPercentile(latencies, wanted);
        expect(ratio).toBeGreaterThan(0.9);
        expect(ratio).toBeLessThan(1.1);
      }),
    );
  });

  test('tells percentiles of what was done since an earlier snapshot', () => {
    const counted = meter();
    for (let times = 0; times < 100; times += 1) counted.done(read, 512, 10_000, false);
    const earlier = counted.snapshot();
    counted.done(read, 512, 100, false);
    expect(counted.snapshot().percentileUs(0.99, earlier)).toBeLessThan(110);
    expect(counted.snapshot().percentileUs(0.5)).toBeGreaterThan(9000);
  });

  test('tells 0 when there was nothing, and keeps latencies off its scale at its ends', () => {
    const counted = meter();
    expect(counted.snapshot().percentileUs(0.99)).toBe(0);
    counted.done(read, 512, 0, false);
    expect(counted.snapshot().percentileUs(1)).toBeLessThan(1.1);
    counted.done(read, 512, 1e15, false);
    expect(counted.snapshot().percentileUs(1)).toBeGreaterThan(1e10);
  });

  test('shares its counts through the memory', () => {
    const memory = new SharedArrayBuffer(consumerMeterBytes);
    new ConsumerMeter(memory).done(write, 512, 5, false);
    expect(new ConsumerMeter(memory).snapshot().writtenBytes).toBe(512);
  });
});
