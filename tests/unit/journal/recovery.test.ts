import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chunkBlocks } from '../../../app/flags/flag-map.ts';
import { jobPhases } from '../../../app/journal/job-phase.ts';
import { headerOffset, logOffset, mapsOffset, otherSlot, unitBytes } from '../../../app/journal/layout.ts';
import { crc32c } from '../../../app/journal/crc32c.ts';
import { runKinds } from '../../../app/journal/record.ts';
import type { RecoveredJournal, RefusedJournal } from '../../../app/journal/recovery.ts';
import { recoverJournal } from '../../../app/journal/recovery.ts';
import type { MadeRun } from './made-journal.ts';
import { MadeJournal, identityOf, textOf } from './made-journal.ts';

const blockCount = 40;

function recovered(journal: MadeJournal): RecoveredJournal {
  const result = recoverJournal(journal, journal.identity);
  if (result.kind === 'refused') throw new Error(`refused: ${result.reason}`);
  return result;
}

function outcome(journal: MadeJournal): string {
  const result: RecoveredJournal | RefusedJournal = recoverJournal(journal, journal.identity);
  return result.kind === 'refused' ? `refused: ${result.reason}` : textOf(result);
}

function run(kind: MadeRun['kind'], first: number, count = 1): MadeRun {
  return { kind, first, blockCount: count };
}

const { flagged, written, returned } = runKinds;

function runsUpTo(blocks: number): fc.Arbitrary<MadeRun[]> {
  const anyRun = fc
    .tuple(fc.constantFrom(flagged, written, returned), fc.nat(blocks - 1), fc.nat(blocks - 1))
    .map(([kind, one, other]) => run(kind, Math.min(one, other), Math.abs(one - other) + 1));
  return fc.array(anyRun, { maxLength: 6 });
}

/** A record, or undefined for a checkpoint. */
const steps = fc.array(fc.option(runsUpTo(blockCount), { nil: undefined }), { maxLength: 12 });

/**
 * A journal with checkpoints in both slots and records in both logs, of which some are needed; and all its
 * states so far.
 */
function smallJournal(): { readonly journal: MadeJournal; readonly states: readonly string[] } {
  const journal = new MadeJournal(blockCount, 3);
  const states = [textOf(journal)];
  const append = (...runs: MadeRun[]): void => {
    journal.append(runs);
    states.push(textOf(journal));
  };
  append(run(flagged, 0, 8));
  append(run(written, 4), run(flagged, 20, 3));
  journal.checkpoint();
  append(run(written, 30, 2));
  journal.checkpoint();
  append(run(flagged, 8, 4), run(written, 9));
  append(run(written, 39));
  return { journal, states };
}

