import { describe, expect, test } from 'vitest';
import type { CheckpointHeader } from '../../../app/journal/checkpoint-header.ts';
import { readHeader, writeHeader } from '../../../app/journal/checkpoint-header.ts';
import { crc32c } from '../../../app/journal/crc32c.ts';
import { jobPhases } from '../../../app/journal/job-phase.ts';
import { unitBytes } from '../../../app/journal/layout.ts';
import { identityOf } from './made-journal.ts';

const header: CheckpointHeader = {
  identity: identityOf(2 ** 33 + 7),
  phase: jobPhases.undoing,
  generation: 2 ** 40 + 1,
  nextSequence: 2 ** 52 + 3,
  logBytes: 2 ** 35,
  mapsSum: -12345,
};

function written(): Uint8Array {
  const unit = new Uint8Array(unitBytes).fill(0xaa);
  writeHeader(unit, header);
  return unit;
}

/** Changes 32 bits and corrects the sum, as another program would have written it. */
function rewritten(at: number, value: number): Uint8Array {
  const unit = written();
  const view = new DataView(unit.buffer);
  view.setUint32(at, value, true);
  view.setInt32(8, crc32c(unit, 12, unitBytes), true);
  return unit;
}

describe('a checkpoint header', () => {
  test('is read as it was written, whatever was in its unit', () => {
    expect(readHeader(written())).toEqual({ kind: 'whole', header });
  });

  test('is empty where nothing was written', () => {
    expect(readHeader(new Uint8Array(unitBytes))).toEqual({ kind: 'empty' });
  });

  test('is damaged by any bit that flips', () => {
    const unit = written();
    for (let bit = 0; bit < unitBytes * 8; bit += 1) {
      unit[bit >>> 3] = (unit[bit >>> 3] as number) ^ (1 << (bit & 7));
      expect(readHeader(unit).kind).toBe('damaged');
      unit[bit >>> 3] = (unit[bit >>> 3] as number) ^ (1 << (bit & 7));
    }
  });

  test('is from the future with a version or a phase that we do not know', () => {
    expect(readHeader(rewritten(12, 2)).kind).toBe('from-the-future');
    expect(readHeader(rewritten(108, 99)).kind).toBe('from-the-future');
  });

  test('is damaged with numbers that make no journal', () => {
    for (const [at, value] of [
      [100, 0xffffffff],
      [104, 512],
      [116, 0xffffffff],
      [124, 0xffffffff],
      [128, 1],
    ] as const) {
      expect(readHeader(rewritten(at, value)).kind).toBe('damaged');
    }
  });
});
