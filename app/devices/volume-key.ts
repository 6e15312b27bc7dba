/**
 * Volume keys of opened LUKS2 containers while their tables are moved. dm-crypt does not give its key away,
 * and the table has only the key's name in a keyring that cryptsetup has let go long ago: each new table
 * needs the key again, under that name. The kernel holds it for us, out of everybody's reach and gone with
 * this process; here is only which ones it holds.
 */
import { addon, isAddonError } from '../../native/binding.ts';
import { DiskferryError } from '../base/error.ts';
import type { Segment } from './dm-table.ts';
import { readVolumeKey } from './luks.ts';

/**
 * `:64:logon:cryptsetup:UUID-d0` (dm-crypt.rst): length in bytes, type, and a description that may have
 * colons.
 */
const keyName = /^:(\d+):logon:(.+)$/;

/** Serial numbers by the name in the table: of the whole process, as the keyring is. */
const held = new Map<string, number>();

/** Of the key that a table names; 0 when it names none, or none that we hold. */
export function keySerialFor(segments: readonly Segment[]): number {
  const names = segments.flatMap(({ mapping }) => (mapping.type === 'crypt' ? [mapping.key] : []));
  return names.map((name) => held.get(name)).find((serial) => serial !== undefined) ?? 0;
}

/** The names of keys in a table that the kernel must be given again. */
export function keysToUnlock(segments: readonly Segment[]): string[] {
  return segments.flatMap(({ mapping }) =>
    mapping.type === 'crypt' && mapping.key.startsWith(':') ? [mapping.key] : [],
  );
}

/**
 * From then on tables that name this key can be loaded.
 *
 * @param path the container
 */
export async function unlockKey(
  name: string,
  options: { readonly path: string; readonly passphrase: Uint8Array },
): Promise<void> {
  const { path, passphrase } = options;
  const [, length, description] = keyName.exec(name) ?? [];
  if (description === undefined) throw unusable(path, 'is of a kind that cannot be loaded again');
  const key = await readVolumeKey(path, passphrase);
  try {
    if (key.length !== Number(length)) throw unusable(path, 'is not the one that it was opened with');
    held.set(name, addKey(path, { description, key }));
  } finally {
    key.fill(0);
  }
}

/** All of them. */
export function forgetKeys(): void {
  for (const [name, serial] of held) {
    addon().keyRemove(serial);
    held.delete(name);
  }
}

function addKey(
  path: string,
  { description, key }: { readonly description: string; readonly key: Uint8Array },
): number {
  try {
    return addon().keyAdd(description, key);
  } catch (cause) {
    if (isAddonError(cause)) throw unusable(path, `is not taken by the kernel: ${cause.message}`, cause);
    throw cause;
  }
}

function unusable(path: string, why: string, cause?: unknown): DiskferryError {
  return new DiskferryError('volume-key-unusable', `${path}: its key ${why}`, {
    context: { device: path },
    cause,
  });
}
