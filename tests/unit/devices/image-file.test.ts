import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseSize } from '../../../app/base/parse-size.ts';
import { createImageFile } from '../../../app/devices/image-file.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'diskferry-image-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe('parseSize', () => {
  test.each([
    ['512', 512],
    ['4K', 4096],
    ['1.5g', 1.5 * 2 ** 30],
    ['16T', 16 * 2 ** 40],
    ['10GiB', 10 * 2 ** 30],
  ])('%s is %i bytes', (text, sizeBytes) => {
    expect(parseSize(text)).toBe(sizeBytes);
  });

  test.each(['', '0', '-1G', '513', '1X', 'G', '1e9', '1.0001K', '99999999T', '1 G'])(
    'refuses "%s"',
    (text) => {
      expect(() => parseSize(text)).toThrow(expect.objectContaining({ code: 'usage' }));
    },
  );
});

describe('createImageFile', () => {
  test('makes a sparse file for its owner only', () => {
    const path = join(folder, 'new.img');
    createImageFile(path, 2 ** 40);
    const { size, blocks, mode } = statSync(path);
    expect({ size, blocks, mode: mode & 0o777 }).toEqual({ size: 2 ** 40, blocks: 0, mode: 0o600 });
  });

  test('never touches what is there', () => {
    const path = join(folder, 'precious.img');
    writeFileSync(path, 'data');
    expect(() => createImageFile(path, 4096)).toThrow(
      expect.objectContaining({ code: 'destination-exists' }),
    );
    expect(statSync(path).size).toBe(4);
  });

  test('leaves nothing behind when the file system cannot hold the size', () => {
    const path = join(folder, 'huge.img');
    expect(() => createImageFile(path, 2 ** 53 - 512)).toThrow(
      expect.objectContaining({ code: 'destination-too-small' }),
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  test('names a missing folder', () => {
    expect(() => createImageFile(join(folder, 'no/new.img'), 4096)).toThrow(
      expect.objectContaining({ code: 'device-missing' }),
    );
  });
});
