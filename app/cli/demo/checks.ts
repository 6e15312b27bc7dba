/**
 * The demo's proof: compares what the volume holds with what its users had acknowledged. Every check says
 * exactly what differs; an empty list is the only good answer.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import sqlite from 'node-sqlite3-wasm';
import * as z from 'zod';
import { DiskferryError } from '../../base/error.ts';
import type { FileContent, Phase, RowRecord } from './acknowledged.ts';
import { contentOf, differenceOf, phases, sha256Of } from './acknowledged.ts';
import { ledgerFolder, ledgerPath } from './ledger-layout.ts';
import { mustRun, runProgram } from './programs.ts';

/** One thing that is not as it must be, as a sentence without its full stop. */
export type Difference = string;

const rowsSchema = z.array(z.object({ row: z.int(), payload: z.string() }));
const integritySchema = z.array(z.object({ integrity_check: z.string() }));

const namedDifferencesMax = 10;

/** ext4's own folder for what e2fsck finds. */
const folderOfFileSystem = 'lost+found';

/** The file system's own checker, forced, changing nothing. The device must not be mounted. */
export async function checkFileSystem(device: string): Promise<Difference[]> {
  const { exitCode, stdout, stderr } = await runProgram('e2fsck', ['-fn', device]);
  if (exitCode === 0) return [];
  const said = `${stdout}\n${stderr}`.split('\n').filter((line) => line.trim() !== '');
  return [`${device}: e2fsck finds errors (exit code ${exitCode}): ${said.join(' | ')}`];
}

/** Every file, and none that nobody wrote. The database's folder is left to `checkRows`. */
export function checkFiles(volume: string, expected: ReadonlyMap<string, FileContent>): Difference[] {
  const found = new Set(filesIn(volume));
  const differences: Difference[] = [];
  for (const [path, content] of expected) {
    const difference = found.delete(path)
      ? differenceOf(content, contentOf(readFileSync(join(volume, path))))
      : 'is missing';
    if (difference !== undefined) differences.push(`${path} ${difference}`);
  }
  for (const path of found) differences.push(`${path} is there, but nobody has written it`);
  return differences;
}

function filesIn(volume: string): string[] {
  return readdirSync(volume, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(volume, join(entry.parentPath, entry.name)))
    .filter((path) => ![ledgerFolder, folderOfFileSystem].includes(path.split(sep)[0] ?? ''));
}

/** SQLite's own check, every acknowledged row, no other row, and rows of each phase. */
export function checkRows(volume: string, acknowledged: readonly RowRecord[]): Difference[] {
  const counts = rowCounts(acknowledged);
  const differences = phases
    .filter((phase) => counts[phase] === 0)
    .map((phase) => `no row was acknowledged ${phase} the move`);
  const database = new sqlite.Database(join(volume, ledgerPath), { fileMustExist: true });
  try {
    for (const { integrity_check: result } of integritySchema.parse(database.all('PRAGMA integrity_check'))) {
      if (result !== 'ok') differences.push(`${ledgerPath}: SQLite's check finds: ${result}`);
    }
    const rows = rowsSchema.parse(database.all('SELECT row, payload FROM entries'));
    const found = new Map(rows.map(({ row, payload }) => [row, sha256Of(payload)]));
    differences.push(...compareRows(acknowledged, found));
  } finally {
    database.close();
  }
  return differences;
}

function compareRows(acknowledged: readonly RowRecord[], found: Map<number, string>): Difference[] {
  const differences: Difference[] = [];
  for (const { row, phase, sha256 } of acknowledged) {
    const isThere = found.get(row);
    found.delete(row);
    if (isThere === undefined)
      differences.push(`${ledgerPath}: row ${row}, acknowledged ${phase} the move, is missing`);
    else if (isThere !== sha256)
      differences.push(`${ledgerPath}: row ${row}, acknowledged ${phase} the move, has other content`);
  }
  for (const row of found.keys())
    differences.push(`${ledgerPath}: row ${row} is there, but was never acknowledged`);
  return differences;
}

export function rowCounts(acknowledged: readonly RowRecord[]): Record<Phase, number> {
  const counts = { before: 0, during: 0, after: 0 };
  for (const { phase } of acknowledged) counts[phase] += 1;
  return counts;
}

/** Which device is mounted on the volume's folder, as findmnt says. */
export async function checkMount(volume: string, device: string): Promise<Difference[]> {
  const found = await mustRun('findmnt', ['--noheadings', '--output', 'SOURCE', '--mountpoint', volume]);
  return found === device ? [] : [`${volume} is mounted from ${found} instead of ${device}`];
}

/** Throws with the first differences in words, and the number of the others. */
export function requireNone(differences: readonly Difference[]): void {
  if (differences.length === 0) return;
  const named = differences.slice(0, namedDifferencesMax);
  const others = differences.length - named.length;
  const list = [...named, ...(others > 0 ? [`and ${others} more`] : [])].join('; ');
  throw new DiskferryError('demo-failed', `the demo found differences: ${list}`);
}
