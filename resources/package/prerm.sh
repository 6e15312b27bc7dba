#!/bin/sh
# Before files of this package go or are replaced. A move that runs keeps its programs: it is served by them, and loads
# parts of them as it goes. A move that has died needs them to be recovered, by a newer version if need be, so that it
# keeps the package from being removed and not from being upgraded.
set -e

programs=/usr/lib/diskferry
records=/var/lib/diskferry/jobs
# What a move keeps in memory, wherever its records are.
live='/run/diskferry /dev/shm/diskferry'

# Where that leads to: what runs there knows its files by that name.
real=$(readlink -f "$programs" || echo "$programs")

# Whether our Node runs in $1, a folder of /proc. A file that was replaced is followed by " (deleted)", and may be of a
# container that has this package as well: then it is none of ours.
runs_our_node() {
  if [ "$1/exe" -ef "$programs/node" ]; then return 0; fi
  case "$(readlink "$1/exe" 2>/dev/null || true)" in
    "$programs/node" | "$programs/node (deleted)" | "$real/node" | "$real/node (deleted)") ;;
    *) return 1 ;;
  esac
  [ "$(readlink "$1/ns/pid" 2>/dev/null || true)" = "$(readlink /proc/self/ns/pid || true)" ]
}

# The processes of ours that run $1, a file below build/app.
processes_of() {
  for process in /proc/[0-9]*; do
    if ! runs_our_node "$process"; then continue; fi
    if tr '\0' '\n' 2>/dev/null <"$process/cmdline" | grep -qxF -e "$programs/build/app/$1" -e "$real/build/app/$1"; then
      echo "${process#/proc/}"
    fi
  done
}

# Names of the moves whose record is there: they run, or have died.
recorded() {
  {
    for record in "$records"/*/job.json; do
      if [ -e "$record" ]; then basename "$(dirname "$record")"; fi
    done
    for place in $live; do
      for maps in "$place"/*/maps; do
        if [ -e "$maps" ]; then basename "$(dirname "$maps")"; fi
      done
    done
  } | sort -u
}

refuse() {
  {
    echo "diskferry: $1"
    recorded | sed 's/^/  /'
    echo "$2"
    echo "Nothing was changed."
  } >&2
  exit 1
}

refuse_while_moves_run() {
  if [ -z "$(processes_of migration/job-process.js)" ]; then return; fi
  refuse "a move runs, and its volume is served by the programs of this package:" \
    "See 'diskferry status'. Wait for its end, 'diskferry cutover', or go back with 'diskferry undo'; then try again."
}

refuse_while_moves_wait_to_be_recovered() {
  if [ -z "$(recorded)" ]; then return; fi
  refuse "a move has died, and its data is on both disks:" \
    "Keep both disks, and run 'diskferry recover', or 'diskferry recover --undo'; then try again."
}

# So that no move can begin any more. It ends no move, however it was started itself.
stop_service() {
  if [ -d /run/systemd/system ]; then systemctl stop diskferryd.service || true; fi
  for process in $(processes_of service/main.js); do kill -TERM "$process" 2>/dev/null || true; done
  tries=100
  while [ -n "$(processes_of service/main.js)" ]; do
    tries=$((tries - 1))
    if [ "$tries" -eq 0 ]; then refuse "the service does not end:" "End it, then try again."; fi
    sleep 0.1
  done
}

case "$1" in
  # dpkg asks so when the installed version has refused: it knows its own moves, and this one may not.
  failed-upgrade) exit 1 ;;
esac

refuse_while_moves_run
case "$1" in
  remove | deconfigure) refuse_while_moves_wait_to_be_recovered ;;
esac
stop_service
# One that had begun in between.
refuse_while_moves_run
