/**
 * Tokens of a LUKS2 header that open it without anybody's typing: of the type luks2-keyring, which names a key in
 * the kernel's keyring whose payload is a passphrase (cryptsetup-token(8)). Tokens of other types, such as those of
 * systemd for a TPM, give their secret to cryptsetup's own programs only.
 *
 * Whether one opens the container, cryptsetup is asked, in the same keyrings as ours; then the passphrase is read
 * and used like one that was typed (volume-key.ts).
 */
import * as z from 'zod';
import { addon, isAddonError } from '../../native/binding.ts';
import { DiskferryError } from '../base/error.ts';
import { readLuks2Metadata } from './luks.ts';
import { runProgram } from './program.ts';

const keyringType = 'luks2-keyring';

/** LUKS2 On-Disk Format Specification, sections 3.5 and 3.5.1. */
const tokensSchema = z.object({
  tokens: z
    .record(
      z.string(),
      z.looseObject({ type: z.string(), keyslots: z.array(z.string()), key_description: z.string().optional() }),
    )
    .optional(),
});

export interface KeyringToken {
  readonly number: string;
  /** Of the key. */
  readonly description: string;
}

/** It is shown to people: whoever has written the header must not write on their terminals. */
const shownPattern = /^\P{C}{1,200}$/u;

/** Those that belong to a key slot. */
export function parseKeyringTokens(json: string): KeyringToken[] {
  const { tokens = {} } = tokensSchema.parse(JSON.parse(json));
  return Object.entries(tokens).flatMap(([number, { type, keyslots, key_description: description = '' }]) =>
    type === keyringType && keyslots.length > 0 && shownPattern.test(description) ? [{ number, description }] : [],
  );
}

/** The description of the key that opens the container now; null when there is none. */
export async function findTokenKey(path: string): Promise<string | null> {
  for (const { number, description } of parseKeyringTokens(await readLuks2Metadata(path))) {
    const parameters = ['open', '--test-passphrase', '--batch-mode', '--token-only', '--token-id', number, '--', path];
    // Without the key it fails at once; with it this takes as long as opening the container does.
    if ((await runProgram('cryptsetup', parameters)).exitCode === 0) return description;
  }
  return null;
}

/** The bytes are the caller's to wipe. Throws `passphrase-needed` when the key has gone. */
export function readTokenPassphrase(path: string, description: string): Uint8Array {
  try {
    return addon().keyRead(description);
  } catch (cause) {
    if (!isAddonError(cause)) throw cause;
    const message = `${path}: the key "${description}" of its token cannot be read: ${cause.message}`;
    throw new DiskferryError('passphrase-needed', message, { context: { device: path }, cause });
  }
}
