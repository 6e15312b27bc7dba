/**
 * A disk's partition table as sfdisk(8) reads and changes it: GPT and MBR. Nothing here knows how a table
 * lies on a disk. sfdisk keeps what it does not change: types, identifiers, names, attributes, boot code, a
 * hybrid MBR.
 *
 * The kernel is not told by sfdisk, which can only have it read the whole table again, and not while a
 * partition is in use; resizepart(8) tells it about one partition, also while it is, by one ioctl
 * (BLKPG_RESIZE_PARTITION) that the partition's node outlives: `partx --update` would take it away first, and
 * could be killed before it is there again.
 */
import * as z from 'zod';
import { DiskferryError } from '../base/error.ts';
import { sectorBytes } from '../base/units.ts';
import { runProgram } from '../devices/program.ts';
import { runToItsEnd } from '../devices/program-to-its-end.ts';
import type { BackupTable, FoundRow, FoundTable } from './found.ts';
import { parseOutput } from './program-output.ts';

const count = z.int().nonnegative();

const outputSchema = z.object({
  partitiontable: z.object({
    label: z.string(),
    id: z.string(),
    lastlba: count.optional(),
    sectorsize: count.optional(),
    'table-length': z.union([count, z.string().regex(/^\d+$/)]).optional(),
    partitions: z
      .array(
        z.object({
          node: z.string(),
          start: count,
          size: count,
          type: z.string(),
          uuid: z.string().optional(),
          name: z.string().optional(),
          attrs: z.string().optional(),
          bootable: z.boolean().optional(),
        }),
      )
      .optional(),
  }),
});

/** Of GPT (UEFI specification, section 5.3), where the table does not say another number. */
const usualEntryCount = 128;
const entryBytes = 128;
/** What an MBR's 32 bits can name. */
const mbrBlocksMax = 2 ** 32;

export interface TableDisk {
  readonly path: string;
  readonly sizeBytes: number;
  readonly logicalBlockBytes: number;
}

/** For a disk that has a GPT or an MBR. Throws `cannot-be-grown` for other tables. */
export async function readTable(disk: TableDisk): Promise<FoundTable> {
  const [output, stderr] = await readJson(disk.path, []);
  const isHybrid = output.label === 'gpt' ? await readHybridStarts(disk.path) : [];
  return { ...parseTable(disk, output, stderr), hybridStarts: isHybrid };
}

type Output = z.infer<typeof outputSchema>['partitiontable'];

async function readJson(path: string, more: readonly string[]): Promise<[Output, string]> {
  const { exitCode, stdout, stderr } = await runProgram('sfdisk', [...more, '--json', path]);
  if (exitCode === 0)
    return [parseOutput(outputSchema, stdout, { device: path, program: 'sfdisk' }).partitiontable, stderr];
  throw new DiskferryError('cannot-be-grown', `${path}: its partition table cannot be read: ${stderr.trim()}`, {
    context: { device: path },
  });
}

/** The MBR beside a GPT: only a hybrid one has more than the one entry that protects it. */
async function readHybridStarts(path: string): Promise<number[]> {
  const [nested] = await readJson(path, ['--label-nested', 'dos']);
  const entries = nested.partitions ?? [];
  return entries.filter(({ type }) => type.toLowerCase() !== 'ee').map(({ start }) => start);
}

