/**
 * The table of faults in ARCHITECTURE.md, as tests read it: they ask for the row of the fault that they cause and
 * compare with what they see, so that the table stays true. tests/unit/fault-table.test.ts checks that every row is
 * asked for.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { dataPlaces } from '../app/contract/advice.ts';
import { exitCodes } from '../app/contract/exit-codes.ts';

const document = fileURLToPath(new URL('../ARCHITECTURE.md', import.meta.url));
const heading = '| fault | what happens | exit code | the data is |';

const rowSchema = z.object({
  fault: z.string().min(1),
  outcome: z.string().min(1),
  exitCode: z.coerce.number().refine((code) => Object.values<number>(exitCodes).includes(code)),
  dataIs: z.enum(dataPlaces),
});
export type FaultRow = z.infer<typeof rowSchema>;

export function readFaultTable(): FaultRow[] {
  const [, after] = readFileSync(document, 'utf8').split(heading);
  if (after === undefined) throw new Error('ARCHITECTURE.md has no table of faults');
  const lines = after.trimStart().split('\n');
  const end = lines.findIndex((line) => !line.startsWith('|'));
  return lines.slice(1, end).map(rowOf);
}

/** The row of one fault; throws when the table has none. */
export function faultRow(fault: string): FaultRow {
  const row = readFaultTable().find((one) => one.fault === fault);
  if (row === undefined) throw new Error(`the table of faults in ARCHITECTURE.md has no row "${fault}"`);
  return row;
}

function rowOf(line: string): FaultRow {
  const [, fault, outcome, exitCode, dataIs] = line.split('|').map((cell) => cell.trim());
  return rowSchema.parse({ fault, outcome, exitCode, dataIs });
}
