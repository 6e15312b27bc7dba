/** A program that cannot be had, however the kernel says so. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { runProgram } from '../../../app/devices/program.ts';
import { runToItsEnd } from '../../../app/devices/program-to-its-end.ts';

const program = 'diskferry-no-such-program';
const other = join(tmpdir(), 'diskferry-nowhere');
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'diskferry-programs-'));
  vi.stubEnv('PATH', `${folder}:${other}`);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

for (const run of [runProgram, runToItsEnd]) {
  test(`${run.name}: is missing when it lies nowhere`, async () => {
    await expect(run(program, [])).rejects.toMatchObject({ code: 'program-missing' });
  });

  // As where a folder of the path may not be entered (EACCES), which root always may.
  test(`${run.name}: is missing when it lies only where we may not run it`, async () => {
    writeFileSync(join(folder, program), '#!/bin/sh\n');
    chmodSync(join(folder, program), 0o644);
    await expect(run(program, [])).rejects.toMatchObject({ code: 'program-missing' });
  });

  test(`${run.name}: is not missing when it fails to start for another reason`, async () => {
    const script = join(folder, program);
    writeFileSync(script, `#!${folder}\n`);
    chmodSync(script, 0o755);
    await expect(run(program, [])).rejects.toMatchObject({ code: 'command-failed' });
  });
}
