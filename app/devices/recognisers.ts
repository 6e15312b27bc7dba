/**
 * By what any program knows a disk: for each type the sectors that can identify it, and what such a sector
 * looks like. The guard (DESIGN 5.4) inverts exactly these sectors, wherever it finds such content.
 *
 * Each test accepts all that the programs accept, and is so narrow that content nobody recognises does not
 * pass it by chance, neither as it stands nor inverted: at least 36 bits must fit. Types that cannot be told
 * so surely (minix, UFS, HFS, System V, the formats of RAID controllers) are not in the table; a disk that a
 * program still recognises with the table's sectors inverted must not be moved.
 *
 * Sources: libblkid/src/superblocks and libblkid/src/partitions of util-linux 2.38 for all of them, and as
 * named beside each.
 */
import { kibibyte, mebibyte, gibibyte, sectorBytes } from '../base/units.ts';
import type { SignatureTest } from './signature-tests.ts';
import {
  allOf,
  anyOf,
  be,
  byte,
  hasBytes,
  hasText,
  isBetween,
  isOneOf,
  isPowerOfTwo,
  le,
} from './signature-tests.ts';

export interface Recogniser {
  /** As libblkid names it. */
  readonly type: string;
  /** Where its sectors begin on a disk of that size; those that lie outside of it do not count. */
  readonly offsetsBytes: (sizeBytes: number) => readonly number[];
  readonly isIn: SignatureTest;
}

const at =
  (...offsets: number[]) =>
  (): readonly number[] =>
    offsets;

/** cryptsetup, lib/luks2/luks2.h: where a second header may begin. */
const luksSecondaries = [16, 32, 64, 128, 256, 512, 1024, 2048, 4096].map((size) => size * kibibyte);
/** The last sector of a first page, whatever size the machine's pages have. */
const swapEnds = [4, 8, 16, 32, 64].map((page) => page * kibibyte - sectorBytes);

const bootSignature = hasBytes(510, [0x55, 0xaa]);
const raidMagic = hasBytes(0, [0xfc, 0x4e, 0x2b, 0xa9]);

