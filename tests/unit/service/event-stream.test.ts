import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { JobEvent } from '../../../app/contract/events.ts';
import { serviceLimits } from '../../../app/contract/service.ts';
import { EventStream } from '../../../app/service/event-stream.ts';

let sent: { readonly name: string; readonly parameters: object }[];
let unreadBytes: number;

const stream = (job: string | null = null, devices = false): EventStream =>
  new EventStream(
    { unreadBytes: () => unreadBytes, send: (name, parameters) => sent.push({ name, parameters }) },
    { job, devices },
  );
const paused = (job: string): JobEvent => ({ event: 'paused', job, timeMs: 1 });
const progress = (job: string, copiedBytes: number): JobEvent => ({
  ...{
    event: 'progress',
    job,
    timeMs: 1,
    phase: 'copying',
    copiedBytes,
    redirectedBytes: 0,
    skippedBytes: 0,
  },
  ...{
    totalBytes: 100,
    pendingBytes: 0,
    toReturnBytes: 0,
    directBytes: 0,
    unreadableBytes: 0,
    verifiedBytes: 0,
    copyBytesPerSecond: 0,
  },
  etaSeconds: null,
  consumer: { readIops: 0, writeIops: 0, p50Us: 0, p99Us: 0, longestStallMs: 0 },
});

beforeEach(() => {
  vi.useFakeTimers();
  sent = [];
  unreadBytes = 0;
});
afterEach(() => vi.useRealTimers());

describe('EventStream', () => {
  test('tells progress ten times a second at the most, and the newest of each job', () => {
    const told = stream();
    for (let step = 0; step < 1000; step += 1) {
      for (const job of ['a', 'b', 'c']) told.event(progress(job, step));
      vi.advanceTimersByTime(1);
    }
    expect(sent.length).toBeGreaterThan(6);
    expect(sent.length).toBeLessThanOrEqual(serviceLimits.progressPerSecondMax + 1);
    const jobs = new Set(sent.map(({ parameters }) => (parameters as JobEvent).job));
    expect([...jobs].sort()).toEqual(['a', 'b', 'c']);
  });

  test('tells everything else at once, and no old progress after it', () => {
    const told = stream();
    told.event(progress('a', 1));
    told.event(progress('a', 2));
    told.event(paused('a'));
    vi.advanceTimersByTime(1000);
    expect(sent.map(({ parameters }) => (parameters as JobEvent).event)).toEqual(['progress', 'paused']);
  });

  test('tells of one job only, and of devices only whom it concerns', () => {
    const told = stream('a');
    told.event(paused('b'));
    told.devicesChanged();
    expect(sent).toEqual([]);
    stream(null, true).devicesChanged();
    expect(sent).toEqual([{ name: 'devicesChanged', parameters: {} }]);
  });

  test('ends for a client that does not read, says so once, and stays silent', () => {
    const told = stream();
    unreadBytes = serviceLimits.unreadBytesMax + 1;
    told.event(paused('a'));
    unreadBytes = 0;
    told.event(paused('a'));
    expect(sent.map(({ name }) => name)).toEqual(['streamEnded']);
  });
});
