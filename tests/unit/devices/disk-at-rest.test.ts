import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { gibibyte, mebibyte } from '../../../app/base/units.ts';
import { runCommand } from '../../../app/devices/command.ts';
import { hiddenOn } from '../../../app/devices/disk-at-rest.ts';
import { invertSector } from '../../../app/devices/guard-places.ts';
import { withProgramLimit } from '../../../app/devices/program.ts';
import { readByProgram } from '../../../app/devices/read-by-program.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'diskferry-at-rest-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const diskBytes = 8 * mebibyte;

/** Of a partition table in sectors of 512 bytes, both copies, or one of both. */
function image(...headersAt: number[]): string {
  const bytes = Buffer.alloc(diskBytes);
  for (const at of headersAt) {
    bytes.write('EFI PART', at);
    invertSector(bytes, at);
  }
  const path = join(directory, 'a disk');
  writeFileSync(path, bytes);
  return path;
}

describe('hiddenOn', () => {
  test.each([512, 4096])('finds what is hidden anywhere, in blocks of %d bytes', async (logicalBlockBytes) => {
    const smaller = diskBytes - mebibyte;
    for (const at of [512, diskBytes - 512, smaller - 512]) {
      const disk = { path: image(at), kind: 'file', logicalBlockBytes } as const;
      expect(await hiddenOn(disk, [diskBytes, smaller])).toEqual(['gpt']);
    }
  });

  test('finds nothing where nothing is hidden', async () => {
    const disk = { path: image(), kind: 'file', logicalBlockBytes: 512 } as const;
    expect(await hiddenOn(disk, [diskBytes])).toEqual([]);
  });

  test('can be left when the disk does not answer, and keeps no thread of ours', async () => {
    const path = join(directory, 'silent');
    await runCommand('mkfifo', [path], 'making what never answers');
    const looking = withProgramLimit(500, () => hiddenOn({ path, kind: 'file', logicalBlockBytes: 512 }, [gibibyte]));
    await expect(looking).rejects.toMatchObject({ code: 'command-failed' });
  });

  test('does not take a disk for empty that cannot be read', async () => {
    const disk = { path: join(directory, 'missing'), kind: 'file', logicalBlockBytes: 512 } as const;
    await expect(hiddenOn(disk, [diskBytes])).rejects.toMatchObject({ code: 'identity-unreadable' });
  });
});

describe('readByProgram', () => {
  test('reads what is there, and nothing for what is not', async () => {
    const path = join(directory, 'a disk');
    const content = Buffer.from(Array.from({ length: 4096 }, (_, index) => index % 251));
    writeFileSync(path, content);
    const disk = { path, kind: 'file', logicalBlockBytes: 512 } as const;
    expect(await readByProgram(disk, { first: 3, count: 5 })).toEqual(content.subarray(3 * 512));
    expect(await readByProgram(disk, { first: 3, count: 6 })).toBeUndefined();
  });
});
