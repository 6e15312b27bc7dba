/** The kernel's own counts of requests, in the words of Documentation/block/stat.rst. */
import { expect, it } from 'vitest';
import { parseIoCounts } from '../../../app/devices/io-counts.ts';

it('are understood as kernels from 5.5 on show them', () => {
  const text =
    '      10        1       80        4       20        2      320        8        3        9       12        5        0     4096        1        7        6\n';
  expect(parseIoCounts(text)).toEqual({
    reads: 10,
    writes: 20,
    others: 12,
    readBytes: 80 * 512,
    writtenBytes: 320 * 512,
    inFlight: 3,
    totalLatencyMs: 4 + 8 + 1 + 6,
  });
});

it('are understood as older kernels show them', () => {
  const counts = parseIoCounts('10 1 80 4 20 2 320 8 3 9 12');
  expect(counts).toMatchObject({ reads: 10, writes: 20, others: 0, inFlight: 3, totalLatencyMs: 12 });
});
