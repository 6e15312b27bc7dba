/**
 * The disks of a benchmark: loop devices over sparse files that it made itself. Every byte of a disk is
 * written once before anything is measured, because the first write to a page of a file costs far more than
 * all later ones.
 */
import { createCipheriv, randomBytes } from 'node:crypto';
import { open, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mebibyte } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import type { Bench } from './benchmark.ts';

export interface BenchDisk {
  /** The loop device. */
  readonly path: string;
  readonly backingPath: string;
  readonly sizeBytes: number;
}

export type Content = 'random' | 'zeroes' | 'sparse';

/** A disk called `name`, gone when the benchmark ends. */
export async function makeDisk(
  bench: Bench,
  name: string,
  sizeBytes: number,
  content: Content,
): Promise<BenchDisk> {
  const backingPath = join(bench.directory, name);
  await writeFile(backingPath, '');
  await truncate(backingPath, sizeBytes);
  if (content !== 'sparse') await fill(backingPath, sizeBytes, content);
  return { path: await attachLoop(bench, backingPath), backingPath, sizeBytes };
}

/**
 * A loop device over a file; with `direct` it goes past the file's page cache, which a file over FUSE needs.
 */
export async function attachLoop(bench: Bench, path: string, direct = false): Promise<string> {
  const parameters = ['--find', '--show', ...(direct ? ['--direct-io=on'] : []), path];
  const device = (await runCommand('losetup', parameters, `a loop device over ${path}`)).trim();
  bench.held.add(device, () => detachLoop(device));
  return device;
}

export async function detachLoop(device: string): Promise<void> {
  await runCommand('losetup', ['--detach', device], `taking ${device} away`);
}

/** Writes every byte of the disk again: some tools leave holes where they write zeroes. */
export async function touch({ backingPath, sizeBytes }: BenchDisk): Promise<void> {
  await fill(backingPath, sizeBytes, 'zeroes');
}

/** Writes every byte of a file or device. */
export async function fill(path: string, sizeBytes: number, content: 'random' | 'zeroes'): Promise<void> {
  const zeroes = Buffer.alloc(mebibyte);
  const cipher = createCipheriv('aes-128-ctr', randomBytes(16), randomBytes(16));
  const file = await open(path, 'r+');
  try {
    for (let offset = 0; offset < sizeBytes; offset += mebibyte) {
      const bytes = content === 'random' ? cipher.update(zeroes) : zeroes;
      await file.write(bytes, 0, Math.min(mebibyte, sizeBytes - offset), offset);
    }
    await file.sync();
  } finally {
    await file.close();
  }
}
