/**
 * The files that lie on the demo's volume before anything happens: some thousand, of sizes from nothing to a
 * megabyte, in folders of folders. Always the same for the same seed; nobody changes them afterwards.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { mebibyte } from '../../base/units.ts';
import { contentOf, RecordLog } from './acknowledged.ts';
import type { FileRecord } from './acknowledged.ts';
import { SeededRandom } from './seeded-random.ts';

const fileBytesMax = mebibyte;
const filesPerFolder = 24;
const foldersPerFolder = 12;

export interface FileTree {
  readonly fileCount: number;
  readonly sizeBytes: number;
}

/** Writes files of about `targetBytes` in all to `volume`, and what they hold to `recordPath`. */
export function writeFileTree(volume: string, recordPath: string, targetBytes: number): FileTree {
  const random = new SeededRandom('file tree');
  const records: FileRecord[] = [];
  let sizeBytes = 0;
  while (sizeBytes < targetBytes) {
    const path = pathOf(records.length);
    const bytes = random.bytes(random.sizeBelow(fileBytesMax));
    mkdirSync(dirname(join(volume, path)), { recursive: true });
    writeFileSync(join(volume, path), bytes);
    records.push({ path, content: contentOf(bytes) });
    sizeBytes += bytes.length;
  }
  const log = new RecordLog<FileRecord>(recordPath);
  log.add(...records);
  log.close();
  return { fileCount: records.length, sizeBytes };
}

function pathOf(index: number): string {
  const folder = Math.floor(index / filesPerFolder);
  const upper = Math.floor(folder / foldersPerFolder);
  return join(
    'tree',
    `folder-${upper}`,
    `folder-${folder % foldersPerFolder}`,
    `file-${index % filesPerFolder}`,
  );
}
