/**
 * Reads a journal after a crash: looks at everything that is there, lets recovery-decision.ts decide, and
 * rebuilds flags, written bits and phase. Changes nothing. What it reads must be durable already (the caller
 * syncs the journal first): a record that is still in a cache when we rely on it could vanish at the next
 * power cut.
 *
 * A record that is torn or missing at the end was never acknowledged: rounds write one after the other. One
 * that is missing before a later one was, and so is what a slot's checkpoint needs to be complete.
 */
import { assert } from '../base/error.ts';
import { FlagMap } from '../flags/flag-map.ts';
import type { CheckpointHeader } from './checkpoint-header.ts';
import { readHeader } from './checkpoint-header.ts';
import { crc32c } from './crc32c.ts';
import type { JobPhase } from './job-phase.ts';
import type { JournalIdentity, JournalLayout, Slot } from './layout.ts';
import {
  areEqual,
  chunkMapBytes,
  headerOffset,
  layoutOf,
  logOffset,
  mapsOffset,
  unitBytes,
} from './layout.ts';
import { isUnderstood, isWhole, readClaim, replay } from './record.ts';
import type { Newer, RecoveryRefusal, SlotState } from './recovery-decision.ts';
import { decideRecovery } from './recovery-decision.ts';

export interface JournalReader {
  readonly sizeBytes: number;
  /** Bytes that are valid until the next call; all of them lie within `sizeBytes`. */
  read(offsetBytes: number, lengthBytes: number): Uint8Array;
}

/** Where a journal goes on. */
export interface JournalPosition {
  /** The slot that must stay until a newer checkpoint is durable. */
  readonly inForce: Slot;
  readonly generation: number;
  readonly nextSequence: number;
  /** What is used of the log of the slot in force. */
  readonly usedLogBytes: number;
}

export interface RecoveredJournal {
  readonly kind: 'recovered';
  readonly flags: FlagMap;
  readonly written: FlagMap;
  readonly phase: JobPhase;
  readonly position: JournalPosition;
}

export interface RefusedJournal {
  readonly kind: 'refused';
  readonly reason: RecoveryRefusal;
}

