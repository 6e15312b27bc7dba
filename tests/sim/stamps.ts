/**
 * What a sector holds is one number, its stamp, which tells where the content came from: no two writes, and
 * no two sectors of one write, have the same. So a wrong answer names the write, or the disk, that it really
 * came from.
 *
 * Disks store only the stamp. In the pool (sim-pool.ts) it stands in the first and the last word of a
 * sector's 512 bytes: the code under test moves whole bytes, and a sector that it put together wrongly has
 * two different words there.
 */

export const zeroes = 0;
/**
 * Stamps of writes count up from here. Far enough from zero that one with every bit inverted, as a masked
 * sector has it, is none of the marks below.
 */
export const firstWrittenStamp = 16;
const writtenEnd = 0x0100_0000;
const originalBase = 0x4000_0000;
const garbageBase = 0x8000_0000;
const junkBase = 0xc000_0000;
/** In a buffer that nothing has filled, or that has been given back. */
export const unfilled = 0xffff_ffff;
/** Found in a buffer whose sector was put together wrongly. */
export const mixed = 0xffff_fffe;

export function isWrittenStamp(stamp: number): boolean {
  return stamp >= firstWrittenStamp && stamp < writtenEnd;
}

export function isOriginalStamp(stamp: number): boolean {
  return stamp >= originalBase && stamp < originalBase + writtenEnd;
}

/** What the source holds at the start. */
export function originalStamp(sector: number): number {
  return originalBase + sector;
}

/** What the destination happens to hold at the start. */
export function garbageStamp(sector: number): number {
  return garbageBase + sector;
}

/** What a disk makes of a sector that was discarded. */
export function junkStamp(sector: number): number {
  return junkBase + sector;
}

/** `writer` names the request that made a written stamp. */
export function describeStamp(stamp: number, writer: (stamp: number) => string): string {
  if (stamp === zeroes) return 'zeroes';
  if (stamp === unfilled) return 'a buffer that nothing filled';
  if (stamp === mixed) return 'a sector put together from two';
  if (stamp >= junkBase) return `what a discard left of sector ${stamp - junkBase}`;
  if (stamp >= garbageBase) return `the destination's garbage of sector ${stamp - garbageBase}`;
  if (stamp >= originalBase) return `the source's original of sector ${stamp - originalBase}`;
  return writer(stamp);
}
