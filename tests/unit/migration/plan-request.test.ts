import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { mebibyte } from '../../../app/base/units.ts';
import type { PlanPurpose, PlanRequest } from '../../../app/migration/plan-request.ts';
import { makePlan } from '../../../app/migration/plan-request.ts';

let directory: string;
let writer: ChildProcess;
let request: PlanRequest;

/** Of two images, of which another process has one open for writing. */
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'diskferry-plan-'));
  const [sourcePath, destinationPath] = ['source', 'destination'].map((name) => {
    const path = join(directory, name);
    writeFileSync(path, '');
    truncateSync(path, 4 * mebibyte);
    return path;
  }) as [string, string];
  const fd = openSync(destinationPath, 'r+');
  writer = spawn('sleep', ['3600'], { stdio: ['ignore', fd, 'ignore'] });
  closeSync(fd);
  const choices = { mode: 'redirect', frontend: 'nbd-socket', verifies: false, unmountsAtCutOver: false };
  const stateDirectory = join(directory, 'state');
  request = {
    ...{ sourcePath, destinationPath, stateDirectory, createBytes: undefined },
    ...{ ...choices, allowsNoJournal: true },
  };
});
afterEach(async () => {
  const ended = once(writer, 'exit');
  writer.kill('SIGKILL');
  await ended;
  rmSync(directory, { recursive: true });
});

describe('makePlan', () => {
  test.each<PlanPurpose>(['show', 'carry-out'])('finds who has a disk open for writing, to %s', async (purpose) => {
    await expect(makePlan(request, purpose)).rejects.toMatchObject({
      code: 'device-in-use',
      message: expect.stringContaining(`(process ${writer.pid ?? 0})`),
    });
  });

  test('searches nobody else\'s open files for somebody who only asks', async () => {
    expect((await makePlan(request, 'offer')).destination.path).toBe(request.destinationPath);
  });
});
