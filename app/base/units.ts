/**
 * Units that every layer shares. A sector is always 512 bytes, as in sysfs; a block is one unit of the flag
 * map.
 */

export const sectorBytes = 512;
export const blockBytes = 4096;
export const kibibyte = 1024;
export const mebibyte = 1024 * kibibyte;
export const gibibyte = 1024 * mebibyte;

/** A contiguous part of a disk. */
export interface Extent {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}
