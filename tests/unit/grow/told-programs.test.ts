/** What programs are told that change a disk: stand-ins for them write it down. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { mebibyte } from '../../../app/base/units.ts';
import { withPassphrase } from '../../../app/grow/luks-container.ts';
import { relocateBackup, resizeRow, tellKernel } from '../../../app/grow/partition-table.ts';

let directory = '';

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'diskferry-told-'));
  vi.stubEnv('PATH', `${directory}:${process.env['PATH'] ?? ''}`);
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

/** Writes down its words and its stdin. */
function standIn(program: string, end = 'exit 0'): () => string {
  const [path, log] = [join(directory, program), join(directory, 'log')];
  writeFileSync(path, `#!/bin/sh\n{ echo "$@"; cat; } >> ${log}\n${end}\n`);
  chmodSync(path, 0o755);
  return () => readFileSync(log, 'utf8');
}

it('resizepart: the size in sectors of 512 bytes, whatever the blocks of the disk are', async () => {
  const told = standIn('resizepart');
  await tellKernel('/dev/sdb', { number: 2, sizeBytes: 3 * mebibyte });
  expect(told()).toBe('/dev/sdb 2 6144\n');
});

it('sfdisk: the size in blocks of the disk, in a rehearsal first; no signature is touched, no table read again', async () => {
  const told = standIn('sfdisk');
  await resizeRow('/dev/sdb', { number: 2, blocks: 768 });
  const words = '--no-reread --no-tell-kernel --wipe never --wipe-partitions never -N 2 /dev/sdb\n,768\n';
  expect(told()).toBe(`--no-act ${words}${words}`);
});

it('sfdisk: nothing but where the backup belongs', async () => {
  const told = standIn('sfdisk');
  await relocateBackup('/dev/sdb');
  expect(told()).toBe(
    '--no-reread --no-tell-kernel --wipe never --wipe-partitions never --relocate gpt-bak-std /dev/sdb\n',
  );
});

it('a program that refuses is quoted', async () => {
  standIn('resizepart', 'echo the kernel is tired >&2; exit 1');
  await expect(tellKernel('/dev/sdb', { number: 2, sizeBytes: 512 })).rejects.toMatchObject({
    code: 'command-failed',
    message: '/dev/sdb: resizepart failed: the kernel is tired',
  });
});

it('cryptsetup: the passphrase by its stdin, which the caller keeps', async () => {
  const told = standIn('cryptsetup');
  const passphrase = Buffer.from('open sesame');
  await withPassphrase('/dev/mapper/vault', ['resize', '--key-file', '-', '--', 'vault'], passphrase);
  expect(told()).toBe('resize --key-file - -- vault\nopen sesame');
  expect(passphrase.toString()).toBe('open sesame');
});

it.each([
  [2, 'wrong-passphrase', 'no key slot opens'],
  [1, 'command-failed', 'cryptsetup failed: it is tired'],
])('cryptsetup: exit code %i is %s', async (exitCode, code, words) => {
  standIn('cryptsetup', `echo it is tired >&2; exit ${exitCode}`);
  await expect(withPassphrase('/dev/mapper/vault', [], Buffer.from('x'))).rejects.toMatchObject({
    code,
    message: expect.stringContaining(words),
  });
});
