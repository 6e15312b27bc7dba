#!/bin/sh
# Makes one kind of storage after the other in a guest, records each (record.ts says how to build build/record.mjs), and
# takes it away again:
#   npx tsx tests/guest/run.ts --guest qemu -- sh tests/machines/scenes.sh "$PWD" SCENE… | node tests/machines/unpack.mjs
# Each recording is one line that begins with "MACHINE NAME ".
root=$1; shift
cd "$root" || exit 1
export DM_DISABLE_UDEV=1
dir=$(mktemp -d /tmp/scene-XXXXXX); mount -t tmpfs scene "$dir" || exit 1

disk() { rm -f "$dir/$1.img"; truncate -s "${2:-64M}" "$dir/$1.img"; losetup --find --show "$dir/$1.img"; }
record() {
  name=$1; title=$2
  printf 'MACHINE %s ' "$name"
  node build/record.mjs "$title" "recorded: in a guest with Linux $(uname -r)" || echo
}
at() { mkdir -p "$dir/$1"; mount "$2" "$dir/$1"; }

lvm_linear() {
  a=$(disk a); b=$(disk b)
  pvcreate -q "$a" "$b"; vgcreate -q vgone "$a" "$b"
  lvcreate -q -y -Wn -L 40M -n plain vgone "$a"; lvcreate -q -y -Wn -L 24M -i 2 -I 64k -n striped vgone
  mkfs.ext4 -q -L data /dev/mapper/vgone-plain; at plain /dev/mapper/vgone-plain
  record lvm-linear-striped 'LVM over two disks: a linear LV with a mounted ext4, and a striped one'
  umount "$dir/plain"; vgchange -q -an vgone; losetup -d "$a" "$b"
}
lvm_snapshot() {
  a=$(disk a)
  pvcreate -q "$a"; vgcreate -q vgsnap "$a"
  lvcreate -q -y -Wn -L 16M -n origin vgsnap; lvcreate -q -y -s -L 8M -n snap vgsnap/origin
  record lvm-snapshot 'an LV with a snapshot'
  vgchange -q -an vgsnap; losetup -d "$a"
}
lvm_thin() {
  modprobe dm-thin-pool; a=$(disk a 128M)
  pvcreate -q "$a"; vgcreate -q vgthin "$a"
  lvcreate -q -y -L 64M -T vgthin/pool; lvcreate -q -y -V 200M -T vgthin/pool -n thin
  record lvm-thin 'a thin pool with a thin LV'
  vgchange -q -an vgthin; losetup -d "$a"
}
luks_lvm() {
  modprobe dm-crypt; a=$(disk a 96M); echo secret >"$dir/key"
  cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "$a" "$dir/key"
  cryptsetup open "$a" vault --key-file "$dir/key"
  pvcreate -q /dev/mapper/vault; vgcreate -q vgvault /dev/mapper/vault
  lvcreate -q -y -Wn -L 32M -n home vgvault; mkfs.ext4 -q /dev/mapper/vgvault-home; at home /dev/mapper/vgvault-home
  lvcreate -q -y -Wn -L 16M -n swap vgvault; mkswap -q /dev/mapper/vgvault-swap; swapon /dev/mapper/vgvault-swap
  record luks-lvm-swap 'LUKS2 with LVM in it: a mounted home, and swap'
  swapoff /dev/mapper/vgvault-swap; umount "$dir/home"; vgchange -q -an vgvault; cryptsetup close vault; losetup -d "$a"
}
md_raid() {
  modprobe raid1; a=$(disk a); b=$(disk b); modprobe raid0
  mdadm --create /dev/md7 --run --level=1 --raid-devices=2 --metadata=1.2 "$a" "$b" >&2
  mkfs.ext4 -q /dev/md7; at raid /dev/md7
  record md-raid1 'a mirror of two disks by md, with a mounted ext4'
  umount "$dir/raid"; mdadm --stop /dev/md7 >&2; losetup -d "$a" "$b"
}
gpt() {
  modprobe sd_mod; modprobe scsi_debug dev_size_mb=64 num_tgts=1 sector_size=512 physblk_exp=3; sleep 1
  d=/dev/$(ls /sys/block | grep "^sd" | head -1)
  printf 'label: gpt\nsize=16MiB,type=uefi\nsize=16MiB,type=swap\ntype=linux\n' | sfdisk -q "$d" >&2
  partx -u "$d" 2>/dev/null || partx -a "$d"; sleep 1
  mkfs.vfat "${d}1" >&2; mkswap -q "${d}2"; mkfs.ext4 -q -L files "${d}3"; at files "${d}3"; swapon "${d}2"
  record scsi-gpt 'a SCSI disk with GPT: EFI system partition, active swap, and a mounted ext4'
  swapoff "${d}2"; umount "$dir/files"; modprobe -r scsi_debug
}
large_sectors() {
  modprobe sd_mod; modprobe scsi_debug dev_size_mb=64 sector_size=4096 wp=1; sleep 1
  record scsi-4k-read-only 'a write-protected SCSI disk with sectors of 4096 bytes'
  modprobe -r scsi_debug
}
btrfs_pair() {
  modprobe btrfs 2>/dev/null; a=$(disk a 256M); b=$(disk b 256M)
  mkfs.btrfs -q -d raid1 -m raid1 "$a" "$b"; btrfs device scan "$a" "$b" >&2; at pair "$a"
  record btrfs-raid1 'a Btrfs over two disks'
  umount "$dir/pair"; losetup -d "$a" "$b"
}
zram_swap() {
  modprobe zram; echo 32M >/sys/block/zram0/disksize; mkswap -q /dev/zram0; swapon /dev/zram0
  a=$(disk a 160M); mkfs.ext4 -q "$a"; at outer "$a"; truncate -s 64M "$dir/outer/inner.img"
  b=$(losetup --find --show "$dir/outer/inner.img"); mkfs.xfs -q -f "$b" 2>/dev/null || mkfs.ext4 -q "$b"; at inner "$b"
  record zram-nested-loops 'swap in memory, and an image on a mounted image'
  umount "$dir/inner"; losetup -d "$b"; umount "$dir/outer"; losetup -d "$a"; swapoff /dev/zram0
}
foreign_dm() {
  a=$(disk a)
  dmsetup create somebodys --table "0 65536 linear $a 0"; dmsetup create broken --table "0 8192 flakey $a 65536 10 5" 2>/dev/null || dmsetup create broken --table "0 8192 error"
  record foreign-mapper 'device-mapper devices that neither LVM nor cryptsetup made'
  dmsetup remove broken; dmsetup remove somebodys; losetup -d "$a"
}
lvm_mirror() {
  a=$(disk a); b=$(disk b); c=$(disk c)
  pvcreate -q "$a" "$b" "$c"; vgcreate -q vgmirror "$a" "$b" "$c"
  lvcreate -q -y -Wn --type mirror -m 1 --mirrorlog core --nosync -L 24M -n mirrored vgmirror
  record lvm-mirror 'an LV that LVM mirrors over two disks, and a third disk without any'
  vgchange -q -an vgmirror; losetup -d "$a" "$b" "$c"
}
partitions() {
  a=$(disk a 96M)
  printf 'label: gpt\nsize=16MiB,type=uefi\nsize=16MiB,type=swap\ntype=linux\n' | sfdisk -q "$a" >&2
  partx -a "$a"; mkfs.vfat "${a}p1" >&2; mkswap -q "${a}p2"; pvcreate -q "${a}p3"; vgcreate -q vgpart "${a}p3"
  lvcreate -q -y -Wn -L 32M -n files vgpart; mkfs.ext4 -q /dev/mapper/vgpart-files; at files /dev/mapper/vgpart-files
  record gpt-with-lvm 'GPT with an EFI system partition, swap that is off, and LVM with a mounted ext4'
  umount "$dir/files"; vgchange -q -an vgpart; partx -d "$a"; losetup -d "$a"
}
active_swap() {
  a=$(disk a); mkswap -q "$a"; swapon "$a"; b=$(disk b 96M); mkfs.ext4 -q "$b"; at swapfile "$b"
  dd if=/dev/zero of="$dir/swapfile/swap" bs=1M count=16 2>/dev/null; chmod 600 "$dir/swapfile/swap"
  mkswap -q "$dir/swapfile/swap"; swapon "$dir/swapfile/swap"
  record active-swap 'a disk that is swap, and one with a file that is'
  swapoff "$dir/swapfile/swap"; swapoff "$a"; umount "$dir/swapfile"; losetup -d "$a" "$b"
}
nbd_disk() {
  rm -f "$dir/n.img"; truncate -s 64M "$dir/n.img"; qemu-nbd --connect=/dev/nbd0 --format=raw "$dir/n.img" >&2; sleep 1
  mkfs.ext4 -q /dev/nbd0; at network /dev/nbd0
  record nbd-disk 'a disk over nbd, with a mounted ext4'
  umount "$dir/network"; qemu-nbd --disconnect /dev/nbd0 >&2
}
bind_mounts() {
  a=$(disk a); mkfs.ext4 -q "$a"; at one "$a"; mkdir -p "$dir/two" "$dir/three" "$dir/one/inside"; mount "$a" "$dir/two"
  mount --bind "$dir/one/inside" "$dir/three"; b=$(disk b); mkfs.ext4 -q "$b"; losetup --read-only --find "$dir/b.img"
  record bind-mounts 'a disk that is mounted twice and bound once, and an image that is attached twice'
  umount "$dir/three" "$dir/two" "$dir/one"; losetup -D
}
udev_machine() {
  a=$(disk a); mkfs.ext4 -q -L labelled "$a"; udevadm settle 2>/dev/null
  record whole-system 'a whole system with systemd and udev, on virtio'
  losetup -d "$a"
}

for scene in "$@"; do "$scene"; done
umount "$dir"; rmdir "$dir"
