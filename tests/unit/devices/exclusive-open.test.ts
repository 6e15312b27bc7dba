/** Of the program that claims a device; here it is a file's, where O_EXCL means nothing. What it says of disks in use
 * is seen in system/private-mount.test.ts. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { builtFile } from '../../../app/base/built-file.ts';
import { tryExclusiveOpen } from '../../../app/devices/exclusive-open.ts';

vi.mock('../../../app/base/built-file.ts', { spy: true });

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'diskferry-claim-'));
  writeFileSync(`${folder}/file`, 'content');
  writeFileSync(`${folder}/slow`, '#!/bin/sh\nexec sleep 1000\n', { mode: 0o755 });
  writeFileSync(`${folder}/broken`, '#!/bin/sh\necho of no use >&2\nexit 1\n', { mode: 0o755 });
});
afterAll(() => rmSync(folder, { recursive: true }));

test.each([
  ['can be opened', 'file', null],
  ['is not there', 'nothing', 'ENOENT'],
])('what %s is told by its errno', async (_, name, refusal) => {
  expect(await tryExclusiveOpen(join(folder, name))).toBe(refusal);
});

test('a disk that does not answer is no riddle for long', async () => {
  vi.mocked(builtFile).mockReturnValueOnce(`${folder}/slow`);
  expect(await tryExclusiveOpen(join(folder, 'file'), 50)).toBe('ETIMEDOUT');
});

test('nothing is made of a program that says nothing', async () => {
  vi.mocked(builtFile).mockReturnValueOnce(`${folder}/broken`);
  await expect(tryExclusiveOpen(join(folder, 'file'))).rejects.toThrow('cannot be claimed: of no use');
});
