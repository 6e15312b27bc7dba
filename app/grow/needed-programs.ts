/**
 * The programs that each kind of layer needs, to be looked at and to grow, with the packages that Debian has
 * them in.
 */
import { DiskferryError } from '../base/error.ts';
import { findProgram } from '../devices/find-program.ts';
import type { GrowableType } from './found.ts';

const ext = { package: 'e2fsprogs', programs: ['dumpe2fs', 'e2fsck', 'resize2fs', 'tune2fs'] } as const;

const needed = {
  table: { package: 'fdisk', programs: ['sfdisk'] },
  partition: { package: 'util-linux', programs: ['resizepart', 'nsenter', 'unshare'] },
  luks: { package: 'cryptsetup-bin', programs: ['cryptsetup'] },
  'physical-volume': { package: 'lvm2', programs: ['pvs', 'lvs', 'pvresize', 'lvextend'] },
  ext2: ext,
  ext3: ext,
  ext4: ext,
  xfs: { package: 'xfsprogs', programs: ['xfs_db', 'xfs_logprint', 'xfs_repair', 'xfs_growfs'] },
  btrfs: { package: 'btrfs-progs', programs: ['btrfs'] },
  f2fs: { package: 'f2fs-tools', programs: ['dump.f2fs', 'fsck.f2fs', 'resize.f2fs'] },
  ntfs: { package: 'ntfs-3g', programs: ['ntfsresize', 'ntfs-3g.probe'] },
} as const satisfies Readonly<
  Record<GrowableType | 'table' | 'partition' | 'luks' | 'physical-volume', { package: string; programs: readonly string[] }>
>;

/** Throws `program-missing` before anything is done, as half of a grow would be of no use. */
export function requirePrograms(device: string, layer: keyof typeof needed): void {
  const { programs, package: name } = needed[layer];
  const missing = programs.find((program) => findProgram(program) === undefined);
  if (missing === undefined) return;
  const message = `${device}: ${missing} is not installed; Debian and Ubuntu have it in the package ${name}`;
  throw new DiskferryError('program-missing', message, { context: { device, program: missing } });
}
