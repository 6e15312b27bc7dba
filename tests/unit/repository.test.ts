/**
 * What is kept under version control: plain files that people wrote. A link or something that a build or npm
 * makes, once committed, shadows what a fresh clone makes at its place.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const plainFile = /^100(644|755) /;
const made = /\t(node_modules|build)(\/|$)/;

const isClone = existsSync(resolve(root, '.git'));

test.skipIf(!isClone)('the repository holds plain files, and nothing that a build makes', () => {
  const { stdout, status } = spawnSync('git', ['-c', 'safe.directory=*', 'ls-files', '--stage'], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(status).toBe(0);
  const entries = stdout.trimEnd().split('\n');
  expect(entries.length).toBeGreaterThan(1);
  expect(entries.filter((entry) => !plainFile.test(entry) || made.test(entry))).toEqual([]);
});
