/**
 * How far a partition can grow: up to the next one, or to the end that the table can have on this disk. Pure.
 *
 * The new end is a multiple of 1 MiB, as partitioning programs make them, and the new size one of 4096 bytes,
 * so that whatever lies in it (LUKS with sectors of 4096 bytes) can use all of it. A partition is never made
 * smaller for that.
 */
import { assert, DiskferryError } from '../base/error.ts';
import { mebibyte } from '../base/units.ts';
import type { FoundRow, FoundTable } from './found.ts';

const sizeUnitBytes = 4096;

/** MBR types of extended partitions (DOS, Windows, Linux), without leading zeroes. */
const extendedTypes: ReadonlySet<string> = new Set(['5', 'f', '85']);
/** An MBR's primary partitions; those behind are logical, and lie in the extended one. */
const primaryMax = 4;
/** The type of the one partition of a protective MBR. */
export const protectiveType = 'ee';

export function isExtended({ type }: FoundTable, row: FoundRow): boolean {
  return type === 'dos' && extendedTypes.has(row.type.replace(/^0+/, '').toLowerCase());
}

/** The one that lies last on the disk, whatever its number is. Undefined when there is none. */
export function lastRow(table: FoundTable): FoundRow | undefined {
  const rows = table.rows.filter((row) => !isExtended(table, row));
  return rows.reduce<FoundRow | undefined>(
    (last, row) => (last === undefined || row.start > last.start ? row : last),
    undefined,
  );
}

/** Throws `cannot-be-grown` for those of an MBR that are no plain partitions. */
export function requirePlain(disk: string, table: FoundTable, row: FoundRow): void {
  const isLogical = table.type === 'dos' && row.number > primaryMax;
  const what = isExtended(table, row) ? 'is an extended partition' : isLogical ? 'is a logical partition' : undefined;
  const isTwice = table.hybridStarts.includes(row.start);
  const why = what ?? (isTwice ? 'is listed in the hybrid MBR as well, whose entry would keep its old size' : undefined);
  if (why === undefined) return;
  const message = `${disk}: its partition ${row.number} ${why}, which Diskferry does not grow`;
  throw new DiskferryError('cannot-be-grown', message, { context: { device: disk } });
}

export interface Room {
  /** The partition's new number of blocks; the same where there is no room. */
  readonly count: number;
  /** What lies behind it: another partition's number, or null for the end of what the table can reach. */
  readonly nextNumber: number | null;
}

/**
 * Whatever begins behind it is a limit, also an extended partition: in it lie the tables of the logical ones.
 */
export function roomOf(table: FoundTable, row: FoundRow): Room {
  const next = table.rows
    .filter(({ number, start }) => number !== row.number && start > row.start)
    .sort((one, other) => one.start - other.start)[0];
  const end = Math.min(next?.start ?? Infinity, table.endAfter);
  const unit = mebibyte / table.blockBytes;
  const multiple = Math.max(1, sizeUnitBytes / table.blockBytes);
  const upTo = Math.floor(end / unit) * unit - row.start;
  const count = Math.max(row.count, Math.floor(upTo / multiple) * multiple);
  assert(row.start + count <= Math.max(end, row.start + row.count), 'a partition stays before what lies behind it');
  return { count, nextNumber: next !== undefined && next.start <= table.endAfter ? next.number : null };
}

/**
 * Overlapping partitions: nobody can say what of them is whose. Of a plain partition (requirePlain); a
 * logical one lies in its extended one.
 */
export function overlapOf(table: FoundTable, row: FoundRow): FoundRow | undefined {
  return table.rows.find(
    (other) =>
      other.number !== row.number && other.start < row.start + row.count && row.start < other.start + other.count,
  );
}

/** One that reaches behind the disk's end, or into where the backup of a GPT belongs. Extended ones count. */
export function rowBehind(table: FoundTable, diskBytes: number): FoundRow | undefined {
  const blocks = Math.floor(diskBytes / table.blockBytes);
  const end = table.type === 'gpt' ? Math.min(blocks, table.endAfter) : blocks;
  return table.rows.find(({ start, count }) => start + count > end);
}
