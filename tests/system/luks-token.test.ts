/**
 * LUKS2 headers with tokens, as cryptsetup makes and reads them, and keys in the kernel's keyring: no device-mapper is
 * needed for that.
 */
import { writeFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import { readLuksHeader, readVolumeKey } from '../../app/devices/luks.ts';
import { findTokenKey, readTokenPassphrase } from '../../app/devices/luks-token.ts';
import { makeImage } from './support/loop-disk.ts';
import { useScratch } from './support/scratch.ts';
import { addUserKey } from './support/user-key.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();
const passphrase = 'correct horse';
const description = `diskferry-test-${process.pid}`;

let path: string;

async function cryptsetup(...parameters: string[]): Promise<void> {
  await runCommand('cryptsetup', parameters, `cryptsetup ${parameters[0]}`);
}

describe.skipIf(!isRoot)('a LUKS2 container whose token names a key (needs root)', () => {
  beforeEach(async () => {
    path = scratchOf().path('vault.img');
    makeImage(path, 32 * mebibyte);
    const keyFile = scratchOf().path('passphrase');
    writeFileSync(keyFile, passphrase);
    const quick = ['--pbkdf', 'pbkdf2', '--pbkdf-force-iterations', '1000', '--key-file', keyFile];
    await cryptsetup('luksFormat', '--batch-mode', '--type', 'luks2', ...quick, path);
    await cryptsetup('token', 'add', '--key-description', description, path);
  });

  it('opens by that key without a passphrase, with the same volume key', async () => {
    await addUserKey(scratchOf(), description, passphrase);
    expect(await findTokenKey(path)).toBe(description);
    const read = readTokenPassphrase(path, description);
    expect(Buffer.from(read).toString()).toBe(passphrase);
    const byToken = await readVolumeKey(path, read);
    expect(byToken.length).toBeGreaterThan(0);
    expect(byToken).toEqual(await readVolumeKey(path, Buffer.from(passphrase)));
    expect(await readLuksHeader(path)).toEqual({ version: 2, isReencrypting: false });
  });

  it('does not open by it when it is gone, or is another one', async () => {
    expect(await findTokenKey(path)).toBeNull();
    expect(() => readTokenPassphrase(path, description)).toThrow(
      expect.objectContaining({
        code: 'passphrase-needed',
        message: expect.stringMatching(`the key "${description}" of its token cannot be read: .*ENOKEY`) as string,
      }),
    );
    const wrong = await addUserKey(scratchOf(), description, 'wrong horse');
    expect(await findTokenKey(path)).toBeNull();
    await wrong.remove();
  });

  it('does not open by a token that belongs to no key slot', async () => {
    await addUserKey(scratchOf(), description, passphrase);
    await cryptsetup('token', 'remove', '--token-id', '0', path);
    await cryptsetup('token', 'add', '--unbound', '--key-description', description, path);
    expect(await findTokenKey(path)).toBeNull();
  });
});
