#!/bin/sh
# After the files have gone. Reports of moves stay until the package is purged; then all goes, but never the record of
# a move whose data is on both disks, which nothing else can tell apart.
set -e

state=/var/lib/diskferry

case "$1" in
  remove | purge)
    deb-systemd-helper purge diskferryd.service >/dev/null
    if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
    # prerm.sh has seen that no move runs.
    rm -rf /run/diskferry
    # Every Debian has it; dpkg takes it along where it is empty.
    mkdir -p /opt
    ;;
esac

if [ "$1" = purge ]; then
  for record in "$state"/jobs/*/job.json; do
    if [ ! -e "$record" ]; then continue; fi
    echo "diskferry: $record: that move's data is on both disks. $state stays; install Diskferry to recover it." >&2
    exit 0
  done
  rm -rf "$state"
fi
