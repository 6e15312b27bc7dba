/** An MBR partition table, written by hand: fdisk is not everywhere, and a table is 66 bytes. */
import { closeSync, fsyncSync, openSync, readdirSync, writeSync } from 'node:fs';
import { basename } from 'node:path';
import { runCommand } from '../../../app/devices/command.ts';

export interface PartitionRange {
  readonly startSectors: number;
  readonly sectors: number;
}

const tableAt = 446;
const entryBytes = 16;
const linuxType = 0x83;

/** At most four partitions. The table is all that is written. */
export function writePartitionTable(path: string, partitions: readonly PartitionRange[]): void {
  const table = Buffer.alloc(4 * entryBytes + 2);
  partitions.forEach(({ startSectors, sectors }, index) => {
    const entry = table.subarray(index * entryBytes, (index + 1) * entryBytes);
    entry.writeUInt8(linuxType, 4);
    entry.writeUInt32LE(startSectors, 8);
    entry.writeUInt32LE(sectors, 12);
  });
  table.writeUInt16LE(0xaa55, 4 * entryBytes);
  writeTable(path, table);
}

/** Not an empty table, but none. */
export function clearPartitionTable(path: string): void {
  writeTable(path, Buffer.alloc(4 * entryBytes + 2));
}

/**
 * To the kernel; the disk stays as it is. The partitions of a loop device that is not meant to show any outlive
 * its file, and would pass for those of the next one.
 */
export async function forgetPartitions(path: string): Promise<void> {
  const name = basename(path);
  const hasAny = readdirSync(`/sys/class/block/${name}`).some((entry) => entry.startsWith(`${name}p`));
  if (hasAny) await runCommand('partx', ['--delete', path], `forgetting the partitions of ${path}`);
}

function writeTable(path: string, table: Buffer): void {
  const fd = openSync(path, 'r+');
  try {
    writeSync(fd, table, 0, table.length, tableAt);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
