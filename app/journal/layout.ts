/**
 * The byte format of the journal: which flags and written bits of a job are durable, in a way that survives a
 * power cut at any instant. All numbers are little-endian; everything begins on a multiple of 4096 bytes, the
 * *unit*, which is what a disk writes whole or not at all, so that no write ever touches a unit of something
 * that must stay.
 *
 *   offset                        length      what
 *   0                             4096        header of slot 0 (checkpoint-header.ts)
 *   4096                          4096        header of slot 1
 *   8192                          mapBytes    maps of slot 0: per chunk of 32768 blocks its flags (4096 bytes), then its
 *                                             written bits (4096 bytes), bit n of byte m for block 8 m + n of the chunk
 *   8192 + mapBytes               mapBytes    maps of slot 1
 *   8192 + 2 mapBytes             logBytes    log 0: records (record.ts), one after the other from its start
 *   8192 + 2 mapBytes + logBytes  logBytes    log 1
 *
 * A *checkpoint* is a slot's maps and the header that makes them valid. The newest checkpoint is in force;
 * records that follow it change its maps in the order of their sequence numbers. Records go to the log of the
 * slot in force. The next checkpoint is staged in the other slot: maps → flush of journal and disks → header.
 * While it is staged, records still go to the old log; the header names the first record that its maps may
 * lack, so recovery looks at both logs. Then the other log is used from its start: what it held came before
 * the checkpoint that is no longer in force.
 *
 * Always holds: nothing that the newest durable checkpoint needs is overwritten before the next one is
 * durable.
 */
import { assert, assertSafeInteger } from '../base/error.ts';
import { blockBytes, mebibyte } from '../base/units.ts';
import { chunkBlocks } from '../flags/flag-map.ts';

export const formatVersion = 1;
export const unitBytes = 4096;
/** One map's share of a chunk. */
export const chunkMapBytes = chunkBlocks / 8;

/** Which of the two checkpoints, and of the two logs. */
export type Slot = 0 | 1;

/** Whose journal it is. */
export interface JournalIdentity {
  /** 16 bytes, different for each job: what is left of another job is never taken for ours. */
  readonly job: Uint8Array;
  /** 32 bytes each, by which the job knows its disks. */
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  /** Of the virtual device. */
  readonly sizeBytes: number;
}

export const jobBytes = 16;
export const diskFingerprintBytes = 32;

export interface JournalLayout {
  readonly blockCount: number;
  readonly chunkCount: number;
  readonly mapBytes: number;
  readonly logBytes: number;
  /** The whole journal never grows beyond this. */
  readonly journalBytes: number;
}

/**
 * As long as the maps: the next checkpoint then costs at most as much as the records before it. But never so
 * short that a checkpoint follows the other, nor so long that a huge disk's journal is mostly empty logs.
 */
export function usualLogBytes(sizeBytes: number): number {
  return Math.min(256 * mebibyte, Math.max(8 * mebibyte, layoutOf(sizeBytes, unitBytes).mapBytes));
}

export function layoutOf(sizeBytes: number, logBytes: number): JournalLayout {
  assertSafeInteger(sizeBytes, 'the size of the virtual device');
  assert(logBytes > 0 && logBytes % unitBytes === 0, 'a log is made of whole units');
  const blockCount = Math.ceil(sizeBytes / blockBytes);
  const chunkCount = Math.ceil(blockCount / chunkBlocks);
  const mapBytes = chunkCount * 2 * chunkMapBytes;
  const journalBytes = 2 * (unitBytes + mapBytes + logBytes);
  assertSafeInteger(journalBytes, 'the size of the journal');
  return { blockCount, chunkCount, mapBytes, logBytes, journalBytes };
}

export function headerOffset(slot: Slot): number {
  return slot * unitBytes;
}

export function mapsOffset({ mapBytes }: JournalLayout, slot: Slot): number {
  return 2 * unitBytes + slot * mapBytes;
}

export function logOffset({ mapBytes, logBytes }: JournalLayout, slot: Slot): number {
  return 2 * unitBytes + 2 * mapBytes + slot * logBytes;
}

export function otherSlot(slot: Slot): Slot {
  return slot === 0 ? 1 : 0;
}

/** Rounded up to whole units. */
export function inUnits(lengthBytes: number): number {
  return Math.ceil(lengthBytes / unitBytes) * unitBytes;
}

const twoTo32 = 4294967296;

/** Sequence numbers and sizes: never beyond 2^53. */
export function writeLong(view: DataView, at: number, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, 'a number of the journal can be counted');
  view.setUint32(at, value % twoTo32, true);
  view.setUint32(at + 4, Math.floor(value / twoTo32), true);
}

/** Undefined when it is beyond what this program can count. */
export function readLong(view: DataView, at: number): number | undefined {
  const value = view.getUint32(at + 4, true) * twoTo32 + view.getUint32(at, true);
  return Number.isSafeInteger(value) ? value : undefined;
}

export function areEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}
