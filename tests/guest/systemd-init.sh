#!/bin/sh
# The first process (PID 1) of the systemd guest until systemd takes over. The kernel has mounted the host's
# root read-only; this puts a tmpfs overlay on the Debian tree that was bootstrapped there (debian-tree.ts),
# lays the few things of the host that the job needs at their own paths over it (Node, the repository under an
# overlay of its own, the kernel's modules, the job's directory), and starts systemd, which runs the job as its
# last unit by calling this file again.
#
# GUEST_* come from the kernel's command line, as in init.sh; besides:
#   GUEST_TREE   the Debian tree on the host
#   GUEST_WORK   the repository
#   GUEST_NODE   Node's program
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
root=/mnt/root

power_off() {
  sync
  echo o > /proc/sysrq-trigger
  sleep 60
}

fail() {
  echo "guest init: $*" > /dev/console
  power_off
}

# overlay_on FOLDER PLACE: a writable view of a folder of the host.
overlay_on() {
  layers=/mnt/layers/$(echo "$1" | tr / _)
  mkdir -p "$layers/upper" "$layers/work" "$2"
  mount -t overlay -o "lowerdir=$1,upperdir=$layers/upper,workdir=$layers/work,xino=off" overlay "$2" ||
    fail "no overlay on $1"
}

lay_root() {
  mount -t tmpfs tmpfs /mnt || fail 'no tmpfs'
  mkdir -p /mnt/modules/lib/modules
  # modprobe's usual place is in the overlay, which may itself be a module.
  ln -s "$GUEST_MODULES" "/mnt/modules/lib/modules/$(uname -r)"
  grep -q overlay /proc/filesystems || modprobe -d /mnt/modules overlay || fail 'no overlay module'
  overlay_on "$GUEST_TREE" $root
  overlay_on "$GUEST_WORK" "$root$GUEST_WORK"
  mkdir -p "$root/lib/modules/$(uname -r)" "$root$GUEST_JOB" "$(dirname "$root$GUEST_NODE")"
  mount --bind "$GUEST_MODULES" "$root/lib/modules/$(uname -r)" || fail 'no modules'
  touch "$root$GUEST_NODE"
  mount --bind "$GUEST_NODE" "$root$GUEST_NODE" || fail 'no Node'
  mount -t "$GUEST_JOB_TYPE" -o "$GUEST_JOB_OPTIONS" "$GUEST_JOB_SOURCE" "$root$GUEST_JOB" ||
    fail 'the job directory cannot be mounted'
}

# The unit that runs the job when everything else has started.
write_units() {
  cp "$GUEST_INIT" $root/usr/local/sbin/guest-init
  echo "GUEST_JOB=$GUEST_JOB" > $root/etc/guest-job
  cat > $root/etc/systemd/system/guest-job.service <<'UNIT'
[Unit]
Description=The job of this guest
After=multi-user.target systemd-udev-settle.service
Wants=systemd-udev-settle.service
[Service]
Type=oneshot
TimeoutStartSec=infinity
EnvironmentFile=/etc/guest-job
ExecStart=/bin/sh /usr/local/sbin/guest-init run-job
[Install]
WantedBy=graphical.target
UNIT
  mkdir -p $root/etc/systemd/system/graphical.target.wants $root/etc/modules-load.d $root/etc/tmpfiles.d
  ln -sfn ../guest-job.service $root/etc/systemd/system/graphical.target.wants/guest-job.service
  echo "$GUEST_LOAD" | tr , '\n' > $root/etc/modules-load.d/guest.conf
  # Its rules empty /tmp at boot, and the job's directory or the repository may lie there.
  ln -sfn /dev/null $root/etc/tmpfiles.d/tmp.conf
  : > $root/etc/machine-id
  # What a job has left there for the boot after a reset.
  [ ! -d "$root$GUEST_JOB/kept" ] || cp -a "$root$GUEST_JOB/kept/." $root/ || fail 'what was kept cannot be laid'
}

run_job() {
  cut -d' ' -f1 /proc/uptime > "$GUEST_JOB/boot-seconds"
  bash "$GUEST_JOB/command" > "$GUEST_JOB/stdout" 2> "$GUEST_JOB/stderr" < /dev/null
  exit_code=$?
  { uname -r; cut -d' ' -f1 /proc/modules; } > "$GUEST_JOB/kernel"
  # In one step, so that half a number is never read.
  echo "$exit_code" > "$GUEST_JOB/exit-code.new"
  mv "$GUEST_JOB/exit-code.new" "$GUEST_JOB/exit-code"
}

if [ "$1" = run-job ]; then
  run_job
  power_off
fi
mount -t proc proc /proc
lay_root
write_units
umount /proc
exec switch_root $root /sbin/init || fail 'systemd cannot be started'
