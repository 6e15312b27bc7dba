/**
 * Tables of opened LUKS containers, loaded again on another disk. LUKS1 has its key in the table; LUKS2 names
 * one that must be unlocked. The kernel of User-mode Linux has no dm-crypt.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import { tableOf } from '../../app/devices/device-mapper.ts';
import { readLuksHeader } from '../../app/devices/luks.ts';
import { forgetKeys, keysToUnlock, unlockKey } from '../../app/devices/volume-key.ts';
import { MappedVolume } from '../../app/substitution/mapped-volume.ts';
import { fillWithRandom, makeLoopDisk, readPart } from '../system/support/loop-disk.ts';
import type { LoopDisk } from '../system/support/loop-disk.ts';
import { useScratch } from '../system/support/scratch.ts';
import { numberOf } from './device-number.ts';
import { openVault, passphrase } from './vault.ts';

const scratch = useScratch();
const vault = { path: '/dev/mapper/vault' };

let source: LoopDisk;
let copy: LoopDisk;

async function makeVault(type: 'luks1' | 'luks2'): Promise<MappedVolume> {
  await openVault(scratch(), source.path, type);
  fillWithRandom(vault.path, 0, mebibyte);
  await runCommand('dd', [`if=${source.path}`, `of=${copy.path}`, 'bs=1M', 'conv=fsync'], 'dd');
  return new MappedVolume([{ name: 'vault', segments: await tableOf('vault') }], numberOf(source));
}

async function dropCaches(): Promise<void> {
  await runCommand('blockdev', ['--flushbufs', vault.path], 'blockdev');
}

describe.skipIf(process.env['DISKFERRY_GUEST'] !== 'qemu')('an opened container', () => {
  beforeEach(async () => {
    await runCommand('modprobe', ['dm-crypt'], 'modprobe');
    source = await makeLoopDisk(scratch(), 'source', { sizeBytes: 32 * mebibyte });
    copy = await makeLoopDisk(scratch(), 'copy', { sizeBytes: 32 * mebibyte });
    scratch().onRelease('the keys', () => forgetKeys());
  });

  it('of LUKS1 moves with the key of its table', async () => {
    const volume = await makeVault('luks1');
    const before = readPart(vault.path, 0, mebibyte);
    expect(keysToUnlock(await tableOf('vault'))).toEqual([]);
    await volume.moveTo({ to: numberOf(copy), flushFd: null });
    await dropCaches();
    expect(readPart(vault.path, 0, mebibyte).equals(before)).toBe(true);
  });

  it('of LUKS2 moves there and back once its key is unlocked, and not before', async () => {
    const volume = await makeVault('luks2');
    const before = readPart(vault.path, 0, mebibyte);
    const [name = ''] = keysToUnlock(await tableOf('vault'));
    await expect(volume.moveTo({ to: numberOf(copy), flushFd: null })).rejects.toMatchObject({
      code: 'passphrase-needed',
    });
    await unlockKey(name, { path: source.path, passphrase });
    for (const disk of [copy, source, copy]) {
      await volume.moveTo({ to: numberOf(disk), flushFd: null });
      await dropCaches();
      expect(readPart(vault.path, 0, mebibyte).equals(before)).toBe(true);
    }
    forgetKeys();
    await expect(volume.moveTo({ to: numberOf(source), flushFd: null })).rejects.toMatchObject({
      code: 'passphrase-needed',
    });
    // The kernel collects a key that nobody has any more in its own time.
    await expect
      .poll(() => readFileSync('/proc/keys', 'utf8'), { timeout: 100_000 })
      .not.toContain('cryptsetup:');
  });

  it('is not unlocked by a wrong passphrase', async () => {
    await makeVault('luks2');
    const [name = ''] = keysToUnlock(await tableOf('vault'));
    const wrong = { path: source.path, passphrase: Buffer.from('wrong') };
    await expect(unlockKey(name, wrong)).rejects.toMatchObject({ code: 'wrong-passphrase' });
  });

  it('has a header that tells its version, and whether it is being re-encrypted', async () => {
    await makeVault('luks2');
    expect(await readLuksHeader(source.path)).toEqual({ version: 2, isReencrypting: false });
    writeFileSync(scratch().path('key'), passphrase);
    const parameters = [
      'reencrypt',
      '--batch-mode',
      '--init-only',
      '--key-file',
      scratch().path('key'),
      '--active-name',
      'vault',
    ];
    await runCommand(
      'cryptsetup',
      [...parameters, '--pbkdf', 'pbkdf2', '--pbkdf-force-iterations', '1000'],
      'cryptsetup',
    );
    expect(await readLuksHeader(source.path)).toEqual({ version: 2, isReencrypting: true });
    expect(await readLuksHeader(vault.path)).toBeNull();
  });
});
