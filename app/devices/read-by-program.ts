/**
 * Parts of a disk as programs have read them: a disk that does not answer keeps such a program, and none of the
 * threads of a process that looks after others as well.
 */
import { mebibyte } from '../base/units.ts';
import { runProgramHead } from './program.ts';

export interface ReadDisk {
  readonly path: string;
  readonly kind: 'block' | 'file';
  readonly logicalBlockBytes: number;
}

/** At a time: a disk answers one long request sooner than a thousand of a block. */
const requestBytes = mebibyte;

/** In logical blocks. */
export interface BlockRun {
  readonly first: number;
  readonly count: number;
}

/**
 * Past the cache of a block device. Undefined: the disk cannot deliver all of it. Throws `command-failed` when the
 * time for programs has passed (program.ts).
 */
export async function readByProgram(
  { path, kind, logicalBlockBytes }: ReadDisk,
  { first, count }: BlockRun,
): Promise<Uint8Array | undefined> {
  const size = count * logicalBlockBytes;
  const place = [`bs=${requestBytes}`, `skip=${first * logicalBlockBytes}`, `count=${size}`, 'status=none'];
  const flags = ['skip_bytes', 'count_bytes', ...(kind === 'block' ? ['direct'] : [])];
  const bytes = await runProgramHead('dd', [`if=${path}`, ...place, `iflag=${flags.join(',')}`], size);
  return bytes.length === size ? bytes : undefined;
}
