/** Against a real ext4 image; debugfs and mkfs need neither root nor a loop device for that. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { blockBytes, mebibyte } from '../../../app/base/units.ts';
import { filesAt } from '../../../app/devices/files-at.ts';
import { runProgram } from '../../../app/devices/program.ts';

let directory: string;
let image: string;

async function run(program: string, ...parameters: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await runProgram(program, parameters);
  if (exitCode !== 0) throw new Error(`${program}: ${stderr}`);
  return stdout;
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'diskferry-files-at-'));
  image = join(directory, 'volume.img');
  writeFileSync(join(directory, 'content'), new Uint8Array(3 * blockBytes).fill(7));
  await run('mkfs.ext4', '-q', '-b', '4096', image, String((16 * mebibyte) / 1024));
  await run('debugfs', '-w', '-R', 'mkdir /photos', image);
  for (const path of ['/letter.txt', '/photos/summer of 69.jpg'])
    await run('debugfs', '-w', '-R', `write "${join(directory, 'content')}" "${path}"`, image);
});

afterAll(() => rmSync(directory, { recursive: true }));

async function extentOf(path: string): Promise<{ offsetBytes: number; lengthBytes: number }> {
  const [first = ''] = (await run('debugfs', '-R', `blocks "${path}"`, image)).trim().split(' ');
  return { offsetBytes: Number(first) * blockBytes, lengthBytes: blockBytes };
}

describe('the files at some places of a disk', () => {
  test('are named with their paths where debugfs knows them', async () => {
    const extents = [await extentOf('/photos/summer of 69.jpg'), await extentOf('/letter.txt')];
    expect(await filesAt(image, 'ext4', { extents, areAllExtents: true })).toEqual({
      paths: ['/letter.txt', '/photos/summer of 69.jpg'],
      unknown: null,
    });
  });

  test('are not said to be all when there are more places, or places that are no file', async () => {
    const letter = await extentOf('/letter.txt');
    const more = await filesAt(image, 'ext4', { extents: [letter], areAllExtents: false });
    expect(more).toEqual({ paths: ['/letter.txt'], unknown: expect.stringContaining('more places') as string });
    const superblock = { offsetBytes: 0, lengthBytes: blockBytes };
    const own = await filesAt(image, 'ext4', { extents: [superblock, letter], areAllExtents: true });
    expect(own).toEqual({ paths: ['/letter.txt'], unknown: expect.stringContaining("file system's own") as string });
  });

  test('are unknown where the file system is damaged or no tool is there for it', async () => {
    const garbage = join(directory, 'garbage.img');
    writeFileSync(garbage, new Uint8Array(mebibyte).fill(1));
    const places = { extents: [{ offsetBytes: 0, lengthBytes: blockBytes }], areAllExtents: true };
    expect(await filesAt(garbage, 'ext4', places)).toEqual({
      paths: [],
      unknown: expect.stringContaining('debugfs') as string,
    });
    expect(await filesAt(image, 'xfs', places)).toEqual({ paths: [], unknown: expect.stringContaining('xfs') as string });
    expect((await filesAt(image, null, places)).unknown).toContain('unknown content');
  });
});