/** Pure. `warnings`: what sfdisk says of a GPT besides (libfdisk/src/gpt.c). */
export function parseTable(disk: TableDisk, output: Output, warnings: string): Omit<FoundTable, 'hybridStarts'> {
  const { label, id } = output;
  if (label !== 'gpt' && label !== 'dos')
    throw new DiskferryError('cannot-be-grown', `${disk.path}: has a partition table of the type ${label}`, {
      context: { device: disk.path },
    });
  const blockBytes = output.sectorsize ?? disk.logicalBlockBytes;
  const rows = (output.partitions ?? []).map((row) => rowOf(disk.path, row));
  const backup = label === 'gpt' ? backupOf(warnings) : 'none';
  const blocks = Math.floor(disk.sizeBytes / blockBytes);
  const endBefore = label === 'gpt' ? (output.lastlba ?? 0) + 1 : Math.min(blocks, mbrBlocksMax);
  const entries = Number(output['table-length'] ?? usualEntryCount);
  const atEnd = blocks - 1 - Math.ceil((entries * entryBytes) / blockBytes);
  return {
    ...{ type: label, uuid: id, blockBytes, backup, rows, endBefore },
    isPrimaryDamaged: /primary GPT table is corrupt/i.test(warnings),
    endAfter: backup === 'none' || backup === 'at-end' ? endBefore : atEnd,
  };
}

function backupOf(warnings: string): BackupTable {
  if (/backup GPT table is corrupt/i.test(warnings)) return 'damaged';
  return /backup GPT table is not on the end/i.test(warnings) ? 'elsewhere' : 'at-end';
}

type OutputRow = NonNullable<Output['partitions']>[number];

/** Its number is all that its node has behind the disk's name: `/dev/sdb3`, `/dev/nvme0n1p3`. */
function rowOf(disk: string, { node, start, size, type, uuid, ...marks }: OutputRow): FoundRow {
  const number = /^p?(\d+)$|-part(\d+)$/.exec(node.slice(disk.length));
  const more = { uuid: uuid ?? null, marks: JSON.stringify(marks) };
  if (number !== null) return { number: Number(number[1] ?? number[2]), start, count: size, type, ...more };
  throw new DiskferryError('cannot-be-grown', `${disk}: its partition ${node} has no number`, {
    context: { device: disk },
  });
}

// ---- changing it

/** No signature of what lies in the partitions is touched. */
const carefully = ['--no-reread', '--no-tell-kernel', '--wipe', 'never', '--wipe-partitions', 'never'];

async function sfdisk(path: string, parameters: readonly string[], input: string): Promise<void> {
  await change(path, 'sfdisk', [...parameters, path], input);
}

async function change(path: string, program: string, parameters: readonly string[], input = ''): Promise<void> {
  const { exitCode, stderr } = await runToItsEnd(program, parameters, Buffer.from(input));
  if (exitCode === 0) return;
  const said = stderr.trim().split(/\s*\n\s*/).slice(-3).join(' ');
  throw new DiskferryError(
    'command-failed',
    `${path}: ${program} failed: ${said === '' ? `exit code ${exitCode}` : said}`,
    { context: { device: path } },
  );
}

/** The backup at the disk's end, made anew from the main table. */
export async function relocateBackup(path: string): Promise<void> {
  await sfdisk(path, [...carefully, '--relocate', 'gpt-bak-std'], '');
}

/**
 * Nothing but the partition's size changes. Rehearsed first: what sfdisk refuses, it refuses before it
 * writes.
 */
export async function resizeRow(path: string, { number, blocks }: { number: number; blocks: number }): Promise<void> {
  const words = [...carefully, '-N', String(number)];
  for (const rehearsal of [['--no-act'], []]) await sfdisk(path, [...rehearsal, ...words], `,${blocks}\n`);
}

/** Its size alone: where it begins is what the kernel has already (decision.ts). */
export async function tellKernel(
  path: string,
  { number, sizeBytes }: { readonly number: number; readonly sizeBytes: number },
): Promise<void> {
  await change(path, 'resizepart', [path, String(number), String(sizeBytes / sectorBytes)]);
}

/** What must be the same before and after: everything but the size of one partition. */
export function differenceBesideSize(before: FoundTable, after: FoundTable, number: number): string | null {
  const without = ({ rows, uuid, type, hybridStarts }: FoundTable): string =>
    JSON.stringify({
      ...{ uuid, type, hybridStarts },
      rows: rows.map((row) => (row.number === number ? { ...row, count: 0 } : row)),
    });
  return without(before) === without(after) ? null : 'its partition table has changed in more than one size';
}
