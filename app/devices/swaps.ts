/** Active swap, from /proc/swaps: block devices and files that the kernel writes to whenever it likes. */
import { readFileSync } from 'node:fs';
import type { FileKey } from './block-device.ts';
import { majorMinorOf } from './block-device.ts';
import { unescapeOctal } from './mounts.ts';
import type { StatOf } from './reachable-stat.ts';
import { reachableStat } from './reachable-stat.ts';

export interface Swap {
  readonly path: string;
  /** `majorMinor` for a device, null for a file. */
  readonly block: string | null;
  readonly file: FileKey | null;
}

export function readSwaps(): Swap[] {
  return swapsFrom(readFileSync('/proc/swaps', 'utf8'), reachableStat);
}

/** From the text of /proc/swaps. */
export function swapsFrom(text: string, statOf: StatOf): Swap[] {
  return parseSwaps(text).map((path) => {
    const stat = statOf(path);
    if (stat === undefined) return { path, block: null, file: null };
    if (stat.isBlockDevice()) return { path, block: majorMinorOf(stat.rdev), file: null };
    return { path, block: null, file: { device: majorMinorOf(stat.dev), inode: Number(stat.ino) } };
  });
}

/** The paths in the first column; the first line holds headings. */
export function parseSwaps(text: string): string[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const path = line.split(/\s/)[0] ?? '';
      return path === '' ? [] : [unescapeOctal(path)];
    });
}
