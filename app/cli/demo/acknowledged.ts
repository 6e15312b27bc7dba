/**
 * What the demo's volume must hold: every file and every database row whose writing was acknowledged,
 * recorded outside of the volume that moves, and durable there before the writer goes on.
 *
 * One log per writer, one JSON object a line. A later record of a file replaces an earlier one.
 */
import { createHash } from 'node:crypto';
import { closeSync, fdatasyncSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import * as z from 'zod';

/** Which device carries the volume: the source, the virtual device, the destination. */
export const phases = ['before', 'during', 'after'] as const;
export type Phase = (typeof phases)[number];

const contentSchema = z.object({ sizeBytes: z.int().nonnegative(), sha256: z.string() });
export type FileContent = z.infer<typeof contentSchema>;

export const fileRecordSchema = z.object({
  /** Below the volume's root. */
  path: z.string(),
  /** Null: the file was removed. */
  content: contentSchema.nullable(),
});
export type FileRecord = z.infer<typeof fileRecordSchema>;

export const rowRecordSchema = z.object({
  row: z.int().positive(),
  phase: z.enum(phases),
  sha256: z.string(),
});
export type RowRecord = z.infer<typeof rowRecordSchema>;

export class RecordLog<Entry> {
  readonly #fd: number;

  constructor(path: string) {
    this.#fd = openSync(path, 'a');
  }

  /** Returns when the entries are durable. */
  add(...entries: readonly Entry[]): void {
    writeFileSync(this.#fd, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
    fdatasyncSync(this.#fd);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

export function readRecords<Entry>(path: string, schema: z.ZodType<Entry>): Entry[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => schema.parse(JSON.parse(line)));
}

/** What each file must hold in the end, by its path. */
export function expectedFiles(records: Iterable<FileRecord>): Map<string, FileContent> {
  const expected = new Map<string, FileContent>();
  for (const { path, content } of records) {
    if (content === null) expected.delete(path);
    else expected.set(path, content);
  }
  return expected;
}

export function contentOf(bytes: Uint8Array): FileContent {
  return { sizeBytes: bytes.length, sha256: sha256Of(bytes) };
}

export function sha256Of(data: Uint8Array | string): string {
  return createHash('sha256').update(data).digest('hex');
}

/** In words, where a file is not as expected; undefined where it is. */
export function differenceOf(expected: FileContent, found: FileContent): string | undefined {
  if (found.sizeBytes !== expected.sizeBytes) {
    return `has ${found.sizeBytes} bytes instead of ${expected.sizeBytes}`;
  }
  if (found.sha256 !== expected.sha256)
    return `has other content: SHA-256 ${found.sha256} instead of ${expected.sha256}`;
  return undefined;
}
