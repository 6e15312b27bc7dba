/**
 * `diskferry grow` through LVM and LUKS, while what lies there is mounted, and ext4 while it is mounted, which asks for a
 * privilege that the machine of the other tests may lack. The disk becomes larger in use, as it does in a SAN.
 * The kernel of User-mode Linux has no dm-crypt.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import { checkFileSystem, makeFileSystem, mount, unmount } from '../system/support/file-system.ts';
import { grow, grownIn, makeGrowable, whileWritten } from '../system/support/growable-disk.ts';
import type { Growable } from '../system/support/growable-disk.ts';
import { useScratch } from '../system/support/scratch.ts';
import { usuallyOrInSoak } from '../system/support/soak.ts';
import { openVault } from './vault.ts';
import { lvm, makeVolumeGroup } from './volume-group.ts';

const scratch = useScratch();
const smallBytes = 96 * mebibyte;
const largeBytes = 192 * mebibyte;

async function makeDisk(): Promise<Growable> {
  return makeGrowable(scratch(), 'disk', { script: 'label: gpt\n,\n', smallBytes, largeBytes: smallBytes });
}

async function enlarge({ file, path }: Growable): Promise<void> {
  truncateSync(file, largeBytes);
  await runCommand('losetup', ['--set-capacity', path], 'losetup');
}

interface Mounted {
  readonly target: string;
  readonly bytes: Buffer;
}

async function mountFilled(device: string): Promise<Mounted> {
  await makeFileSystem('ext4', device);
  const target = await scratch().makeDirectory('home of all');
  await mount(device, target);
  const bytes = randomBytes(2 * mebibyte);
  writeFileSync(`${target}/planted`, bytes);
  return { target, bytes };
}

async function expectLarger(device: string, { target, bytes }: Mounted): Promise<void> {
  const total = await runCommand('df', ['--output=size', '--block-size=1M', target], 'df');
  expect(Number(total.trim().split('\n').at(-1))).toBeGreaterThan(120);
  writeFileSync(`${target}/new`, randomBytes(100 * mebibyte));
  expect(readFileSync(`${target}/planted`).equals(bytes)).toBe(true);
  await unmount(target);
  await checkFileSystem('ext4', device);
}

/** resize2fs would go to what is mounted over it. */
async function expectHiddenRefused(disk: Growable, target: string): Promise<void> {
  await runCommand('mount', ['-t', 'tmpfs', 'tmpfs', target], 'mounting over it');
  const { failure } = await grow(scratch(), disk.path, '--yes');
  expect(failure).toMatchObject({ code: 'mount-not-supported', dataIs: 'untouched' });
  await unmount(target);
}

// One kind of guest is enough for what needs no dm-crypt, and User-mode Linux the quicker one.
describe.skipIf(process.env['DISKFERRY_GUEST'] !== 'user-mode-linux')('grow (where a guest is quickest: User-mode Linux)', () => {
  it('grows the LV that lies last, whose name has dashes, and the mounted ext4 in it', async () => {
    const disk = await makeDisk();
    const volumes = [
      { name: 'root', options: ['--size', '16M'] },
      { name: 'home-of--all', options: ['--size', '32M'] },
      { name: 'gone', options: ['--size', '4M'] },
    ];
    await makeVolumeGroup(scratch(), 'vg-one', { disks: [`${disk.path}p1`], volumes });
    // So that the LV has two segments.
    await lvm('lvextend', '--quiet', '--size', '+16M', 'vg-one/home-of--all');
    await lvm('lvremove', '--quiet', '--yes', 'vg-one/gone');
    const node = '/dev/mapper/vg--one-home--of----all';
    const mounted = await mountFilled(node);
    await enlarge(disk);
    await whileWritten(node, async () => {
      const { failure } = await grow(scratch(), disk.path, '--yes');
      expect(failure).toMatchObject({ code: 'device-in-use', dataIs: 'untouched' });
    });
    const run = await grow(scratch(), disk.path, '--yes');
    expect(run).toMatchObject({ exitCode: 0, failure: null });
    expect(grownIn(run)).toEqual(['table', 'partition', 'physical-volume', 'logical-volume', 'file-system']);
    expect(await runCommand('lvs', ['--noheadings', '-o', 'lv_size', '--units', 'm', 'vg-one/root'], 'lvs')).toContain('16.00m');
    await expectLarger(node, mounted);
  });

  it.each(['mounted', 'not mounted'].slice(0, usuallyOrInSoak(1, 2)))('grows ext4 that is %s, by the kernel', async (state) => {
    const disk = await makeDisk();
    const mounted = await mountFilled(`${disk.path}p1`);
    if (state !== 'mounted') await unmount(mounted.target);
    await enlarge(disk);
    if (state === 'mounted') await expectHiddenRefused(disk, mounted.target);
    const run = await grow(scratch(), `${disk.path}p1`, '--yes');
    expect(run).toMatchObject({ exitCode: 0, failure: null });
    expect(run.stderr).not.toContain('have a backup');
    if (state !== 'mounted') await mount(`${disk.path}p1`, mounted.target);
    await expectLarger(`${disk.path}p1`, mounted);
  });
});

describe.skipIf(process.env['DISKFERRY_GUEST'] !== 'qemu')('grow through LUKS (needs dm-crypt: QEMU)', () => {
  // A look takes most of a minute where instructions are translated.
  const isWhole = usuallyOrInSoak(0, 1) === 1;
  const types = isWhole ? (['luks2', 'luks1'] as const) : (['luks2'] as const);

  it.each(types)('grows %s and the mounted ext4 in it, and asks for no more than it needs', async (type) => {
    await runCommand('modprobe', ['dm-crypt'], 'modprobe');
    const disk = await makeDisk();
    const keyFile = await openVault(scratch(), `${disk.path}p1`, type);
    const mounted = await mountFilled('/dev/mapper/vault');
    await enlarge(disk);
    if (type === 'luks2') {
      if (isWhole)
        expect(await grow(scratch(), disk.path, '--yes')).toMatchObject({ failure: { code: 'passphrase-needed' } });
      const wrong = scratch().path('wrong');
      writeFileSync(wrong, 'wrong');
      const refused = await grow(scratch(), disk.path, '--yes', '--key-file', wrong);
      expect(refused).toMatchObject({ failure: { code: 'wrong-passphrase', dataIs: 'untouched' } });
      expect(grownIn(refused)).toEqual([]);
    }
    const key = type === 'luks2' ? ['--key-file', keyFile] : [];
    const run = await grow(scratch(), disk.path, '--yes', ...key);
    expect(run).toMatchObject({ exitCode: 0, failure: null });
    expect(grownIn(run).slice(-2)).toEqual(['luks', 'file-system']);
    await expectLarger('/dev/mapper/vault', mounted);
    if (type === 'luks1' || !isWhole) return;
    await runCommand('cryptsetup', ['close', 'vault'], 'closing the vault');
    const closed = await grow(scratch(), disk.path, '--yes');
    expect(closed.failure).toMatchObject({ code: 'container-closed', dataIs: 'untouched' });
    await runCommand('cryptsetup', ['open', '--key-file', keyFile, `${disk.path}p1`, 'vault'], 'opening the vault');
  });
});
