import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { countBtrfsDevices } from '../../../app/devices/content.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'diskferry-content-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** With the number of devices where struct btrfs_super_block has it. */
function image(count: bigint, sizeBytes: number): string {
  const bytes = Buffer.alloc(128 * 1024, 0xff);
  bytes.writeBigUInt64LE(count, 65_536 + 136);
  const path = join(directory, 'a disk');
  writeFileSync(path, bytes.subarray(0, sizeBytes));
  return path;
}

describe('countBtrfsDevices', () => {
  test.each([1n, 2n, 300n])('reads that there are %i', async (count) => {
    expect(await countBtrfsDevices(image(count, 128 * 1024))).toBe(Number(count));
  });

  test.each([0, 65_536 + 139])('takes nothing for a number that ends after %i bytes', async (sizeBytes) => {
    await expect(countBtrfsDevices(image(1n, sizeBytes))).rejects.toMatchObject({ code: 'device-open-failed' });
  });
});
