/**
 * What the kernel counts of the requests to a block device (Documentation/block/stat.rst), since the device
 * is there.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sectorBytes } from '../base/units.ts';

export interface IoCounts {
  readonly reads: number;
  readonly writes: number;
  /** Discards and flushes. */
  readonly others: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly inFlight: number;
  /** How long all that have ended took together. */
  readonly totalLatencyMs: number;
}

/** `sysPath` as in sysfs.ts. */
export function readIoCounts(majorMinor: string, sysPath = '/sys'): IoCounts {
  return parseIoCounts(readFileSync(join(sysPath, 'dev/block', majorMinor, 'stat'), 'utf8'));
}

/** Discards since kernel 4.19, flushes since 5.5. */
export function parseIoCounts(text: string): IoCounts {
  const fields = text.trim().split(/\s+/).map(Number);
  const [
    reads = 0,
    ,
    readSectors = 0,
    readMs = 0,
    writes = 0,
    ,
    writtenSectors = 0,
    writeMs = 0,
    inFlight = 0,
  ] = fields;
  const [discards = 0, , , discardMs = 0, flushes = 0, flushMs = 0] = fields.slice(11);
  return {
    reads,
    writes,
    others: discards + flushes,
    readBytes: readSectors * sectorBytes,
    writtenBytes: writtenSectors * sectorBytes,
    inFlight,
    totalLatencyMs: readMs + writeMs + discardMs + flushMs,
  };
}
