/**
 * Whole jobs over an opened LUKS container, as the command line does them: what is mounted in it stays
 * mounted and busy from the first second to the last. The kernel of User-mode Linux has no dm-crypt.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import type { LoopDisk } from '../system/support/loop-disk.ts';
import { makeLoopDisk } from '../system/support/loop-disk.ts';
import { Migration } from '../system/support/migration.ts';
import { useScratch } from '../system/support/scratch.ts';
import { Terminal } from '../system/support/terminal.ts';
import { addUserKey } from '../system/support/user-key.ts';
import type { Volume } from './busy-volumes.ts';
import { checkAll, cutOver, mountVolume, numbersBelow, whileBusy } from './busy-volumes.ts';
import { numberOf } from './device-number.ts';
import { expectNoDevicesLeft } from './own-devices.ts';
import { openVault, passphrase } from './vault.ts';

const scratch = useScratch();
const sizeBytes = 128 * mebibyte;

let source: LoopDisk;
let destination: LoopDisk;

interface OpenedVault {
  readonly keyFile: string;
  readonly volumes: readonly Volume[];
}

async function makeVault(type: 'luks1' | 'luks2'): Promise<OpenedVault> {
  const keyFile = await openVault(scratch(), source.path, type);
  return { keyFile, volumes: [await mountVolume(scratch(), '/dev/mapper/vault', 'ext4')] };
}

function start(...parameters: string[]): Migration {
  const disks = { source: source.path, destination: destination.path };
  return Migration.start(scratch(), disks, '--hold', ...parameters);
}

/**
 * A job at a terminal, whose question for the passphrase gets this answer. Its words are not broken into
 * lines.
 */
async function answerWith(answer: string): Promise<{ exitCode: number | null; screen: string }> {
  const disks = [
    '--source',
    source.path,
    '--destination',
    destination.path,
    '--state-dir',
    scratch().stateDirectory,
  ];
  const terminal = Terminal.start(scratch(), 'migrate', ...disks, '--yes');
  await terminal.shows('Passphrase for');
  terminal.type(`${answer}\r`);
  const exitCode = await terminal.end();
  return { exitCode, screen: terminal.screen.replaceAll(/\s+/g, ' ') };
}

describe.skipIf(process.env['DISKFERRY_GUEST'] !== 'qemu')('a job over an opened container', () => {
  beforeEach(async () => {
    await runCommand('modprobe', ['dm-crypt'], 'modprobe');
    source = await makeLoopDisk(scratch(), 'source', { sizeBytes });
    destination = await makeLoopDisk(scratch(), 'destination', { sizeBytes });
  });

  expectNoDevicesLeft(scratch);

  it('moves LUKS2 while the ext4 in it is busy', async () => {
    const { keyFile, volumes } = await makeVault('luks2');
    const migration = start('--key-file', keyFile);
    const [{ target } = { target: '' }] = volumes;
    // dm-crypt passes discards on only when it is told to at its opening (--allow-discards).
    const warning = `${target}: is copied whole: its file system or its device cannot discard free space`;
    await whileBusy(scratch(), volumes, () => cutOver(migration, [warning]));
    expect(await numbersBelow('vault')).toEqual([numberOf(destination)]);
    await checkAll(volumes);
    expect(JSON.stringify(migration.events) + migration.said).not.toContain(passphrase.toString());
    await runCommand(
      'cryptsetup',
      ['open', '--test-passphrase', '--key-file', keyFile, destination.path],
      'cryptsetup',
    );
  });

  it('moves LUKS2 by the key that its token names, and asks for nothing', async () => {
    await openVault(scratch(), source.path, 'luks2');
    const token = ['token', 'add', '--key-description', 'vault', source.path];
    await runCommand('cryptsetup', token, 'adding a token');
    await addUserKey(scratch(), 'vault', passphrase.toString());
    const migration = start();
    const { plan } = await migration.event('planned');
    expect(plan.mappedUsers).toMatchObject([{ name: 'vault', needsPassphrase: false, tokenKey: 'vault' }]);
    await cutOver(migration);
    expect(await numbersBelow('vault')).toEqual([numberOf(destination)]);
    expect(JSON.stringify(migration.events) + migration.said).not.toContain(passphrase.toString());
  });

  it('goes back to the source with what was written into LUKS1', async () => {
    const { volumes } = await makeVault('luks1');
    const migration = start();
    await whileBusy(scratch(), volumes, async () => {
      await migration.event('synchronized');
      await migration.ask('undo');
      expect(await migration.end()).toMatchObject({ exitCode: 8 });
    });
    expect(await numbersBelow('vault')).toEqual([numberOf(source)]);
    await checkAll(volumes);
  });

  it('asks for the passphrase at a terminal, shows it to nobody, and starts only with the right one', async () => {
    const { volumes } = await makeVault('luks2');
    const wrong = await answerWith('wrong horse');
    expect(wrong).toMatchObject({
      exitCode: 3,
      screen: expect.stringContaining('no key slot opens') as string,
    });
    expect(await numbersBelow('vault')).toEqual([numberOf(source)]);
    await whileBusy(scratch(), volumes, async () => {
      const { exitCode, screen } = await answerWith(passphrase.toString());
      expect(exitCode).toBe(0);
      expect(screen).not.toContain(passphrase.toString());
    });
    expect(await numbersBelow('vault')).toEqual([numberOf(destination)]);
    await checkAll(volumes);
  });
});
