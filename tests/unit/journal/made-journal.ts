/**
 * Journals in memory, made byte by byte from the format's own functions, as an engine would have left them:
 * checkpoints in any slot, records anywhere in the logs.
 */
import {
  headerOffset,
  layoutOf,
  logOffset,
  mapsOffset,
  otherSlot,
  unitBytes,
} from '../../../app/journal/layout.ts';
import type { JournalIdentity, JournalLayout, Slot } from '../../../app/journal/layout.ts';
import { chunkMapBytes } from '../../../app/journal/layout.ts';
import { writeHeader } from '../../../app/journal/checkpoint-header.ts';
import { crc32c } from '../../../app/journal/crc32c.ts';
import type { JobPhase } from '../../../app/journal/job-phase.ts';
import { jobPhases } from '../../../app/journal/job-phase.ts';
import { firstHeader } from '../../../app/journal/new-journal.ts';
import type { RunKind } from '../../../app/journal/record.ts';
import { recordBytes, runKinds, sealRecord, writeRun } from '../../../app/journal/record.ts';
import type { JournalReader } from '../../../app/journal/recovery.ts';
import { FlagMap } from '../../../app/flags/flag-map.ts';
import { blockBytes } from '../../../app/base/units.ts';

export interface MadeRun {
  readonly kind: RunKind;
  readonly first: number;
  readonly blockCount: number;
}

/** Flags and written bits as text: one character per block, `.` clear, `f` flagged, `w` written. */
export function textOf({ flags, written }: { flags: FlagMap; written: FlagMap }): string {
  return Array.from({ length: flags.blockCount }, (_, block) => {
    if (written.isSet(block)) return flags.isSet(block) ? 'w' : '!';
    return flags.isSet(block) ? 'f' : '.';
  }).join('');
}

export function identityOf(blockCount: number, seed = 1): JournalIdentity {
  const bytes = (length: number, salt: number): Uint8Array =>
    new Uint8Array(length).fill((seed * 16 + salt) & 255);
  return {
    job: bytes(16, 1),
    source: bytes(32, 2),
    destination: bytes(32, 3),
    sizeBytes: blockCount * blockBytes,
  };
}

export class MadeJournal implements JournalReader {
  readonly identity: JournalIdentity;
  readonly layout: JournalLayout;
  bytes: Uint8Array;
  /** What a recovery of everything written so far must find. */
  readonly flags: FlagMap;
  readonly written: FlagMap;
  phase: JobPhase = jobPhases.copying;
  inForce: Slot = 0;
  generation = 1;
  nextSequence = 1;
  usedLogBytes = 0;

  constructor(blockCount: number, logUnits = 8) {
    this.identity = identityOf(blockCount);
    this.layout = layoutOf(this.identity.sizeBytes, logUnits * unitBytes);
    this.bytes = new Uint8Array(this.layout.journalBytes);
    this.bytes.set(firstHeader(this.identity, this.layout.logBytes));
    this.flags = new FlagMap(blockCount);
    this.written = new FlagMap(blockCount);
  }

  get sizeBytes(): number {
    return this.bytes.length;
  }

  read(offsetBytes: number, lengthBytes: number): Uint8Array {
    const end = offsetBytes + lengthBytes;
    if (end > this.bytes.length) throw new Error(`read up to ${end} of ${this.bytes.length} bytes`);
    return this.bytes.subarray(offsetBytes, end);
  }

  /** Appends a record to the log in force. Returns where. */
  append(runs: readonly MadeRun[]): { readonly offset: number; readonly lengthBytes: number } {
    const record = new Uint8Array(recordBytes(runs.length));
    const words = new Int32Array(record.buffer);
    runs.forEach(({ kind, first, blockCount }, index) => writeRun(words, 0, index, kind, first, blockCount));
    const buffer = { bytes: record, view: new DataView(record.buffer) };
    const lengthBytes = sealRecord(buffer, this.identity.job, this.nextSequence, this.phase, runs.length);
    if (this.usedLogBytes + lengthBytes > this.layout.logBytes) throw new Error('the log is full');
    const offset = logOffset(this.layout, this.inForce) + this.usedLogBytes;
    this.bytes.set(record, offset);
    this.usedLogBytes += lengthBytes;
    this.nextSequence += 1;
    for (const run of runs) this.#apply(run);
    return { offset, lengthBytes };
  }

  /** Writes maps and header into the other slot, as of now, and goes on in its log. */
  checkpoint(): void {
    const slot = otherSlot(this.inForce);
    const mapsSum = this.stage(slot);
    this.generation += 1;
    this.writeHeader(slot, { mapsSum });
    this.inForce = slot;
    this.usedLogBytes = 0;
  }

  stage(slot: Slot): number {
    const from = mapsOffset(this.layout, slot);
    for (let chunk = 0; chunk < this.layout.chunkCount; chunk += 1) {
      this.flags.copyChunk(chunk, this.bytes, from + chunk * 2 * chunkMapBytes);
      this.written.copyChunk(chunk, this.bytes, from + chunk * 2 * chunkMapBytes + chunkMapBytes);
    }
    return crc32c(this.bytes, from, from + this.layout.mapBytes);
  }

  writeHeader(
    slot: Slot,
    change: { readonly mapsSum: number; readonly nextSequence?: number; readonly generation?: number },
  ): void {
    const unit = new Uint8Array(unitBytes);
    const { identity, phase, generation, nextSequence } = this;
    writeHeader(unit, {
      identity,
      phase,
      generation,
      nextSequence,
      logBytes: this.layout.logBytes,
      ...change,
    });
    this.bytes.set(unit, headerOffset(slot));
  }

  #apply({ kind, first, blockCount }: MadeRun): void {
    const end = first + blockCount;
    if (kind === runKinds.returned) {
      this.written.clearRange(first, end);
      return;
    }
    this.flags.setRange(first, end);
    if (kind === runKinds.written) this.written.setRange(first, end);
  }
}
