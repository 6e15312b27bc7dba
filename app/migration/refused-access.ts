/** What the directory of jobs answers to those whose it is not, and where nothing is. */
import { DiskferryError } from '../base/error.ts';

/** `nothing` when there is no such file. Throws `not-root` when it is not ours to read. */
export async function orNothing<T>(path: string, read: () => Promise<T>, nothing: T): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return nothing;
    throw isRefusedAccess(error) ? notOurs(path, error) : error;
  }
}

export function isRefusedAccess(error: unknown): boolean {
  return ['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '');
}

/** The directory of jobs is for their owner alone. */
export function notOurs(path: string, cause: unknown): DiskferryError {
  return new DiskferryError('not-root', `${path}: only the user who runs the jobs there may look at them`, {
    context: { path },
    cause,
  });
}
