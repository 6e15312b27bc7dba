/**
 * The header of a checkpoint, one unit, whose write makes the checkpoint valid:
 *
 *   offset  length  what
 *   0       8       "DFERRYcp"
 *   8       4       CRC-32C of the bytes from 12 to the unit's end
 *   12      4       version of the format; what stands before it means the same in every version
 *   16      16      job
 *   32      32      fingerprint of the source
 *   64      32      fingerprint of the destination
 *   96      8       size of the virtual device in bytes
 *   104     4       bytes of a block
 *   108     4       phase of the job (job-phase.ts)
 *   112     8       generation: the higher of the two is the newer checkpoint
 *   120     8       sequence number of the first record that the maps may lack
 *   128     8       bytes of each log
 *   136     4       CRC-32C of the maps
 *   140     …       zeroes
 */
import { assert } from '../base/error.ts';
import { blockBytes } from '../base/units.ts';
import { crc32c } from './crc32c.ts';
import type { JobPhase } from './job-phase.ts';
import { isJobPhase } from './job-phase.ts';
import type { JournalIdentity } from './layout.ts';
import {
  areEqual,
  diskFingerprintBytes,
  formatVersion,
  jobBytes,
  readLong,
  unitBytes,
  writeLong,
} from './layout.ts';

const magic = new TextEncoder().encode('DFERRYcp');
const summedFrom = 12;

export interface CheckpointHeader {
  readonly identity: JournalIdentity;
  readonly phase: JobPhase;
  readonly generation: number;
  readonly nextSequence: number;
  readonly logBytes: number;
  readonly mapsSum: number;
}

export type HeaderFinding =
  /** Nothing was ever written here. */
  | { readonly kind: 'empty' }
  /** Torn, overwritten, or faded. */
  | { readonly kind: 'damaged' }
  /** Whole, but from a program that knows more. */
  | { readonly kind: 'from-the-future' }
  | { readonly kind: 'whole'; readonly header: CheckpointHeader };

/** Fills the unit. */
export function writeHeader(unit: Uint8Array, header: CheckpointHeader): void {
  assert(unit.length === unitBytes, 'a header fills its unit');
  const { identity } = header;
  assert(identity.job.length === jobBytes, 'a job is known by 16 bytes');
  const fingerprints = [identity.source, identity.destination];
  assert(
    fingerprints.every(({ length }) => length === diskFingerprintBytes),
    'a disk is known by 32 bytes',
  );
  const view = viewOf(unit);
  unit.fill(0);
  unit.set(magic);
  view.setUint32(12, formatVersion, true);
  unit.set(identity.job, 16);
  unit.set(identity.source, 32);
  unit.set(identity.destination, 64);
  writeLong(view, 96, identity.sizeBytes);
  view.setUint32(104, blockBytes, true);
  view.setUint32(108, header.phase, true);
  writeLong(view, 112, header.generation);
  writeLong(view, 120, header.nextSequence);
  writeLong(view, 128, header.logBytes);
  view.setInt32(136, header.mapsSum, true);
  view.setInt32(8, crc32c(unit, summedFrom, unitBytes), true);
}

export function readHeader(unit: Uint8Array): HeaderFinding {
  assert(unit.length === unitBytes, 'a header fills its unit');
  if (unit.every((byte) => byte === 0)) return { kind: 'empty' };
  const view = viewOf(unit);
  const isOurs = areEqual(unit.subarray(0, magic.length), magic);
  if (!isOurs || view.getInt32(8, true) !== crc32c(unit, summedFrom, unitBytes)) return { kind: 'damaged' };
  const phase = view.getUint32(108, true);
  if (view.getUint32(12, true) !== formatVersion || !isJobPhase(phase)) return { kind: 'from-the-future' };
  const [sizeBytes, generation, nextSequence, logBytes] = [96, 112, 120, 128].map((at) => readLong(view, at));
  if (
    sizeBytes === undefined ||
    generation === undefined ||
    nextSequence === undefined ||
    logBytes === undefined
  ) {
    return { kind: 'damaged' };
  }
  const hasShape = sizeBytes > 0 && logBytes > 0 && logBytes % unitBytes === 0;
  if (!hasShape || view.getUint32(104, true) !== blockBytes) return { kind: 'damaged' };
  const identity = {
    job: unit.slice(16, 32),
    source: unit.slice(32, 64),
    destination: unit.slice(64, 96),
    sizeBytes,
  };
  const mapsSum = view.getInt32(136, true);
  return { kind: 'whole', header: { identity, phase, generation, nextSequence, logBytes, mapsSum } };
}

function viewOf(unit: Uint8Array): DataView {
  return new DataView(unit.buffer, unit.byteOffset, unit.length);
}
