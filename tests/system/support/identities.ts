/** Disks of every type that the guard must hide and that the system's own tools can make here, each as small as it may be. */
import { mebibyte } from '../../../app/base/units.ts';
import { runCommand } from '../../../app/devices/command.ts';
import type { LoopDisk } from './loop-disk.ts';
import { makeLoopDisk } from './loop-disk.ts';
import type { Scratch } from './scratch.ts';

export interface IdentityMaker {
  /** As the guard's table names it. */
  readonly type: string;
  readonly sizeMib: number;
  readonly command: (path: string) => readonly [string, ...string[]];
}

const fast = ['--pbkdf', 'pbkdf2', '--pbkdf-force-iterations', '1000', '--batch-mode'];

function luks(version: string): IdentityMaker['command'] {
  return (path) => ['cryptsetup', 'luksFormat', '--type', version, ...fast, path, '/etc/hostname'];
}

export const identityMakers: Readonly<Record<string, IdentityMaker>> = {
  ext2: { type: 'ext4', sizeMib: 16, command: (path) => ['mkfs.ext2', '-q', path] },
  ext4: { type: 'ext4', sizeMib: 24, command: (path) => ['mkfs.ext4', '-q', path] },
  XFS: { type: 'xfs', sizeMib: 300, command: (path) => ['mkfs.xfs', '-q', path] },
  Btrfs: { type: 'btrfs', sizeMib: 128, command: (path) => ['mkfs.btrfs', '-q', path] },
  F2FS: { type: 'f2fs', sizeMib: 64, command: (path) => ['mkfs.f2fs', '-q', path] },
  NTFS: { type: 'ntfs', sizeMib: 16, command: (path) => ['mkfs.ntfs', '--force', '--quick', path] },
  FAT12: {
    type: 'vfat',
    sizeMib: 16,
    command: (path) => ['mkfs.vfat', '-F', '12', '-S', '1024', '-s', '128', path],
  },
  FAT16: { type: 'vfat', sizeMib: 24, command: (path) => ['mkfs.vfat', '-F', '16', path] },
  FAT32: { type: 'vfat', sizeMib: 48, command: (path) => ['mkfs.vfat', '-F', '32', path] },
  exFAT: { type: 'exfat', sizeMib: 16, command: (path) => ['mkfs.exfat', path] },
  'swap of 4 KiB pages': { type: 'swap', sizeMib: 16, command: (path) => ['mkswap', path] },
  'swap of 64 KiB pages': {
    type: 'swap',
    sizeMib: 16,
    command: (path) => ['mkswap', '--pagesize', '65536', path],
  },
  'LVM PV': { type: 'LVM2_member', sizeMib: 16, command: (path) => ['pvcreate', '--yes', '-ff', path] },
  LUKS1: { type: 'crypto_LUKS', sizeMib: 24, command: luks('luks1') },
  LUKS2: { type: 'crypto_LUKS', sizeMib: 24, command: luks('luks2') },
  GPT: { type: 'gpt', sizeMib: 16, command: (path) => ['sgdisk', '--new=1:0:0', path] },
  MBR: {
    type: 'dos',
    sizeMib: 16,
    command: (path) => ['sh', '-c', `echo ,,83 | sfdisk --quiet --label dos ${path}`],
  },
};

export function makerOf(name: string): IdentityMaker {
  const maker = identityMakers[name];
  if (maker === undefined) throw new Error(`${name}: nothing makes it`);
  return maker;
}

export async function makeIdentity(path: string, { command }: IdentityMaker): Promise<void> {
  const [program, ...parameters] = command(path);
  await runCommand(program, parameters, `making ${path}`);
}

/** A disk of that type. */
export async function makeKnownDisk(scratch: Scratch, name: string, maker: IdentityMaker): Promise<LoopDisk> {
  const disk = await makeLoopDisk(scratch, name, { sizeBytes: maker.sizeMib * mebibyte });
  await makeIdentity(disk.path, maker);
  return disk;
}
