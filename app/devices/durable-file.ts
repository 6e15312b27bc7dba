/**
 * Small files that must survive a power cut whole: they are there with all of their content or not at all,
 * and once written they stay, with the directories that lead to them. A file is written beside its place,
 * made durable, and then given its name.
 */
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { link, mkdir, open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Extent } from '../base/units.ts';
import { mebibyte } from '../base/units.ts';
import { addon } from '../../native/binding.ts';

const zeroPieceBytes = mebibyte;

/** Fails when the file exists. For its owner only. */
export async function writeNewFile(path: string, text: string): Promise<void> {
  const draft = `${path}.new`;
  await writeDraft(draft, text, 'wx');
  // Unlike rename(2), link(2) takes nobody's place.
  await link(draft, path);
  await unlink(draft);
  await syncDirectory(dirname(path));
}

/** Takes the place of the file that is there; after a power cut it is the old or the new one, whole. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const draft = `${path}.new`;
  await writeDraft(draft, text, 'w');
  await rename(draft, path);
  await syncDirectory(dirname(path));
}

export interface ZeroedFile {
  readonly lengthBytes: number;
  /** What stands at its start; behind it there are zeroes. */
  readonly start: Uint8Array;
  /**
   * What is written again and again: zeroes are written there at once, because the first write to blocks that were
   * only allocated makes the file system write its own metadata, too.
   */
  readonly busy: readonly Extent[];
}

/** Creates the file, which must not exist yet, at its full length: later writes need no more room. */
export async function writeZeroedFile(path: string, { lengthBytes, start, busy }: ZeroedFile): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    const isAllocated = addon().allocate(handle.fd, lengthBytes);
    for (const extent of isAllocated ? busy : [{ offsetBytes: 0, lengthBytes }]) await writeZeroes(handle, extent);
    await writeWhole(handle, start, 0);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await syncDirectory(dirname(path));
}

async function writeZeroes(handle: FileHandle, { offsetBytes, lengthBytes }: Extent): Promise<void> {
  const zeroes = new Uint8Array(Math.min(zeroPieceBytes, lengthBytes));
  for (let done = 0; done < lengthBytes; done += zeroes.length)
    await writeWhole(handle, zeroes.subarray(0, Math.min(zeroes.length, lengthBytes - done)), offsetBytes + done);
}

/**
 * Makes the directory, which must not exist yet, and those above it that are missing. For their owner only.
 */
export async function makeNewDirectory(path: string): Promise<void> {
  const parent = dirname(path);
  const firstMade = await mkdir(parent, { recursive: true, mode: 0o700 });
  await mkdir(path, { mode: 0o700 });
  const last = firstMade === undefined ? parent : dirname(firstMade);
  for (let holder = parent; ; holder = dirname(holder)) {
    await syncDirectory(holder);
    if (holder === last) return;
  }
}

async function writeDraft(path: string, text: string, flags: 'w' | 'wx'): Promise<void> {
  const handle = await open(path, flags, 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function writeWhole(handle: FileHandle, bytes: Uint8Array, offsetBytes: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, offsetBytes + done);
    done += bytesWritten;
  }
}

/** Its entries: fsync of a file does not cover its name. */
async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
