/**
 * The demo's books: what counts as acknowledged in the end, how a difference is named, that a seed
 * repeats.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  contentOf,
  differenceOf,
  expectedFiles,
  fileRecordSchema,
  readRecords,
  RecordLog,
} from '../../../../app/cli/demo/acknowledged.ts';
import type { FileRecord } from '../../../../app/cli/demo/acknowledged.ts';
import { requireNone, rowCounts } from '../../../../app/cli/demo/checks.ts';
import { writeFileTree } from '../../../../app/cli/demo/file-tree.ts';
import { SeededRandom } from '../../../../app/cli/demo/seeded-random.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'diskferry-test-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

const older = contentOf(Buffer.from('older'));
const newer = contentOf(Buffer.from('newer'));

describe('what was acknowledged', () => {
  it('is the last record of each file, without those that were removed', () => {
    const expected = expectedFiles([
      { path: 'a', content: older },
      { path: 'b', content: older },
      { path: 'a', content: newer },
      { path: 'b', content: null },
      { path: 'c', content: null },
      { path: 'c', content: older },
    ]);
    expect([...expected]).toEqual([
      ['a', newer],
      ['c', older],
    ]);
  });

  it('is read back from the log as it was recorded, over several openings', () => {
    const path = join(directory, 'log');
    const records: FileRecord[] = [
      { path: 'a "quoted"\nname', content: older },
      { path: 'b', content: null },
      { path: 'c', content: newer },
    ];
    const first = new RecordLog<FileRecord>(path);
    first.add(...records.slice(0, 2));
    first.close();
    const second = new RecordLog<FileRecord>(path);
    second.add(...records.slice(2));
    second.close();
    expect(readRecords(path, fileRecordSchema)).toEqual(records);
  });

  it('is counted by the phase of the acknowledgement', () => {
    const row = (number: number, phase: 'before' | 'during') => ({ row: number, phase, sha256: '' });
    expect(rowCounts([row(1, 'before'), row(2, 'during'), row(3, 'during')])).toEqual({
      before: 1,
      during: 2,
      after: 0,
    });
  });
});

describe('a difference', () => {
  it('is named by size, else by checksum, and is none for the same bytes', () => {
    expect(differenceOf(older, contentOf(Buffer.from('old')))).toBe('has 3 bytes instead of 5');
    expect(differenceOf(older, newer)).toBe(
      `has other content: SHA-256 ${newer.sha256} instead of ${older.sha256}`,
    );
    expect(differenceOf(older, contentOf(Buffer.from('older')))).toBeUndefined();
  });
});

describe('the verdict', () => {
  it('is silent only when there is no difference', () => {
    expect(() => requireNone([])).not.toThrow();
    expect(() => requireNone(['a is missing'])).toThrow('the demo found differences: a is missing');
  });

  it('names ten differences and counts the others', () => {
    const differences = Array.from({ length: 12 }, (_, index) => `file-${index} is missing`);
    expect(() => requireNone(differences)).toThrow(/file-9 is missing; and 2 more$/);
  });
});

describe('seeded random', () => {
  it('repeats for the same seed and differs for another', () => {
    const [one, same, other] = ['seed', 'seed', 'other'].map((seed) =>
      new SeededRandom(seed).bytes(64).toString('hex'),
    );
    expect(same).toBe(one);
    expect(other).not.toBe(one);
  });

  it('gives sizes of every order of magnitude, from nothing up to the limit', () => {
    const random = new SeededRandom('sizes');
    const sizes = Array.from({ length: 2000 }, () => random.sizeBelow(2 ** 20));
    expect(Math.min(...sizes)).toBe(0);
    expect(Math.max(...sizes)).toBeLessThan(2 ** 20);
    for (let bits = 1; bits < 20; bits += 1)
      expect(sizes.some((size) => size >= 2 ** bits && size < 2 ** (bits + 1))).toBe(true);
  });

  it('shuffles without losing anything', () => {
    const items = Array.from({ length: 100 }, (_, index) => index);
    const shuffled = new SeededRandom('shuffle').shuffled(items);
    expect(shuffled).not.toEqual(items);
    expect(shuffled.toSorted((a, b) => a - b)).toEqual(items);
  });
});

describe('the file tree', () => {
  it('holds what its record says', () => {
    const record = join(directory, 'record');
    const { fileCount, sizeBytes } = writeFileTree(directory, record, 300_000);
    const files = expectedFiles(readRecords(record, fileRecordSchema));
    expect(files.size).toBe(fileCount);
    expect(sizeBytes).toBeGreaterThanOrEqual(300_000);
    for (const [path, content] of files)
      expect(contentOf(readFileSync(join(directory, path)))).toEqual(content);
  });
});