export const recognisers: readonly Recogniser[] = [
  // Partition tables.
  {
    // UEFI 2.10, 5.3.2; sectors of 512 and of 4096 bytes.
    type: 'gpt',
    offsetsBytes: (size) => [512, 4096, size - 512, size - 4096],
    isIn: hasText(0, 'EFI PART'),
  },
  // File systems.
  {
    // Linux, fs/ext4/ext4.h, struct ext4_super_block; external journals too.
    type: 'ext4',
    offsetsBytes: at(1024),
    isIn: allOf(hasBytes(56, [0x53, 0xef]), isBetween(le(24, 4), 0, 6), isBetween(le(76, 4), 0, 1)),
  },
  {
    // Linux, fs/xfs/libxfs/xfs_format.h.
    type: 'xfs',
    offsetsBytes: at(0),
    isIn: allOf(hasText(0, 'XFSB'), isPowerOfTwo(be(4, 4), 512, 65536)),
  },
  {
    // Linux, fs/btrfs/disk-io.h, btrfs_sb_offset.
    type: 'btrfs',
    offsetsBytes: at(64 * kibibyte, 64 * mebibyte, 256 * gibibyte),
    isIn: hasText(0x40, '_BHRfS_M'),
  },
  {
    // Linux, include/linux/f2fs_fs.h; the second superblock follows in the next block of 4096 bytes.
    type: 'f2fs',
    offsetsBytes: at(1024, 5120),
    isIn: allOf(hasBytes(0, [0x10, 0x20, 0xf5, 0xf2]), isBetween(le(8, 4), 9, 12)),
  },
  { type: 'ntfs', offsetsBytes: at(0), isIn: hasText(3, 'NTFS    ') },
  { type: 'exfat', offsetsBytes: at(0), isIn: hasText(3, 'EXFAT   ') },
  { type: 'BitLocker', offsetsBytes: at(0), isIn: hasText(3, '-FVE-FS-') },
  { type: 'ReFS', offsetsBytes: at(0), isIn: hasBytes(0, [0, 0, 0, 0x52, 0x65, 0x46, 0x53, 0]) },
  {
    // libblkid, vfat.c, fat_valid_superblock; Microsoft's FAT specification, 3.1.
    type: 'vfat',
    offsetsBytes: at(0),
    isIn: allOf(
      anyOf(
        bootSignature,
        ...['MSWIN', 'FAT32   '].map((text) => hasText(0x52, text)),
        ...['MSDOS', 'FAT16   ', 'FAT12   ', 'FAT     '].map((text) => hasText(0x36, text)),
      ),
      isPowerOfTwo(le(11, 2), 512, 4096),
      isPowerOfTwo(byte(13), 1, 128),
      isBetween(le(14, 2), 1, 0xffff),
      isBetween(byte(16), 1, 4),
      isBetween(byte(21), 0xf0, 0xff),
    ),
  },
  { type: 'jfs', offsetsBytes: at(32768), isIn: allOf(hasText(0, 'JFS1'), isBetween(le(4, 4), 1, 2)) },
  {
    type: 'reiserfs',
    offsetsBytes: at(8192, 65536),
    isIn: anyOf(hasText(52, 'ReIsEr'), hasText(20, 'ReIsEr'), hasText(0, 'ReIsEr4')),
  },
  {
    // Linux, include/uapi/linux/nilfs2_ondisk.h, NILFS_SB2_OFFSET_BYTES.
    type: 'nilfs2',
    offsetsBytes: (size) => [1024, (Math.floor(size / 4096) - 1) * 4096],
    isIn: allOf(isOneOf(le(0, 4), [2]), hasBytes(6, [0x34, 0x34])),
  },
  { type: 'ocfs2', offsetsBytes: at(1024, 2048, 4096, 8192), isIn: hasText(0, 'OCFSV2') },
  { type: 'gfs2', offsetsBytes: at(65536), isIn: hasBytes(0, [0x01, 0x16, 0x19, 0x70, 0, 0, 0, 1]) },
  {
    type: 'hfsplus',
    offsetsBytes: at(1024),
    isIn: allOf(
      anyOf(hasBytes(0, [0x48, 0x2b, 0, 4]), hasBytes(0, [0x48, 0x58, 0, 5])),
      isPowerOfTwo(be(40, 4), 512, mebibyte),
    ),
  },
  {
    type: 'erofs',
    offsetsBytes: at(1024),
    isIn: allOf(hasBytes(0, [0xe2, 0xe1, 0xf5, 0xe0]), isBetween(byte(12), 9, 16)),
  },
  { type: 'squashfs', offsetsBytes: at(0), isIn: allOf(hasText(0, 'hsqs'), isBetween(le(28, 2), 1, 4)) },
  { type: 'cramfs', offsetsBytes: at(0), isIn: hasText(16, 'Compressed ROMFS') },
  { type: 'romfs', offsetsBytes: at(0), isIn: hasText(0, '-rom1fs-') },
  {
    // ISO 9660 and UDF: the first descriptor of a volume.
    type: 'iso9660',
    offsetsBytes: at(32768),
    isIn: anyOf(
      ...['BEA01', 'BOOT2', 'CD001', 'CDW02', 'NSR02', 'NSR03', 'TEA01'].map((text) => hasText(1, text)),
    ),
  },
  // What other things are built on.
  {
    type: 'swap',
    offsetsBytes: at(...swapEnds),
    isIn: anyOf(
      ...['SWAPSPACE2', 'SWAP-SPACE', 'LINHIB0001'].map((text) => hasText(502, text)),
      ...['S1SUSPEND', 'S2SUSPEND', 'ULSUSPEND', '\xed\xc3\x02\xe9\x98\x56\xe5\x0c'].map((text) =>
        hasText(502, text),
      ),
    ),
  },
  {
    // LVM2, lib/format_text/layout.h: in one of the first four sectors.
    type: 'LVM2_member',
    offsetsBytes: at(0, 512, 1024, 1536),
    isIn: anyOf(hasText(0, 'LABELONE'), hasText(24, 'LVM2 001')),
  },
  {
    // cryptsetup, lib/luks1/luks.h and lib/luks2/luks2.h.
    type: 'crypto_LUKS',
    offsetsBytes: at(0),
    isIn: allOf(hasText(0, 'LUKS\xba\xbe'), isBetween(be(6, 2), 1, 2)),
  },
  {
    type: 'crypto_LUKS',
    offsetsBytes: at(...luksSecondaries),
    isIn: allOf(hasText(0, 'SKUL\xba\xbe'), isBetween(be(6, 2), 1, 2)),
  },
  {
    // Linux, include/uapi/linux/raid/md_p.h: 1.1 and 1.2, then 1.0 and 0.90 from the disk's end.
    type: 'linux_raid_member',
    offsetsBytes: (size) => [
      0,
      4096,
      (Math.floor(size / sectorBytes / 8) * 8 - 16) * sectorBytes,
      Math.floor(size / 65536) * 65536 - 65536,
    ],
    isIn: allOf(raidMagic, isBetween(le(4, 4), 0, 1)),
  },
  {
    type: 'isw_raid_member',
    offsetsBytes: (size) => [(Math.floor(size / sectorBytes) - 2) * sectorBytes],
    isIn: hasText(0, 'Intel Raid ISM Cfg Sig. '),
  },
  {
    // Linux, include/uapi/linux/bcache.h.
    type: 'bcache',
    offsetsBytes: at(4096),
    isIn: hasBytes(
      24,
      [0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca, 0x82, 0x65, 0xf5, 0x7f, 0x48, 0xba, 0x6d, 0x81],
    ),
  },
  { type: 'stratis', offsetsBytes: at(512, 4608), isIn: hasText(4, '!Stra0tis\x86\xff\x02^\x41rh') },
  { type: 'vdo', offsetsBytes: at(0), isIn: hasText(0, 'dmvdo001') },
  { type: 'DM_integrity', offsetsBytes: at(0), isIn: hasText(0, 'integrt\0') },
  { type: 'DM_verity_hash', offsetsBytes: at(0), isIn: hasText(0, 'verity\0\0') },
  { type: 'DM_snapshot_cow', offsetsBytes: at(0), isIn: hasBytes(0, [0x53, 0x6e, 0x41, 0x70, 1, 0, 0, 0]) },
  { type: 'ceph_bluestore', offsetsBytes: at(0), isIn: hasText(0, 'bluestore block device') },
  {
    // Last, because boot sectors of file systems pass for one as well.
    // Linux, block/partitions/msdos.c: nothing but 0 and 0x80 can be before an entry. Also protects a GPT.
    type: 'dos',
    offsetsBytes: at(0),
    isIn: allOf(
      bootSignature,
      ...[446, 462, 478, 494].map((entry) => isOneOf(byte(entry), [0, 0x80])),
    ),
  },
];
