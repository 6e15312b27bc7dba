#!/bin/sh
# After the files have gone. Reports of moves stay until the package is purged; then all goes, but never the record of
# a move whose data is on both disks, which nothing else can tell apart.
set -e

state=/var/lib/diskferry

case "$1" in
  remove | purge)
    # Removal leaves nothing, so not even that somebody had switched the service off: an upgrade keeps that.
    deb-systemd-helper purge diskferryd.service >/dev/null || true
    if [ -d /run/systemd/system ]; then systemctl daemon-reload || true; fi
    # Never what a move keeps there: it may be one of another copy of Diskferry.
    rm -f /run/diskferry/diskferryd.sock
    rmdir /run/diskferry 2>/dev/null || true
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
  # A file system that was mounted there, or below it, is somebody else's.
  if cut -d ' ' -f 5 /proc/self/mountinfo | grep -q -x -e "$state" -e "$state/.*"; then
    echo "diskferry: a file system is mounted at $state or below it: what is there stays." >&2
    exit 0
  fi
  rm -rf "$state"
fi
