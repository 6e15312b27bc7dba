import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildFolder } from '../../../app/base/built-file.ts';

describe('the folder of what is built', () => {
  let parent: string;

  /** A repository in a folder where somebody else has made a `build` of his own. */
  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), 'diskferry-build-'));
    for (const folder of ['build/app', 'ours/app/base', 'ours/build/app/chunks'])
      mkdirSync(join(parent, folder), { recursive: true });
    writeFileSync(join(parent, 'ours/package.json'), '{}');
  });

  afterEach(() => rmSync(parent, { recursive: true }));

  it.each([['ours/app/base/built-file.ts'], ['ours/build/app/chunks/chunk.js'], ['ours/build/app/cli/main.js']])(
    'is our own for %s',
    (path) => {
      expect(buildFolder(join(parent, path))).toBe(join(parent, 'ours/build'));
    },
  );

  it('is our own when nothing has been built, and no other', () => {
    rmSync(join(parent, 'ours/build'), { recursive: true });
    expect(buildFolder(join(parent, 'ours/app/base/built-file.ts'))).toBe(join(parent, 'ours/build'));
  });
});
