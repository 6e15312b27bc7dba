/** A mount that only our own programs see, and what it leaves to everybody else. */
import { existsSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import { tryExclusiveOpen } from '../../app/devices/exclusive-open.ts';
import { mountableAt, withPrivateMount } from '../../app/devices/private-mount.ts';
import { makeFileSystem, mount, unmount } from './support/file-system.ts';
import { makeLoopDisk } from './support/loop-disk.ts';
import { useScratch } from './support/scratch.ts';
import { waitUntil } from './support/wait.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();
const ext4 = { type: 'ext4', options: ['noatime'] };

afterEach(() => {
  vi.unstubAllEnvs();
});

async function makeVolume(name: string): Promise<string> {
  const { path } = await makeLoopDisk(scratchOf(), name, { sizeBytes: 32 * mebibyte });
  await makeFileSystem('ext4', path);
  return path;
}

describe.skipIf(!isRoot)('a private mount (needs root)', () => {
  it('is seen by its own programs alone, and gone afterwards', async () => {
    const path = await makeVolume('volume');
    const before = readFileSync('/proc/self/mountinfo', 'utf8');
    let directory = '';
    await withPrivateMount(mountableAt(path), ext4, async (mounted) => {
      ({ directory } = mounted);
      expect(readFileSync('/proc/self/mountinfo', 'utf8')).toBe(before);
      expect(readdirSync(directory)).toEqual([]);
      expect((await mounted.run('ls', [directory])).stdout).toBe('lost+found\n');
      expect(await tryExclusiveOpen(path)).toBe('EBUSY');
    });
    expect(existsSync(directory)).toBe(false);
    await waitUntil('the volume is free', async () => (await tryExclusiveOpen(path)) === null);
  });

  it('keeps no other volume busy that is unmounted meanwhile, where mounts propagate', async () => {
    const scratch = scratchOf();
    await runCommand('mount', ['--make-shared', scratch.directory], 'sharing');
    const [path, other] = [await makeVolume('volume'), await makeVolume('other')];
    const target = await scratch.makeDirectory('other');
    await mount(other, target);
    await withPrivateMount(mountableAt(path), ext4, async () => {
      expect(await tryExclusiveOpen(other)).toBe('EBUSY');
      await unmount(target);
      await waitUntil('the other volume is free', async () => (await tryExclusiveOpen(other)) === null);
    });
  });

  it('is known again where the temporary directory is a link', async () => {
    const path = await makeVolume('volume');
    await scratchOf().makeDirectory('places');
    symlinkSync(scratchOf().path('places'), scratchOf().path('link'));
    vi.stubEnv('TMPDIR', scratchOf().path('link'));
    const { stdout } = await withPrivateMount(mountableAt(path), ext4, ({ run, directory }) => run('ls', [directory]));
    expect(stdout).toBe('lost+found\n');
  });
});