describe('recovery', () => {
  test('finds what was written, in any order of records and checkpoints', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const journal = new MadeJournal(blockCount, 16);
        for (const runs of all) {
          if (runs === undefined) journal.checkpoint();
          else journal.append(runs);
        }
        const found = recovered(journal);
        expect(textOf(found)).toBe(textOf(journal));
        expect(found.flags.setCount).toBe(journal.flags.setCount);
        expect(found.position).toEqual({
          inForce: journal.inForce,
          generation: journal.generation,
          nextSequence: journal.nextSequence,
          usedLogBytes: journal.usedLogBytes,
        });
      }),
    );
  });

  test('finds maps of several chunks, the last one short', () => {
    const journal = new MadeJournal(2 * chunkBlocks + 5);
    journal.append([run(written, chunkBlocks - 3, 7), run(flagged, 2 * chunkBlocks + 4)]);
    journal.checkpoint();
    journal.append([run(flagged, 0, chunkBlocks)]);
    const { flags, written: writtenMap } = recovered(journal);
    expect([flags.setCount, writtenMap.setCount]).toEqual([chunkBlocks + 4 + 1, 7]);
    expect(flags.nextClear(0)).toBe(chunkBlocks + 4);
    expect(flags.isSet(2 * chunkBlocks + 4)).toBe(true);
  });

  test('keeps the phase of the job', () => {
    const journal = new MadeJournal(blockCount);
    expect(recovered(journal).phase).toBe(jobPhases.copying);
    journal.phase = jobPhases.undoing;
    journal.append([]);
    expect(recovered(journal).phase).toBe(jobPhases.undoing);
    journal.checkpoint();
    expect(recovered(journal).phase).toBe(jobPhases.undoing);
  });

  test('applies the runs of a record in their order', () => {
    const journal = new MadeJournal(4);
    journal.append([run(written, 0, 4), run(returned, 1, 2), run(written, 2)]);
    expect(outcome(journal)).toBe('wfww');
  });

  test('goes on from the old checkpoint while the next one is being staged', () => {
    const { journal } = smallJournal();
    const before = textOf(journal);
    const staged = mapsOffset(journal.layout, otherSlot(journal.inForce));
    journal.bytes.fill(0x5a, staged, staged + 100);
    expect(outcome(journal)).toBe(before);
  });

  test('goes on from the old checkpoint when the header of the next one is torn', () => {
    const { journal } = smallJournal();
    const before = textOf(journal);
    const other = otherSlot(journal.inForce);
    const mapsSum = journal.stage(other);
    journal.writeHeader(other, { mapsSum, generation: journal.generation + 1 });
    journal.bytes.fill(0, headerOffset(other) + 64, headerOffset(other) + 512);
    expect(outcome(journal)).toBe(before);
  });

  test('takes the records that were written while the checkpoint in force was staged', () => {
    const journal = new MadeJournal(blockCount);
    const mapsSum = journal.stage(1);
    journal.append([run(written, 7)]);
    journal.writeHeader(1, { mapsSum, nextSequence: 1, generation: 2 });
    expect(textOf(recovered(journal))).toBe(textOf(journal));
    expect(recovered(journal).position).toEqual({
      inForce: 1,
      generation: 2,
      nextSequence: 2,
      usedLogBytes: 0,
    });
  });

  test('goes on from an older checkpoint only while no record is missing', () => {
    const journal = new MadeJournal(blockCount);
    journal.append([run(written, 1)]);
    journal.checkpoint();
    journal.append([run(written, 2)]);
    journal.checkpoint();
    journal.append([run(written, 3)]);
    const state = textOf(journal);
    journal.bytes.fill(0xff, headerOffset(journal.inForce), headerOffset(journal.inForce) + unitBytes);
    expect(outcome(journal)).toBe(state);
    // The log of the other slot, where its records begin, is in use again.
    journal.bytes.fill(0, logOffset(journal.layout, 1), logOffset(journal.layout, 1) + unitBytes);
    expect(outcome(journal)).toBe('refused: records-missing');
  });

  test('leaves out a last record of which a unit is torn, lost or old', () => {
    const journal = new MadeJournal(5000, 32);
    const many = Array.from({ length: 1000 }, (_, index) => run(written, index * 5));
    journal.append([run(flagged, 3)]);
    const before = textOf(journal);
    const { offset, lengthBytes } = journal.append(many);
    expect(outcome(journal)).toBe(textOf(journal));
    for (let unit = 0; unit < lengthBytes; unit += unitBytes) {
      for (const left of [0, 0xa5]) {
        const kept = journal.bytes.slice();
        journal.bytes.fill(left, offset + unit, offset + unit + unitBytes);
        expect(outcome(journal)).toBe(before);
        journal.bytes = kept;
      }
    }
  });

  test('refuses when a record is missing before the last', () => {
    const journal = new MadeJournal(blockCount);
    journal.append([run(written, 1)]);
    const { offset } = journal.append([run(written, 2)]);
    journal.append([run(written, 3)]);
    journal.bytes.fill(0, offset, offset + unitBytes);
    expect(outcome(journal)).toBe('refused: records-missing');
  });

  test('refuses when two records have one number', () => {
    const journal = new MadeJournal(blockCount);
    journal.append([run(written, 1)]);
    journal.nextSequence -= 1;
    journal.append([run(written, 2)]);
    expect(outcome(journal)).toBe('refused: records-missing');
  });

  test('does not take a record of another job for its own', () => {
    const journal = new MadeJournal(blockCount);
    const { offset } = journal.append([run(written, 1)]);
    journal.bytes.fill(0x77, offset + 16, offset + 32);
    const view = new DataView(journal.bytes.buffer);
    view.setInt32(offset + 8, crc32c(journal.bytes, offset + 12, offset + 60), true);
    expect(outcome(journal)).toBe('.'.repeat(blockCount));
  });

  test('refuses a record that says what only a later program understands', () => {
    for (const [at, value] of [
      [40, 77],
      [52, 99 << 24],
    ] as const) {
      const journal = new MadeJournal(blockCount);
      const { offset } = journal.append([run(written, 1)]);
      const view = new DataView(journal.bytes.buffer);
      view.setUint32(offset + at, value, true);
      view.setInt32(offset + 8, crc32c(journal.bytes, offset + 12, offset + 60), true);
      expect(outcome(journal)).toBe('refused: from-the-future');
    }
  });

  test('refuses a journal of another job, or for other disks', () => {
    const journal = new MadeJournal(blockCount);
    const { identity } = journal;
    const other = identityOf(blockCount, 2);
    const reasons = [
      { ...identity, job: other.job },
      { ...identity, source: other.source },
      { ...identity, destination: other.destination },
      { ...identity, sizeBytes: identity.sizeBytes + 512 },
    ].map((wanted) => recoverJournal(journal, wanted));
    expect(reasons.map((result) => result.kind === 'refused' && result.reason)).toEqual([
      'other-job',
      'other-disks',
      'other-disks',
      'other-disks',
    ]);
  });

  test('finds no journal in an empty file and in zeroes', () => {
    const journal = new MadeJournal(blockCount);
    journal.bytes.fill(0);
    expect(outcome(journal)).toBe('refused: no-journal');
    journal.bytes = new Uint8Array(0);
    expect(outcome(journal)).toBe('refused: no-journal');
  });
});

