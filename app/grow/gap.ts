/**
 * What lies in the room that a partition is to grow into: nothing as a rule, but it may be a partition that
 * was deleted by mistake, and then this is the last moment to say so. Looked for where a partition would have
 * begun: where this one ends, and at the next whole mebibyte.
 */
import { mebibyte } from '../base/units.ts';
import { probeContent } from '../devices/content.ts';
import type { FoundRow, FoundTable } from './found.ts';
import { roomOf } from './room.ts';

/** What is recognised there, in words; null: nothing. */
export async function contentBehind(
  { path, sizeBytes }: { readonly path: string; readonly sizeBytes: number },
  table: FoundTable,
  row: FoundRow | undefined,
): Promise<string | null> {
  if (row === undefined) return null;
  const { startsBytes, endBytes } = gapBehind(table, row);
  // A table that is too large for its disk is refused (decision.ts).
  if (endBytes > sizeBytes) return null;
  for (const offsetBytes of startsBytes) {
    const place = { offsetBytes, lengthBytes: endBytes - offsetBytes };
    const { fileSystemType, partitionTableType } = await probeContent(path, place);
    const type = fileSystemType ?? partitionTableType;
    if (type !== null) return type === 'ambiguous' ? 'content of several kinds' : type;
  }
  return null;
}

/** Pure. No starts where there is no room. */
export function gapBehind(table: FoundTable, row: FoundRow): { startsBytes: number[]; endBytes: number } {
  const start = (row.start + row.count) * table.blockBytes;
  const end = (row.start + roomOf(table, row).count) * table.blockBytes;
  const starts = new Set([start, Math.ceil(start / mebibyte) * mebibyte]);
  return { startsBytes: [...starts].filter((one) => one < end), endBytes: end };
}
