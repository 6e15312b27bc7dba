/**
 * A program that waits where no signal reaches it, as one does for a sick disk: here for a file system that is frozen.
 * Nobody waits for it for long, and there is one for each question at the most.
 */
import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import { readLsblk } from '../../app/devices/lsblk.ts';
import { runProgram } from '../../app/devices/program.ts';
import { makeFileSystem, mount, unmount } from './support/file-system.ts';
import { makeLoopDisk } from './support/loop-disk.ts';
import { useScratch } from './support/scratch.ts';
import { waitUntil } from './support/wait.ts';

const isRoot = process.getuid?.() === 0;
const scratch = useScratch();
const limitMs = 100;

/** Returns what thaws it again. */
async function freeze(): Promise<{ readonly target: string; readonly thaw: () => Promise<void> }> {
  const disk = await makeLoopDisk(scratch(), 'frozen', { sizeBytes: 16 * mebibyte });
  await makeFileSystem('ext4', disk.path);
  const target = await scratch().makeDirectory('frozen');
  await mount(disk.path, target);
  scratch().onRelease('the volume', () => unmount(target));
  await runCommand('fsfreeze', ['--freeze', target], 'freezing');
  let isFrozen = true;
  const thaw = async (): Promise<void> => {
    if (isFrozen) await runCommand('fsfreeze', ['--unfreeze', target], 'thawing');
    isFrozen = false;
  };
  scratch().onRelease('the frozen state', thaw);
  return { target, thaw };
}

function running(words: readonly string[]): number {
  const isIt = (pid: string): boolean => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8') === words.map((word) => `${word}\0`).join('');
    } catch {
      return false;
    }
  };
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isIt(name)).length;
}

it.skipIf(!isRoot)('a program that cannot be killed is given up, and is not started twice', async () => {
  const { target, thaw } = await freeze();
  const words = [`${target}/file`];
  await expect(runProgram('touch', words, limitMs)).rejects.toMatchObject({
    code: 'command-failed',
    message: 'touch: takes too long and cannot be ended: a disk does not answer',
  });
  await expect(runProgram('touch', words, limitMs)).rejects.toThrow('is still stuck since it was started last');
  expect(running(['touch', ...words])).toBe(1);
  // Another question is another program.
  expect(await runProgram('ls', [target], 10_000)).toMatchObject({ exitCode: 0 });
  await thaw();
  await waitUntil('it is gone', () => running(['touch', ...words]) === 0);
  await waitUntil('it may be started again', async () => {
    const end = await runProgram('touch', words).catch(() => undefined);
    return end?.exitCode === 0;
  });
});

it.skipIf(!isRoot)('a disk that keeps lsblk waiting hides no other disk', async () => {
  const { target, thaw } = await freeze();
  // What lsblk would do with a sick disk that udev has no record of, when it looks at what disks hold.
  const bin = await scratch().makeDirectory('bin');
  const real = (await runCommand('which', ['lsblk'], 'looking for lsblk')).trim();
  symlinkSync(real, `${bin}/real`);
  const text = `#!/bin/sh\ncase "$*" in *--output-all*) exec touch ${target}/x;; esac\nexec ${bin}/real "$@"\n`;
  writeFileSync(`${bin}/lsblk`, text, { mode: 0o755 });
  const path = process.env['PATH'];
  process.env['PATH'] = `${bin}:${path ?? ''}`;
  try {
    const { blockdevices } = JSON.parse(await readLsblk(limitMs * 10)) as { blockdevices: object[] };
    expect(blockdevices.length).toBeGreaterThan(0);
    expect(blockdevices[0]).toHaveProperty('serial');
    expect(blockdevices[0]).not.toHaveProperty('fstype');
  } finally {
    process.env['PATH'] = path;
    await thaw();
    await waitUntil('it is gone', () => running(['touch', `${target}/x`]) === 0);
  }
});
