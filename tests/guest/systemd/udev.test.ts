/**
 * Devices of ours where udev runs: its links come and go with them, private ones stay unnoticed, and nothing
 * that was made for waiting on it is left behind.
 */
import { existsSync, lstatSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mebibyte, sectorBytes } from '../../../app/base/units.ts';
import { runCommand } from '../../../app/devices/command.ts';
import { createMapped, removeMapped } from '../../../app/devices/device-mapper.ts';
import { linearTable } from '../../../app/devices/dm-table.ts';
import { makeLoopPrivate } from '../../../app/devices/udev-privacy.ts';
import { attachLoopDisk, makeLoopDisk, sysfsNumber } from '../../system/support/loop-disk.ts';
import { useScratch } from '../../system/support/scratch.ts';
import { numberOf } from '../device-number.ts';

const scratch = useScratch();
const diskBytes = 64 * mebibyte;
const uuid = '7d0f5ee4-2c3b-4f4e-9a2c-3a52e9f0c2a1';

async function makeVolume() {
  const disk = await makeLoopDisk(scratch(), 'disk', { sizeBytes: diskBytes });
  await runCommand('mkfs.ext4', ['-q', '-U', uuid, disk.path], 'making ext4');
  const device = readFileSync(`/sys/block/${basename(disk.path)}/dev`, 'utf8').trim();
  return linearTable({ device, startSector: 0 }, diskBytes / sectorBytes);
}

describe('udev', () => {
  it('runs, as the system and its manager do', async () => {
    expect(existsSync('/run/udev/control')).toBe(true);
    expect(readFileSync('/proc/1/comm', 'utf8').trim()).toBe('systemd');
    expect(await runCommand('udisksctl', ['status'], 'asking udisks')).toContain('MODEL');
  });

  it('links a device that everybody may see, by name and by content, before it is used', async () => {
    const segments = await makeVolume();
    const device = await createMapped({ name: 'diskferry-seen', segments });
    expect(lstatSync(device.path).isSymbolicLink()).toBe(true);
    expect(realpathSync(`/dev/disk/by-id/dm-name-diskferry-seen`)).toBe(realpathSync(device.path));
    expect(sysfsNumber(realpathSync(device.path), 'size')).toBe(diskBytes / sectorBytes);
    await removeMapped('diskferry-seen');
    expect(existsSync(device.path)).toBe(false);
    expect(existsSync('/dev/disk/by-id/dm-name-diskferry-seen')).toBe(false);
  });

  it('neither links a private device by content nor shows it to others', async () => {
    const segments = await makeVolume();
    const device = await createMapped({ name: 'diskferry-private', segments, audience: 'private' });
    const node = basename(realpathSync(device.path));
    await runCommand('udevadm', ['settle'], 'waiting for udev');
    const known = await runCommand('udevadm', ['info', '--query=property', `/dev/${node}`], 'asking udev');
    expect(known).not.toContain(uuid);
    await removeMapped('diskferry-private');
  });

  it('looks into no loop device that another device of ours will lie on, and into the next one again', async () => {
    const { file, path } = await makeLoopDisk(scratch(), 'below', { sizeBytes: diskBytes });
    await runCommand('mkfs.ext4', ['-q', '-U', uuid, path], 'making ext4');
    await runCommand('losetup', ['--detach', path], 'detaching');
    await makeLoopPrivate(file);
    const link = `/dev/disk/by-uuid/${uuid}`;
    const known = async (device: string): Promise<string> => {
      await runCommand('udevadm', ['settle'], 'waiting for udev');
      return runCommand('udevadm', ['info', '--query=property', device], 'asking udev');
    };
    const hidden = await attachLoopDisk(file, diskBytes);
    expect(await known(hidden.path)).toContain('SYSTEMD_READY=0');
    expect(await known(hidden.path)).toContain('UDISKS_IGNORE=1');
    expect(existsSync(link)).toBe(false);
    // What is made of it is what everybody is to find.
    const segments = linearTable({ device: numberOf(hidden), startSector: 0 }, diskBytes / sectorBytes);
    const device = await createMapped({ name: 'diskferry-above', segments });
    await runCommand('udevadm', ['settle'], 'waiting for udev');
    expect(realpathSync(link)).toBe(realpathSync(device.path));
    await removeMapped('diskferry-above');
    await runCommand('losetup', ['--detach', hidden.path], 'detaching');
    rmSync(`${file}.private`);
    const shown = await attachLoopDisk(file, diskBytes);
    expect(await known(shown.path)).not.toContain('DISKFERRY_PRIVATE');
    expect(realpathSync(link)).toBe(shown.path);
    await runCommand('losetup', ['--detach', shown.path], 'detaching');
  });

  it('leaves no semaphore behind after twenty devices', async () => {
    const segments = await makeVolume();
    for (let count = 0; count < 20; count += 1) {
      await createMapped({ name: 'diskferry-again', segments });
      await removeMapped('diskferry-again');
    }
    expect(await runCommand('dmsetup', ['udevcookies'], 'listing semaphores')).not.toMatch(/0xd4d/i);
  });
});
