/** A LUKS container that is quick to open, and a file with its passphrase for the command line. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../../../app/devices/command.ts';
import type { Bench } from '../benchmark.ts';
import type { DiskPair } from './disk-pair.ts';

const name = 'bench-vault';

export interface Vault {
  readonly path: string;
  readonly sizeBytes: number;
  /** By which the command line can open it. */
  readonly parameters: readonly string[];
}

/** Closed when the benchmark ends. */
export async function openVault(bench: Bench, { source }: DiskPair): Promise<Vault> {
  await runCommand('modprobe', ['dm-crypt'], 'loading dm-crypt');
  const keyFile = join(bench.directory, 'passphrase');
  await writeFile(keyFile, 'correct horse');
  const quick = ['--pbkdf', 'pbkdf2', '--pbkdf-force-iterations', '1000', '--key-file', keyFile];
  await runCommand(
    'cryptsetup',
    ['luksFormat', '--batch-mode', '--type', 'luks2', ...quick, source.path],
    'luksFormat',
  );
  await runCommand('cryptsetup', ['open', '--key-file', keyFile, source.path, name], 'opening the vault');
  bench.held.add(name, () => runCommand('cryptsetup', ['close', name], 'closing the vault').then(() => {}));
  const path = `/dev/mapper/${name}`;
  const sizeBytes = Number(await runCommand('blockdev', ['--getsize64', path], 'blockdev'));
  return { path, sizeBytes, parameters: ['--key-file', keyFile] };
}
