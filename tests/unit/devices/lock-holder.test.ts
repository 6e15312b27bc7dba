import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { linkSync, readFileSync } from 'node:fs';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { isProcessAlive, lockHolder } from '../../../app/devices/lock-holder.ts';
import { lockFile } from '../../../app/devices/open-disk.ts';
import { lockByDead } from './dead-lock.ts';

describe('who has a lock', () => {
  let folder: string;
  let path: string;
  let handle: FileHandle;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'diskferry-lock-'));
    path = join(folder, 'fence');
    await writeFile(path, '');
    handle = await open(path, 'r');
  });
  afterEach(async () => {
    await handle.close();
    await rm(folder, { recursive: true });
  });

  test('is a process that lives, by whatever name of the file', () => {
    lockFile(path, handle);
    linkSync(path, `${path}-2`);
    expect(lockHolder(`${path}-2`)).toEqual({ kind: 'process', processId: process.pid });
  });

  test('is a process that is dead, when somebody else has kept its descriptor', async () => {
    await lockByDead(handle);
    expect(lockHolder(path)).toEqual({ kind: 'dead' });
  });

  test('is not known of a file that nobody has locked, or that is not there', () => {
    expect(lockHolder(path)).toEqual({ kind: 'unknown' });
    expect(lockHolder(`${path}-none`)).toEqual({ kind: 'unknown' });
  });

  // As a process is seen where /proc is mounted with hidepid: by its number alone.
  test('is not known where /proc hides the process', async () => {
    await lockByDead(handle);
    const kill = vi.spyOn(process, 'kill').mockImplementation(() => {
      throw Object.assign(new Error('kill EPERM'), { code: 'EPERM' });
    });
    expect(lockHolder(path)).toEqual({ kind: 'unknown' });
    kill.mockRestore();
    expect(lockHolder(path)).toEqual({ kind: 'dead' });
  });

  test('is not known where the kernel does not say', () => {
    lockFile(path, handle);
    expect(
      lockHolder(path, () => {
        throw new Error('ENOENT');
      }),
    ).toEqual({ kind: 'unknown' });
  });

  test('is not who only waits for it, nor who has another kind of lock', () => {
    lockFile(path, handle);
    const own = readFileSync('/proc/locks', 'latin1')
      .split('\n')
      .find((line) => line.includes(` ${process.pid} `));
    const line = (own ?? '').replace(` ${process.pid} `, ' 1 ');
    for (const other of [line.replace('FLOCK', '-> FLOCK'), line.replace('FLOCK', 'POSIX')])
      expect(lockHolder(path, () => `${other}\n`)).toEqual({ kind: 'unknown' });
    expect(lockHolder(path, () => `${line}\n`)).toEqual({ kind: 'process', processId: 1 });
  });
});

test('a process that has ended and was not waited for does not live', async () => {
  const shell = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const [output] = (await once(shell.stdout, 'data')) as [Buffer];
    await expect.poll(() => isProcessAlive(Number(output.toString()))).toBe(false);
    expect(isProcessAlive(shell.pid ?? 0)).toBe(true);
  } finally {
    shell.kill('SIGKILL');
  }
});