describe('recovery of a small journal', () => {
  test('finds a state that was once durable, or refuses, wherever the file is cut off', () => {
    const { journal, states } = smallJournal();
    const whole = journal.bytes;
    const outcomes = new Set<string>();
    for (let length = 0; length < whole.length; length += 1) {
      journal.bytes = whole.subarray(0, length);
      outcomes.add(outcome(journal));
    }
    for (const found of outcomes)
      expect([...states, 'refused: damaged', 'refused: no-journal']).toContain(found);
  });

  test('finds a state that was once durable, or refuses, whatever unit of it is zeroed', () => {
    const { journal, states } = smallJournal();
    const whole = journal.bytes;
    for (let offset = 0; offset < whole.length; offset += unitBytes) {
      journal.bytes = whole.slice();
      journal.bytes.fill(0, offset, offset + unitBytes);
      expect([...states, 'refused: records-missing']).toContain(outcome(journal));
    }
  });

  test('finds a state that was once durable, or refuses, whatever bit of it flips', () => {
    const { journal, states } = smallJournal();
    const allowed = new Set([...states, 'refused: damaged', 'refused: records-missing']);
    const { bytes } = journal;
    const wrong: string[] = [];
    for (let at = 0; at < bytes.length; at += 1) {
      const bit = 1 << ((at * 5) % 8);
      bytes[at] = (bytes[at] as number) ^ bit;
      const found = outcome(journal);
      if (!allowed.has(found)) wrong.push(`byte ${at}: ${found}`);
      bytes[at] = (bytes[at] as number) ^ bit;
    }
    expect(wrong).toEqual([]);
  });
});
