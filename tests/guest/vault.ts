/** LUKS containers for tests: quick to open, and closed with the test's scratch. */
import { writeFileSync } from 'node:fs';
import { runCommand } from '../../app/devices/command.ts';
import type { Scratch } from '../system/support/scratch.ts';

export const passphrase = Buffer.from('correct horse');

/** As /dev/mapper/vault. Returns the path of a file that holds the passphrase. */
export async function openVault(scratch: Scratch, disk: string, type: 'luks1' | 'luks2'): Promise<string> {
  const keyFile = scratch.path('passphrase');
  writeFileSync(keyFile, passphrase);
  const quick = ['--pbkdf', 'pbkdf2', '--pbkdf-force-iterations', '1000', '--key-file', keyFile];
  await runCommand(
    'cryptsetup',
    ['luksFormat', '--batch-mode', '--type', type, ...quick, disk],
    'luksFormat',
  );
  await runCommand('cryptsetup', ['open', '--key-file', keyFile, disk, 'vault'], 'opening the vault');
  scratch.onRelease('the vault', async () => {
    await runCommand('cryptsetup', ['close', 'vault'], 'closing the vault');
  });
  return keyFile;
}
