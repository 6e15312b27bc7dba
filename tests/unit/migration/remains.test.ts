import { closeSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LiveFiles } from '../../../app/engine/live-files.ts';
import type { JobRecord } from '../../../app/migration/job-record.ts';
import { clearRemains } from '../../../app/migration/remains.ts';
import { inventoryOf } from '../devices/made-inventory.ts';

let directory: string;
let job: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'diskferry-remains-'));
  job = basename(directory);
});
afterEach(() => {
  LiveFiles.discard(job);
  rmSync(directory, { recursive: true });
});

const places = ['/run/diskferry', '/dev/shm/diskferry', `/dev/shm/diskferry-${process.geteuid?.() ?? 0}`];
const hasLiveFiles = (): boolean => places.some((place) => existsSync(join(place, job)));

function clear(): Promise<void> {
  const record = { job, plan: { needsRoot: false }, socketPath: join(directory, 's') } as unknown as JobRecord;
  return clearRemains(inventoryOf({}), { directory, record });
}

describe('clearRemains', () => {
  test('frees the memory of a job that died without anybody who could take over', async () => {
    const { setting } = await LiveFiles.make({ job, sizeBytes: 4096 });
    closeSync(setting.fenceFd);
    await clear();
    expect(hasLiveFiles()).toBe(false);
    closeSync(setting.fd);
  });

  test('leaves it to who takes over, or while a request is still with a disk', async () => {
    const files = await LiveFiles.make({ job, sizeBytes: 4096 });
    await clear();
    expect(hasLiveFiles()).toBe(true);
    closeSync(files.setting.fenceFd);
    files.remove();
  });
});
