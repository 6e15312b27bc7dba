import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { JobEvent } from '../../../app/contract/events.ts';
import { EventLog } from '../../../app/migration/event-log.ts';
import { keepHistory, readEnd, readHistory } from '../../../app/migration/job-history.ts';

const job = 'sda-1';
const paused: JobEvent = { event: 'paused', job, timeMs: 1 };
const failed: JobEvent = {
  ...{ event: 'failed', job, timeMs: 2, code: 'interrupted', message: 'm', advice: 'a', dataIs: 'both' },
};
const resumed: JobEvent = { event: 'resumed', job, timeMs: 3 };
let stateDirectory: string;
let directory: string;

beforeEach(() => {
  stateDirectory = mkdtempSync(join(tmpdir(), 'diskferry-history-'));
  directory = join(stateDirectory, 'jobs', job);
  mkdirSync(directory, { recursive: true });
});
afterEach(() => rmSync(stateDirectory, { recursive: true }));

describe('the history of a job', () => {
  test('is there when its directory has gone', async () => {
    new EventLog(directory).add(failed);
    await keepHistory(stateDirectory, { job, directory });
    rmSync(directory, { recursive: true });
    expect(await readHistory(stateDirectory, job)).toEqual([failed]);
    expect(await readEnd(stateDirectory, job)).toEqual(failed);
  });

  test('goes on with a job that failed, was gone on with and has died', async () => {
    const events = new EventLog(directory);
    events.add(paused);
    events.add(failed);
    await keepHistory(stateDirectory, { job, directory });
    events.add(resumed);
    expect(await readHistory(stateDirectory, job)).toEqual([paused, failed, resumed]);
    expect(await readEnd(stateDirectory, job)).toBeUndefined();
  });

  test('is missing of a job that never was', async () => {
    await expect(readHistory(stateDirectory, 'none')).rejects.toMatchObject({ code: 'job-missing' });
  });
});
