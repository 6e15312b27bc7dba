/**
 * What a journal holds before its job begins: zeroes, and in slot 0 the header of a first checkpoint that
 * says so. A job begins when this is durable; before that there is nothing to recover.
 */
import { writeHeader } from './checkpoint-header.ts';
import { crc32cOfZeroes } from './crc32c.ts';
import { jobPhases } from './job-phase.ts';
import type { JournalIdentity } from './layout.ts';
import { layoutOf, unitBytes } from './layout.ts';
import type { JournalPosition } from './recovery.ts';

export const newJournalPosition: JournalPosition = {
  inForce: 0,
  generation: 1,
  nextSequence: 1,
  usedLogBytes: 0,
};

/** The first unit of a new journal; the rest is zeroes. */
export function firstHeader(identity: JournalIdentity, logBytes: number): Uint8Array {
  const unit = new Uint8Array(unitBytes);
  const mapsSum = crc32cOfZeroes(layoutOf(identity.sizeBytes, logBytes).mapBytes);
  const { generation, nextSequence } = newJournalPosition;
  writeHeader(unit, { identity, phase: jobPhases.copying, generation, nextSequence, logBytes, mapsSum });
  return unit;
}