interface RecordPlace {
  readonly sequence: number;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

interface SlotFinding {
  readonly state: SlotState;
  /** There when the slot holds a whole checkpoint. */
  readonly header?: CheckpointHeader;
  readonly records?: readonly RecordPlace[];
}

export function recoverJournal(
  reader: JournalReader,
  identity: JournalIdentity,
): RecoveredJournal | RefusedJournal {
  const findings = [examine(reader, identity, 0), examine(reader, identity, 1)] as const;
  const decision = decideRecovery([findings[0].state, findings[1].state], newerOf(findings[0], findings[1]));
  if (decision.kind === 'refuse') return { kind: 'refused', reason: decision.reason };
  const { header, records } = findings[decision.slot];
  assert(header !== undefined && records !== undefined, 'only a whole checkpoint is recovered');
  return rebuild(reader, decision.slot, header, records);
}

/**
 * After a crash every flagged block counts as written. A write that no flush covered may be on the
 * destination all the same, on a block that had only been copied, and nothing has recorded it: consumers have
 * seen it since, and undo must not take it away from them. What the journal says of written bits is the
 * least; it is all where nothing was unflushed.
 */
export function countAllAsWritten({ flags, written }: Pick<RecoveredJournal, 'flags' | 'written'>): void {
  for (let first = flags.nextSet(0); first < flags.blockCount;) {
    const end = flags.nextClear(first);
    written.setRange(first, end);
    first = flags.nextSet(end);
  }
}

function newerOf(first: SlotFinding, second: SlotFinding): Newer {
  const [one, other] = [first.header?.generation ?? 0, second.header?.generation ?? 0];
  if (one === other) return 'neither';
  return one > other ? 0 : 1;
}

function examine(reader: JournalReader, identity: JournalIdentity, slot: Slot): SlotFinding {
  const offset = headerOffset(slot);
  if (offset + unitBytes > reader.sizeBytes) return { state: reader.sizeBytes === 0 ? 'empty' : 'damaged' };
  const finding = readHeader(reader.read(offset, unitBytes));
  if (finding.kind !== 'whole') return { state: finding.kind };
  const { header } = finding;
  const mixUp = mixUpOf(header.identity, identity);
  if (mixUp !== undefined) return { state: mixUp };
  const layout = layoutOf(identity.sizeBytes, header.logBytes);
  if (layout.journalBytes > reader.sizeBytes || sumMaps(reader, layout, slot) !== header.mapsSum)
    return { state: 'damaged' };
  return examineRecords(reader, layout, header);
}

function mixUpOf(found: JournalIdentity, wanted: JournalIdentity): SlotState | undefined {
  if (!areEqual(found.job, wanted.job)) return 'other-job';
  const areSameDisks =
    areEqual(found.source, wanted.source) && areEqual(found.destination, wanted.destination);
  return areSameDisks && found.sizeBytes === wanted.sizeBytes ? undefined : 'other-disks';
}

function sumMaps(reader: JournalReader, layout: JournalLayout, slot: Slot): number {
  let sum = 0;
  for (let chunk = 0; chunk < layout.chunkCount; chunk += 1) {
    const maps = readChunk(reader, layout, slot, chunk);
    sum = crc32c(maps, 0, maps.length, sum);
  }
  return sum;
}

function readChunk(reader: JournalReader, layout: JournalLayout, slot: Slot, chunk: number): Uint8Array {
  return reader.read(mapsOffset(layout, slot) + chunk * 2 * chunkMapBytes, 2 * chunkMapBytes);
}

/** The records that follow the checkpoint, in their order, if they are all there. */
function examineRecords(reader: JournalReader, layout: JournalLayout, header: CheckpointHeader): SlotFinding {
  const { job } = header.identity;
  const records = ([0, 1] as const)
    .flatMap((slot) => findRecords(reader, layout, slot, job))
    .filter(({ sequence }) => sequence >= header.nextSequence)
    .sort((one, other) => one.sequence - other.sequence);
  if (records.some(({ sequence }, index) => sequence !== header.nextSequence + index)) {
    return { state: 'records-missing', header };
  }
  const areUnderstood = records.every((place) => isUnderstood(readRecord(reader, place), layout.blockCount));
  return { state: areUnderstood ? 'complete' : 'from-the-future', header, records };
}

/** All whole records of the job in one log, also such that an earlier use of the log has left. */
function findRecords(
  reader: JournalReader,
  layout: JournalLayout,
  slot: Slot,
  job: Uint8Array,
): RecordPlace[] {
  const found: RecordPlace[] = [];
  const end = logOffset(layout, slot) + layout.logBytes;
  for (let offsetBytes = logOffset(layout, slot); offsetBytes < end;) {
    const claim = readClaim(reader.read(offsetBytes, unitBytes), job);
    const place = claim === undefined ? undefined : { ...claim, offsetBytes };
    const fits = place !== undefined && offsetBytes + place.lengthBytes <= end;
    if (fits && isWhole(readRecord(reader, place))) {
      found.push(place);
      offsetBytes += place.lengthBytes;
    } else {
      offsetBytes += unitBytes;
    }
  }
  return found;
}

function readRecord(reader: JournalReader, { offsetBytes, lengthBytes }: RecordPlace): Uint8Array {
  return reader.read(offsetBytes, lengthBytes);
}

function rebuild(
  reader: JournalReader,
  slot: Slot,
  header: CheckpointHeader,
  records: readonly RecordPlace[],
): RecoveredJournal {
  const layout = layoutOf(header.identity.sizeBytes, header.logBytes);
  const flags = new FlagMap(layout.blockCount);
  const written = new FlagMap(layout.blockCount);
  for (let chunk = 0; chunk < layout.chunkCount; chunk += 1) {
    const maps = readChunk(reader, layout, slot, chunk);
    flags.loadChunk(chunk, maps.subarray(0, chunkMapBytes));
    written.loadChunk(chunk, maps.subarray(chunkMapBytes));
  }
  const state = { flags, written, phase: header.phase };
  for (const place of records) replay(readRecord(reader, place), state);
  const position = {
    inForce: slot,
    generation: header.generation,
    nextSequence: header.nextSequence + records.length,
    usedLogBytes: usedBytes(layout, slot, records),
  };
  return { kind: 'recovered', ...state, position };
}

/** Of the slot's own log, up to the last record that is needed. A torn one behind it will be overwritten. */
function usedBytes(layout: JournalLayout, slot: Slot, records: readonly RecordPlace[]): number {
  const start = logOffset(layout, slot);
  const isOwn = ({ offsetBytes }: RecordPlace): boolean =>
    offsetBytes >= start && offsetBytes < start + layout.logBytes;
  return records
    .filter(isOwn)
    .reduce((used, place) => Math.max(used, place.offsetBytes + place.lengthBytes - start), 0);
}
