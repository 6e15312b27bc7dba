import { describe, expect, test } from 'vitest';
import { jobEventSchema } from '../../../app/contract/events.ts';
import type { JobEvent } from '../../../app/contract/events.ts';

const line = { job: 'a1', timeMs: 1_790_000_000_000 };

const progress: JobEvent = {
  event: 'progress',
  ...line,
  phase: 'copying',
  copiedBytes: 4096,
  redirectedBytes: 0,
  toReturnBytes: 0,
  verifiedBytes: 0,
  directBytes: 0,
  skippedBytes: 0,
  totalBytes: 8192,
  pendingBytes: 4096,
  unreadableBytes: 0,
  copyBytesPerSecond: 1e9,
  consumer: { readIops: 1.5, writeIops: 0, p50Us: 90, p99Us: 160, longestStallMs: 2 },
  etaSeconds: null,
};

describe('job events', () => {
  test('survive a line of JSON', () => {
    expect(jobEventSchema.parse(JSON.parse(JSON.stringify(progress)))).toEqual(progress);
  });

  test.each([
    ['without a job', { ...progress, job: undefined }],
    ['without a time', { ...progress, timeMs: undefined }],
    ['of an unknown kind', { ...progress, event: 'exploded' }],
    ['with a negative size', { ...progress, copiedBytes: -1 }],
    [
      'with an unknown error code',
      { event: 'failed', ...line, code: 'x', message: '', advice: '', dataIs: 'source' },
    ],
  ])('are rejected %s', (_, event) => {
    expect(jobEventSchema.safeParse(event).success).toBe(false);
  });

  test('a failure carries the advice and says where the data is', () => {
    const failed = { event: 'failed', ...line, code: 'bug', message: 'm', advice: 'a', dataIs: 'both' };
    expect(jobEventSchema.parse(failed)).toEqual(failed);
  });
});
