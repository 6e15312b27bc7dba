/**
 * What Diskferry needs from the system: each program (or file) with the Debian package that has it and the
 * reason.
 *
 * Programs are looked for rather than packages, so that one installed in another way counts, and so that
 * systems without apt can be told what is missing. `tests` needs what `run` needs and more, `bench` again
 * more. What is optional is not to be had everywhere; tests that need it are skipped without it, and say so.
 */
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** @typedef {{ needs: string, package: string, why: string, optional?: boolean }} Requirement */

/** @type {Requirement[]} */
const toRun = [
  { needs: 'cmake', package: 'cmake', why: 'builds the native addon' },
  { needs: 'make', package: 'make', why: 'builds the native addon' },
  { needs: 'g++', package: 'g++', why: 'builds the native addon' },
  { needs: 'losetup', package: 'mount', why: 'shows and makes loop devices' },
  { needs: 'mount', package: 'mount', why: 'mounts the volume that moves' },
  { needs: 'lsblk', package: 'util-linux', why: 'lists disks' },
  { needs: 'findmnt', package: 'util-linux', why: 'finds what is mounted' },
  { needs: 'blkid', package: 'util-linux', why: 'recognises file systems' },
  { needs: 'mkfs.ext4', package: 'e2fsprogs', why: 'makes and checks the volume of the demo' },
  { needs: 'dumpe2fs', package: 'e2fsprogs', why: 'tells which blocks ext2, ext3 and ext4 use' },
  { needs: 'xfs_db', package: 'xfsprogs', why: 'tells which blocks XFS uses' },
  { needs: 'xfs_logprint', package: 'xfsprogs', why: 'tells whether XFS is clean' },
  { needs: 'btrfs', package: 'btrfs-progs', why: 'tells which blocks Btrfs uses' },
  { needs: 'partclone.ntfs', package: 'partclone', why: 'tells which blocks NTFS, FAT and exFAT use' },
];

/** @type {Requirement[]} */
const toTest = [
  { needs: 'fio', package: 'fio', why: 'writes under verification' },
  { needs: 'qemu-img', package: 'qemu-utils', why: 'an NBD client that is not ours' },
  { needs: 'qemu-io', package: 'qemu-utils', why: 'an NBD client that is not ours' },
  { needs: 'nbdinfo', package: 'libnbd-bin', why: 'an NBD client that is not ours' },
  { needs: 'nbdcopy', package: 'libnbd-bin', why: 'an NBD client that is not ours' },
  { needs: 'mkfs.vfat', package: 'dosfstools', why: 'makes FAT volumes to move' },
  { needs: 'mkfs.ntfs', package: 'ntfs-3g', why: 'makes NTFS volumes to move' },
  { needs: 'mkfs.exfat', package: 'exfatprogs', why: 'makes exFAT volumes to move' },
  { needs: 'mcopy', package: 'mtools', why: 'fills FAT volumes without mounting them' },
  { needs: 'mount.exfat-fuse', package: 'exfat-fuse', why: 'fills exFAT volumes' },
  { needs: 'sfdisk', package: 'fdisk', why: 'makes and changes partition tables' },
  { needs: 'sgdisk', package: 'gdisk', why: 'checks a GPT in its own way, and makes a hybrid MBR' },
  { needs: 'mkfs.f2fs', package: 'f2fs-tools', why: 'makes F2FS volumes to grow' },
  { needs: 'fuser', package: 'psmisc', why: 'tells who keeps a volume busy' },
  { needs: 'pvcreate', package: 'lvm2', why: 'makes disks that LVM holds' },
  { needs: 'debootstrap', package: 'debootstrap', why: 'makes a guest with systemd and udev' },
  { needs: 'setfattr', package: 'attr', why: 'gives test files extended attributes' },
  { needs: 'dmsetup', package: 'dmsetup', why: 'looks at device-mapper devices in guests' },
  { needs: 'cryptsetup', package: 'cryptsetup-bin', why: 'makes LUKS volumes in guests' },
  { needs: 'depmod', package: 'kmod', why: 'loads modules in guests' },
  { needs: 'ip', package: 'iproute2', why: 'brings guests up' },
];

/**
 * Kernels with what the host's may lack. Debian 12 has virtiofsd with qemu, later releases as a package of
 * its own.
 *
 * @type {Requirement[]}
 */
const guests = [
  { needs: 'linux.uml', package: 'user-mode-linux', why: 'a guest with kernel 6.1' },
  { needs: 'qemu-system-x86_64', package: 'qemu-system-x86', why: 'a guest with kernel 6.12' },
  { needs: '/usr/lib/qemu/virtiofsd', package: 'qemu-system-common', why: "shows a guest the host's files" },
  { needs: 'debootstrap', package: 'debootstrap', why: 'makes the system of a guest' },
].map((requirement) => ({ ...requirement, optional: true }));

/** @type {Requirement[]} */
const browser = [
  { needs: 'chromium', package: 'chromium', why: 'shows the wizard to its tests', optional: true },
];

/** @type {Requirement[]} */
const toBench = [
  { needs: 'qemu-storage-daemon', package: 'qemu-system-common', why: 'a peer to compare with' },
  { needs: 'nbdkit', package: 'nbdkit', why: 'a peer to compare with' },
  { needs: 'nbd-client', package: 'nbd-client', why: "puts a peer under the kernel's nbd in guests" },
  { needs: 'gcc-12', package: 'gcc-12', why: 'builds dm-clone for guests', optional: true },
  { needs: 'xz', package: 'xz-utils', why: 'unpacks the sources of dm-clone' },
  { needs: 'ddrescue', package: 'gddrescue', why: 'a peer to compare with' },
  { needs: '/usr/include/fuse3/fuse.h', package: 'libfuse3-dev', why: 'builds a peer to compare with' },
  { needs: 'pkg-config', package: 'pkg-config', why: 'builds a peer to compare with' },
];

/** By purpose, as in `setup.mjs --for PURPOSE`. */
export const requirementsFor = {
  run: toRun,
  tests: [...toRun, ...toTest, ...browser, ...guests],
  bench: [...toRun, ...toTest, ...guests, ...toBench],
};

/** An ordinary user's PATH often lacks the folders of programs that only root runs. */
const searchPath = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // absent and forbidden are the same here: it cannot be run
  }
}

export function hasProgram(name) {
  return searchPath.some((folder) => folder !== '' && isExecutable(join(folder, name)));
}

/** @param {Requirement[]} requirements */
export function missingOf(requirements) {
  const isThere = (needs) => (needs.startsWith('/') ? existsSync(needs) : hasProgram(needs));
  return requirements.filter(({ needs }) => !isThere(needs));
}

/** @param {Requirement[]} requirements */
export function packagesOf(requirements) {
  return [...new Set(requirements.map((requirement) => requirement.package))];
}
