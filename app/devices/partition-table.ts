/**
 * The partitions that a disk's own partition table lists, read by partx(8), held against those that the
 * kernel has. The two differ when a table was written and the kernel not told. Then a partition's device node
 * shows another part of the disk than the table means, and nothing may be concluded from it.
 */
import { sectorBytes } from '../base/units.ts';
import { AllocationUnknown } from './allocated/unknown.ts';
import { runCommand } from './command.ts';

export interface TableEntry {
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  /** Holds logical partitions, which are listed by themselves, and no file system. */
  readonly isExtended: boolean;
}

interface Place {
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

/** The types of an MBR's extended partitions (DOS, Windows, Linux). */
const extendedTypes: ReadonlySet<string> = new Set(['0x5', '0xf', '0x85']);

/** For a disk or image that has a partition table. */
export async function listPartitions(path: string): Promise<TableEntry[]> {
  const columns = ['--raw', '--noheadings', '--output', 'START,SECTORS,TYPE'];
  return parsePartx(await runCommand('partx', [...columns, path], 'listing partitions'));
}

/** Lines of first sector, number of sectors and type; sectors are always of 512 bytes. */
export function parsePartx(text: string): TableEntry[] {
  return text.split('\n').flatMap((line) => {
    const [start, sectors, type = ''] = line.trim().split(/\s+/);
    if (start === undefined || sectors === undefined) return [];
    const offsetBytes = Number(start) * sectorBytes;
    const sizeBytes = Number(sectors) * sectorBytes;
    if (!Number.isSafeInteger(offsetBytes) || !Number.isSafeInteger(sizeBytes)) {
      throw new AllocationUnknown(`partx wrote an unexpected line: ${line}`);
    }
    return [{ offsetBytes, sizeBytes, isExtended: extendedTypes.has(type) }];
  });
}

/**
 * The parts that can hold a file system: as the kernel has them, or from the table alone for an image file
 * (`nodes` null), which has no nodes. Throws AllocationUnknown when the two tell different things.
 */
export function matchParts<Node extends Place>(
  table: readonly TableEntry[],
  nodes: readonly Node[] | null,
): (Node | (Place & { readonly node: null }))[] {
  const entries = table.filter(({ isExtended }) => !isExtended);
  if (nodes === null)
    return entries.map(({ offsetBytes, sizeBytes }) => ({ offsetBytes, sizeBytes, node: null }));
  if (areParts(table, nodes)) return withoutExtended(table, nodes);
  throw new AllocationUnknown("the kernel's partitions are not those of the partition table: run partprobe");
}

/** Whether the kernel's partitions are those of the table. */
export function areParts(table: readonly TableEntry[], nodes: readonly Place[]): boolean {
  const entries = table.filter(({ isExtended }) => !isExtended);
  return placesOf(withoutExtended(table, nodes)) === placesOf(entries);
}

/** The kernel gives an extended partition a node of its first one or two sectors. */
function withoutExtended<Node extends Place>(table: readonly TableEntry[], nodes: readonly Node[]): Node[] {
  const starts = new Set(table.filter((entry) => entry.isExtended).map((entry) => entry.offsetBytes));
  return nodes.filter(({ offsetBytes }) => !starts.has(offsetBytes));
}

function placesOf(places: readonly Place[]): string {
  return places
    .map(({ offsetBytes, sizeBytes }) => `${offsetBytes}+${sizeBytes}`)
    .sort()
    .join(' ');
}
