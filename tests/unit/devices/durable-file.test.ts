import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { mebibyte } from '../../../app/base/units.ts';
import { writeZeroedFile } from '../../../app/devices/durable-file.ts';

let directory = '';

beforeEach(() => {
  directory = mkdtempSync(join(process.cwd(), 'build/durable-file-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

test('a zeroed file has its start, zeroes behind it, and room for all of it', async () => {
  const path = join(directory, 'file');
  const start = Uint8Array.from({ length: 4096 }, (_, at) => 1 + (at % 255));
  const lengthBytes = 5 * mebibyte + 4096;
  const busy = [{ offsetBytes: 2 * mebibyte, lengthBytes: mebibyte + 4096 }];
  await writeZeroedFile(path, { start, lengthBytes, busy });
  const content = readFileSync(path);
  expect(content.length).toBe(lengthBytes);
  expect(content.subarray(0, start.length)).toEqual(Buffer.from(start));
  expect(content.subarray(start.length).every((byte) => byte === 0)).toBe(true);
  const { blocks, mode } = statSync(path);
  expect(blocks * 512).toBeGreaterThanOrEqual(lengthBytes);
  expect(mode & 0o777).toBe(0o600);
  await expect(writeZeroedFile(path, { start, lengthBytes, busy })).rejects.toThrow(/EEXIST/);
});
