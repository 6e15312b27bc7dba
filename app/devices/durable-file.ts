/**
 * Small files that must survive a power cut whole: they are there with all of their content or not at all,
 * and once written they stay, with the directories that lead to them. A file is written beside its place,
 * made durable, and then given its name.
 */
import { constants } from 'node:fs';
import { link, mkdir, open, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Fails when the file exists. For its owner only. */
export async function writeNewFile(path: string, text: string): Promise<void> {
  const draft = `${path}.new`;
  const handle = await open(draft, 'wx', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  // Unlike rename(2), link(2) takes nobody's place.
  await link(draft, path);
  await unlink(draft);
  await syncDirectory(dirname(path));
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

/** Its entries: fsync of a file does not cover its name. */
async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
