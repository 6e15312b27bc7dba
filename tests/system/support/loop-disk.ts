/** Disks for tests: loop devices over sparse files in the scratch. They go with the scratch. */
import { randomFillSync } from 'node:crypto';
import { closeSync, openSync, readFileSync, readSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { basename } from 'node:path';
import { mebibyte, sectorBytes } from '../../../app/base/units.ts';
import { runCommand } from '../../../app/devices/command.ts';
import { forgetPartitions } from './partition-table.ts';
import type { Scratch } from './scratch.ts';

/** No multiple of any block size, so that no block looks like another. */
const randomBytes = 4 * mebibyte + 13;

export interface LoopDisk {
  /** `/dev/loopN` */
  readonly path: string;
  /** The image under it. */
  readonly file: string;
  readonly sizeBytes: number;
}

export interface LoopDiskOptions {
  readonly sizeBytes: number;
  readonly blockBytes?: number;
  /** `zeroes` is sparse. */
  readonly content?: 'zeroes' | 'random';
}

export async function makeLoopDisk(
  scratch: Scratch,
  name: string,
  options: LoopDiskOptions,
): Promise<LoopDisk> {
  const file = scratch.path(`${name}.img`);
  makeImage(file, options.sizeBytes, options.content ?? 'zeroes');
  return attachLoopDisk(file, options.sizeBytes, options.blockBytes);
}

export async function attachLoopDisk(
  file: string,
  sizeBytes: number,
  blockBytes = sectorBytes,
): Promise<LoopDisk> {
  const parameters = ['--find', '--show', '--sector-size', String(blockBytes), file];
  const path = (await runCommand('losetup', parameters, `attaching ${file}`)).trim();
  await forgetPartitions(path);
  return { path, file, sizeBytes };
}

export function makeImage(file: string, sizeBytes: number, content: 'zeroes' | 'random' = 'zeroes'): void {
  writeFileSync(file, '');
  truncateSync(file, sizeBytes);
  if (content === 'random') fillWithRandom(file, 0, sizeBytes);
}

/** Random bytes over a part of a disk or image; the same ones again after so many, to be quick. */
export function fillWithRandom(path: string, offsetBytes: number, lengthBytes: number): void {
  const fd = openSync(path, 'r+');
  try {
    const chunk = randomFillSync(new Uint8Array(randomBytes));
    for (let done = 0; done < lengthBytes; done += chunk.length) {
      const part = chunk.subarray(0, Math.min(chunk.length, lengthBytes - done));
      writeSync(fd, part, 0, part.length, offsetBytes + done);
    }
  } finally {
    closeSync(fd);
  }
}

export function readPart(path: string, offsetBytes: number, lengthBytes: number): Buffer {
  const bytes = Buffer.alloc(lengthBytes);
  const fd = openSync(path, 'r');
  try {
    for (let done = 0; done < lengthBytes;) {
      const count = readSync(fd, bytes, done, lengthBytes - done, offsetBytes + done);
      if (count === 0) throw new Error(`${path}: ends at ${offsetBytes + done}`);
      done += count;
    }
  } finally {
    closeSync(fd);
  }
  return bytes;
}

export interface DiskCounters {
  readonly readBytes: number;
  readonly writtenBytes: number;
}

/** The kernel's own counters (Documentation/block/stat.rst), in sectors there. */
export function countersOf(path: string): DiskCounters {
  const fields = readFileSync(`/sys/block/${basename(path)}/stat`, 'utf8')
    .trim()
    .split(/\s+/)
    .map(Number);
  return { readBytes: (fields[2] ?? NaN) * sectorBytes, writtenBytes: (fields[6] ?? NaN) * sectorBytes };
}

/** A queue limit or other number that sysfs tells of a disk. */
export function sysfsNumber(devicePath: string, attribute: string): number {
  return Number(readFileSync(`/sys/block/${basename(devicePath)}/${attribute}`, 'utf8'));
}
