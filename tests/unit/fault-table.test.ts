/** The table of faults in ARCHITECTURE.md is true only if tests drive each of its rows. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { readFaultTable } from '../fault-table.ts';

const tests = fileURLToPath(new URL('..', import.meta.url));

/** The faults whose rows tests on real disks ask for. */
function cited(): string[] {
  const files = ['system', 'guest'].flatMap((folder) =>
    readdirSync(join(tests, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(tests, folder, name)),
  );
  const texts = files.filter((file) => file.endsWith('.test.ts')).map((file) => readFileSync(file, 'utf8'));
  return texts.flatMap((text) => [...text.matchAll(/faultRow\((['\"])(.+?)\1\)/g)].map(([, , fault]) => fault ?? ''));
}

describe('the table of faults', () => {
  const faults = readFaultTable().map(({ fault }) => fault);

  test('has rows, and none twice', () => {
    expect(faults.length).toBeGreaterThan(5);
    expect(new Set(faults).size).toBe(faults.length);
  });

  test('has a test for every row, and a row for every fault that a test cites', () => {
    expect([...new Set(cited())].sort()).toEqual([...faults].sort());
  });
});
