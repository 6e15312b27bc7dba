/**
 * What `devices` must show of each machine: one device a line, as tests/unit/machines.test.ts writes them: what it is, how it
 * would move as a source or why not, and whether it may be erased. Judged by hand, not recorded.
 */
export const verdicts: Readonly<Record<string, string>> = {
  'active-swap': `
/dev/loop0 loop swap system | device-is-swap | device-is-swap
/dev/loop1 loop on $DIR/swapfile system | device-is-swap | device-is-swap`,
  'bind-mounts': `
/dev/loop0 loop on $DIR/one on $DIR/two on $DIR/three | mount-not-supported | destination-mounted
/dev/loop1 loop | attach | yes
/dev/loop2 loop | device-read-only | device-read-only`,
  'desktop-usb-and-cards': `
/dev/mmcblk0 disk dos | attach | yes
  /dev/mmcblk0p1 part vfat | attach | yes
/dev/mmcblk0boot0 disk | device-read-only | device-read-only
/dev/sda disk dos system | device-holds-system | device-holds-system
  /dev/sda1 part btrfs on / system | device-holds-system | device-holds-system
/dev/sdb disk dos | mount-not-supported | destination-mounted
  /dev/sdb1 part exfat on /media/me/STICK | remount | destination-mounted
/dev/sr0 rom iso9660 | device-read-only | device-read-only`,
  'foreign-mapper': `
/dev/loop0 loop | stack-not-supported | device-in-use
  /dev/mapper/broken other | attach | yes
  /dev/mapper/somebodys other | attach | yes`,
  'gpt-with-lvm': `
/dev/loop0 loop | source-has-holders | destination-mounted
  /dev/loop0p1 part | attach | yes
  /dev/loop0p2 part | attach | yes
  /dev/loop0p3 part | live | destination-mounted
    /dev/mapper/vgpart-files lvm on $DIR/files | source-is-mapped | destination-mounted`,
  'laptop-luks-lvm-root': `
/dev/nvme0n1 disk gpt system good | device-holds-system | device-holds-system
  /dev/nvme0n1p1 part vfat on /boot/efi system | device-holds-system | device-holds-system
  /dev/nvme0n1p2 part ext4 on /boot system | device-holds-system | device-holds-system
  /dev/nvme0n1p3 part crypto_LUKS system | device-holds-system | device-holds-system
    /dev/mapper/nvme0n1p3_crypt crypt LVM2_member system | source-is-mapped | device-holds-system
      /dev/mapper/vg-root lvm ext4 on / system | source-is-mapped | device-holds-system
      /dev/mapper/vg-swap lvm swap swap system | source-is-mapped | device-is-swap
/dev/sda disk gpt failing | attach | yes
  /dev/sda1 part ntfs | attach | yes`,
  'lvm-linear-striped': `
/dev/loop0 loop | live | destination-mounted
  /dev/mapper/vgone-plain lvm on $DIR/plain | source-is-mapped | destination-mounted
  /dev/mapper/vgone-striped lvm | source-is-mapped | yes
/dev/loop1 loop | live | device-in-use
  /dev/mapper/vgone-striped lvm | source-is-mapped | yes`,
  'lvm-mirror': `
/dev/loop0 loop | stack-not-supported | device-in-use
  /dev/mapper/vgmirror-mirrored_mimage_0 lvm | source-is-mapped | device-in-use
    /dev/mapper/vgmirror-mirrored lvm | source-is-mapped | yes
/dev/loop1 loop | stack-not-supported | device-in-use
  /dev/mapper/vgmirror-mirrored_mimage_1 lvm | source-is-mapped | device-in-use
    /dev/mapper/vgmirror-mirrored lvm | source-is-mapped | yes
/dev/loop2 loop | attach | yes`,
  'lvm-snapshot': `
/dev/loop0 loop | stack-not-supported | device-in-use
  /dev/mapper/vgsnap-origin-real lvm | source-is-mapped | device-in-use
    /dev/mapper/vgsnap-origin lvm | source-is-mapped | yes
    /dev/mapper/vgsnap-snap lvm | source-is-mapped | yes
  /dev/mapper/vgsnap-snap-cow lvm | source-is-mapped | device-in-use
    /dev/mapper/vgsnap-snap lvm | source-is-mapped | yes`,
  'md-raid1': `
/dev/loop0 loop | source-has-holders | destination-mounted
  /dev/md7 raid on $DIR/raid | remount | destination-mounted
/dev/loop1 loop | source-has-holders | destination-mounted
  /dev/md7 raid on $DIR/raid | remount | destination-mounted`,
  'mount-seen-once': `
/dev/sda disk system | device-holds-system | device-holds-system
  /dev/sda1 part ext4 on / system | device-holds-system | device-holds-system
/dev/sdb disk | device-in-use | device-in-use
  /dev/sdb1 part ext4 | device-in-use | device-in-use`,
  'nbd-disk': `
/dev/nbd0 disk on $DIR/network | remount | destination-mounted`,
  'scsi-4k-read-only': `
/dev/sda disk | device-read-only | device-read-only`,
  'scsi-gpt': `
/dev/sda disk system | device-is-swap | device-is-swap
  /dev/sda1 part | attach | yes
  /dev/sda2 part swap system | device-is-swap | device-is-swap
  /dev/sda3 part on $DIR/files | remount | destination-mounted`,
  'server-multipath': `
/dev/sda disk gpt system | device-holds-system | device-holds-system
  /dev/sda1 part xfs on / system | device-holds-system | device-holds-system
/dev/sdb disk mpath_member | content-not-supported | destination-mounted
  /dev/mapper/mpatha other gpt | stack-not-supported | destination-mounted
    /dev/mapper/mpatha-part1 other xfs on /srv | remount | destination-mounted
/dev/sdc disk mpath_member | content-not-supported | destination-mounted
  /dev/mapper/mpatha other gpt | stack-not-supported | destination-mounted
    /dev/mapper/mpatha-part1 other xfs on /srv | remount | destination-mounted`,
  'storage-of-every-kind': `
/dev/sda disk gpt system | device-holds-system | device-holds-system
  /dev/sda1 part ext4 on / system | device-holds-system | device-holds-system
/dev/sdb disk bcache | content-not-supported | destination-mounted
  /dev/bcache0 disk ext4 on /srv | remount | destination-mounted
/dev/sdc disk bcache | content-not-supported | destination-mounted
  /dev/bcache0 disk ext4 on /srv | remount | destination-mounted
/dev/sdd disk | content-not-supported | content-not-supported
/dev/sde disk isw_raid_member | content-not-supported | device-in-use
  /dev/md126 raid ext4 | attach | yes
  /dev/md127 raid | device-empty | device-empty
/dev/sdf disk isw_raid_member | content-not-supported | device-in-use
  /dev/md126 raid ext4 | attach | yes
  /dev/md127 raid | device-empty | device-empty
/dev/sdg disk gpt | content-not-supported | destination-is-member
  /dev/sdg1 part zfs_member | content-not-supported | destination-is-member`,
  'zram-nested-loops': `
/dev/loop0 loop on $DIR/outer | source-has-holders | destination-mounted
/dev/loop1 loop on $DIR/inner | remount | destination-mounted
/dev/zram0 disk swap system | device-is-swap | device-is-swap`,
};
