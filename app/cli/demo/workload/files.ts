/**
 * What several actors do with files besides their own business: find out whether a file is as it was left,
 * and make names durable.
 */
import { closeSync, fsyncSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FileContent } from '../acknowledged.ts';
import { contentOf, differenceOf } from '../acknowledged.ts';

/** Throws, with the file's name and how it differs, unless the file holds what was acknowledged. */
export function expectContent(volume: string, path: string, expected: FileContent): void {
  const difference = differenceOf(expected, contentOf(readFileSync(join(volume, path))));
  if (difference !== undefined) throw new Error(`${path} ${difference}`);
}

/** A new, renamed or removed name is durable only when its folder is. */
export function syncFolder(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
