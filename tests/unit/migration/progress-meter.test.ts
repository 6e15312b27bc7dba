/** What people see of a job's progress, on its way there and on its way back. */
import { describe, expect, test } from 'vitest';
import type { EngineProgress } from '../../../app/engine/progress-cells.ts';
import { ProgressMeter } from '../../../app/migration/progress-meter.ts';
import { ConsumerMeter, consumerMeterBytes } from '../../../app/router/consumer-meter.ts';

const consumer = new ConsumerMeter(new SharedArrayBuffer(consumerMeterBytes)).snapshot();
const start: EngineProgress = {
  copiedBytes: 0,
  skippedBytes: 0,
  pendingBytes: 8000,
  unreadableBytes: 0,
  writtenBytes: 0,
  verifiedBytes: 0,
  isCopying: true,
  clientCount: 0,
};

describe('the progress of a job', () => {
  test('while it copies is that of what is pending', () => {
    const meter = new ProgressMeter(8000);
    meter.measure('copying', 0, start, consumer);
    const now = meter.measure('copying', 4000, { ...start, copiedBytes: 4000, pendingBytes: 4000 }, consumer);
    expect(now).toMatchObject({
      phase: 'copying',
      copyBytesPerSecond: 1000,
      etaSeconds: 4,
      toReturnBytes: 0,
    });
  });

  test('while it goes back is that of what has to be returned', () => {
    const meter = new ProgressMeter(8000);
    const synchronized = {
      ...start,
      copiedBytes: 5000,
      pendingBytes: 0,
      writtenBytes: 6000,
      isCopying: false,
    };
    meter.measure('copying', 0, start, consumer);
    meter.measure('synchronized', 3000, synchronized, consumer);
    const first = meter.measure('undoing', 4000, synchronized, consumer);
    expect(first).toMatchObject({
      phase: 'undoing',
      toReturnBytes: 6000,
      copyBytesPerSecond: 0,
      etaSeconds: null,
    });
    const second = meter.measure('undoing', 5000, { ...synchronized, writtenBytes: 4000 }, consumer);
    expect(second).toMatchObject({ toReturnBytes: 4000, copyBytesPerSecond: 2000 });
    const last = meter.measure('undoing', 6000, { ...synchronized, writtenBytes: 0 }, consumer);
    expect(last).toMatchObject({ toReturnBytes: 0, copyBytesPerSecond: 4000, etaSeconds: 0 });
  });
});
