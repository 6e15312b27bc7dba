/**
 * A record: all changes of the flags that one round of flushes makes durable, one write of whole units.
 *
 *   offset  length  what
 *   0       8       "DFERRYrc"
 *   8       4       CRC-32C of the bytes from 12 to the end of the last run
 *   12      4       number of runs
 *   16      16      job
 *   32      8       sequence number: one more than that of the record before
 *   40      4       phase of the job from here on (job-phase.ts)
 *   44      4       zeroes
 *   48      12 each runs, to be applied in their order
 *           …       zeroes, to the end of the unit
 *
 * A run: 0..3 the low 32 bits of its first block; 4..6 the next 24; 7 its kind; 8..11 how many blocks. A kind
 * has one meaning for ever. A record with a kind or phase that this program does not know is from the future.
 */
import { assert } from '../base/error.ts';
import type { FlagMap } from '../flags/flag-map.ts';
import { crc32c } from './crc32c.ts';
import type { JobPhase } from './job-phase.ts';
import { isJobPhase } from './job-phase.ts';
import { areEqual, inUnits, jobBytes, readLong, writeLong } from './layout.ts';

export const runKinds = {
  /** The destination holds the blocks: copied, or discarded. */
  flagged: 1,
  /** The same, and the consumer wrote them: undo must bring them back. */
  written: 2,
  /** The source holds them as well: what undo has brought back. Flagged they stay. */
  returned: 3,
} as const;
export type RunKind = (typeof runKinds)[keyof typeof runKinds];

const magic = new TextEncoder().encode('DFERRYrc');
const summedFrom = 12;
export const runsFrom = 48;
export const runBytes = 12;
const twoTo32 = 4294967296;
/** More blocks than this are several runs. */
export const runBlocksMax = twoTo32 - 1;

export function recordBytes(runCount: number): number {
  return inUnits(runsFrom + runCount * runBytes);
}

/** Puts run `index` in its place. `words` is the record as 32-bit words, from word `at` on. */
export function writeRun(
  words: Int32Array,
  at: number,
  index: number,
  kind: RunKind,
  first: number,
  blockCount: number,
): void {
  const run = at + (runsFrom + index * runBytes) / 4;
  words[run] = first;
  words[run + 1] = (kind << 24) | Math.floor(first / twoTo32);
  words[run + 2] = blockCount;
}

/** A buffer for records, and the same memory for its numbers. Made once: records are written all the time. */
export interface RecordBuffer {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** Completes a record whose runs are in place. Returns its length. */
export function sealRecord(
  { bytes, view }: RecordBuffer,
  job: Uint8Array,
  sequence: number,
  phase: JobPhase,
  runCount: number,
): number {
  const end = runsFrom + runCount * runBytes;
  const lengthBytes = recordBytes(runCount);
  bytes.set(magic);
  view.setUint32(12, runCount, true);
  bytes.set(job, 16);
  writeLong(view, 32, sequence);
  view.setUint32(40, phase, true);
  view.setUint32(44, 0, true);
  bytes.fill(0, end, lengthBytes);
  view.setInt32(8, crc32c(bytes, summedFrom, end), true);
  return lengthBytes;
}

/**
 * What the first unit of a record says about it; undefined when none of this job begins here. Its sum is not
 * checked yet.
 */
export interface RecordClaim {
  readonly sequence: number;
  readonly lengthBytes: number;
}

export function readClaim(unit: Uint8Array, job: Uint8Array): RecordClaim | undefined {
  const isOurs =
    areEqual(unit.subarray(0, magic.length), magic) && areEqual(unit.subarray(16, 16 + jobBytes), job);
  if (!isOurs) return undefined;
  const view = new DataView(unit.buffer, unit.byteOffset, unit.length);
  const sequence = readLong(view, 32);
  return sequence === undefined
    ? undefined
    : { sequence, lengthBytes: recordBytes(view.getUint32(12, true)) };
}

/** Whether the record, of whole units, arrived whole. */
export function isWhole(record: Uint8Array): boolean {
  const view = new DataView(record.buffer, record.byteOffset, record.length);
  const end = runsFrom + view.getUint32(12, true) * runBytes;
  return end <= record.length && view.getInt32(8, true) === crc32c(record, summedFrom, end);
}

/** Whether a whole record says only what this program understands, of blocks that the disk has. */
export function isUnderstood(record: Uint8Array, blockCount: number): boolean {
  const view = new DataView(record.buffer, record.byteOffset, record.length);
  if (!isJobPhase(view.getUint32(40, true))) return false;
  return runsOf(view).every(
    ({ kind, end }) => Object.values<number>(runKinds).includes(kind) && end <= blockCount,
  );
}

/** Maps and phase as records change them. */
export interface Replay {
  readonly flags: FlagMap;
  readonly written: FlagMap;
  phase: JobPhase;
}

/** Applies a record that is whole and understood. */
export function replay(record: Uint8Array, to: Replay): void {
  const view = new DataView(record.buffer, record.byteOffset, record.length);
  for (const { kind, first, end } of runsOf(view)) {
    if (kind === runKinds.returned) to.written.clearRange(first, end);
    else to.flags.setRange(first, end);
    if (kind === runKinds.written) to.written.setRange(first, end);
  }
  const phase = view.getUint32(40, true);
  assert(isJobPhase(phase), 'a record is understood before it is applied');
  to.phase = phase;
}

interface Run {
  readonly kind: number;
  readonly first: number;
  readonly end: number;
}

function runsOf(view: DataView): Run[] {
  return Array.from({ length: view.getUint32(12, true) }, (_, index) => {
    const at = runsFrom + index * runBytes;
    const high = view.getUint32(at + 4, true);
    const first = (high & 0xffffff) * twoTo32 + view.getUint32(at, true);
    return { kind: high >>> 24, first, end: first + view.getUint32(at + 8, true) };
  });
}
