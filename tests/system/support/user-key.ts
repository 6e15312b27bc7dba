/** A key of the type "user" in the kernel's keyrings, as people give one to cryptsetup's tokens. */
import { join } from 'node:path';
import { runCommand } from '../../../app/devices/command.ts';
import type { Scratch } from './scratch.ts';

export interface UserKey {
  readonly remove: () => Promise<void>;
}

/** Removed with the scratch at the latest. */
export async function addUserKey(scratch: Scratch, description: string, payload: string): Promise<UserKey> {
  const program = scratch.path('user-key');
  await runCommand('gcc', ['-O2', '-o', program, join(import.meta.dirname, 'user-key.c')], 'compiling user-key.c');
  const serial = (await runCommand(program, ['add', description, payload], 'adding a key')).trim();
  let isThere = true;
  const remove = async (): Promise<void> => {
    if (isThere) await runCommand(program, ['remove', serial], 'removing a key');
    isThere = false;
  };
  scratch.onRelease('the key', remove);
  return { remove };
}
