/** What of a disk is erased first and what last. */
import { describe, expect, test } from 'vitest';
import type { Extent } from '../../../app/base/units.ts';
import { mebibyte } from '../../../app/base/units.ts';
import { bytesOf, partsToErase } from '../../../app/devices/eraser.ts';

const part = (offset: number, length: number): Extent => ({ offsetBytes: offset * mebibyte, lengthBytes: length * mebibyte });

describe('the parts of a disk', () => {
  test.each([
    ['both ends are proof', 16, [], { body: [part(1, 14)], proof: [part(0, 1), part(15, 1)] }],
    ['whole MiB around what is asked for', 16, [{ offsetBytes: 5 * mebibyte + 512, lengthBytes: 512 }], {
      body: [part(1, 4), part(6, 9)],
      proof: [part(0, 1), part(5, 1), part(15, 1)],
    }],
    ['what lies on a border takes both', 16, [{ offsetBytes: 5 * mebibyte - 512, lengthBytes: 1024 }], {
      body: [part(1, 3), part(6, 9)],
      proof: [part(0, 1), part(4, 2), part(15, 1)],
    }],
    ['what overlaps is taken once', 16, [part(3, 4), part(4, 1), part(6, 2)], {
      body: [part(1, 2), part(8, 7)],
      proof: [part(0, 1), part(3, 4), part(7, 1), part(15, 1)],
    }],
    ['a small disk is all proof', 1, [], { body: [], proof: [part(0, 1)] }],
    ['one that ends within a MiB', 2.5, [], { body: [part(1, 1)], proof: [part(0, 1), part(2, 0.5)] }],
  ] as const)('%s', (_, mebibytes, proof, expected) => {
    expect(partsToErase(mebibytes * mebibyte, proof)).toEqual({ sizeBytes: mebibytes * mebibyte, ...expected });
  });

  test('are all of it, each byte once', () => {
    const sizeBytes = 300 * mebibyte + 512 * 7;
    const proof = [part(64, 1), part(255, 2), { offsetBytes: sizeBytes - 512, lengthBytes: 512 }, part(0, 1)];
    const parts = partsToErase(sizeBytes, proof);
    const sorted = [...parts.body, ...parts.proof].sort((one, other) => one.offsetBytes - other.offsetBytes);
    let at = 0;
    for (const { offsetBytes, lengthBytes } of sorted) {
      expect(offsetBytes).toBe(at);
      at += lengthBytes;
    }
    expect(at).toBe(sizeBytes);
    expect(bytesOf(sorted)).toBe(sizeBytes);
  });
});
