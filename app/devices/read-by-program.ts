/**
 * Parts of a disk as programs have read them: a disk that does not answer keeps such a program, and none of the
 * threads of a process that looks after others as well.
 */
import { runProgramHead } from './program.ts';

export interface ReadDisk {
  readonly path: string;
  readonly kind: 'block' | 'file';
  readonly logicalBlockBytes: number;
}

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
  const place = [`bs=${logicalBlockBytes}`, `skip=${first}`, `count=${count}`, 'status=none'];
  const flags = kind === 'block' ? ['iflag=direct'] : [];
  const bytes = await runProgramHead('dd', [`if=${path}`, ...place, ...flags], size);
  return bytes.length === size ? bytes : undefined;
}
