#!/bin/sh
# The first process (PID 1) in a guest of either kind. The kernel has mounted the host's root read-only; this
# puts a tmpfs overlay on it, makes the pseudo file systems and the kernel's modules available, runs the job's
# command as root, leaves its output and exit code in the job's directory (the only place of the host that the
# guest writes to), and powers the guest off.
#
# GUEST_* come from the kernel's command line, which the kernel passes on as environment (boot.ts):
#   GUEST_JOB      the job's directory on the host, at the same path in the guest
#   GUEST_JOB_TYPE, GUEST_JOB_SOURCE, GUEST_JOB_OPTIONS   how to mount it
#   GUEST_MODULES  where the modules of this kernel lie on the host
#   GUEST_LOAD     modules to load, separated by commas
#   GUEST_INIT     this file
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

power_off() {
  sync
  echo o > /proc/sysrq-trigger
  sleep 60
}

fail() {
  echo "guest init: $*" > /dev/console
  power_off
}

# All the rest happens in the overlay: programs may write anywhere, and the host sees nothing of it.
enter_overlay() {
  mount -t tmpfs tmpfs /mnt || fail 'no tmpfs'
  mkdir -p /mnt/upper /mnt/work /mnt/root /mnt/modules/lib/modules
  # modprobe's usual place is in the overlay, which may itself be a module.
  ln -s "$GUEST_MODULES" "/mnt/modules/lib/modules/$(uname -r)"
  grep -q overlay /proc/filesystems || modprobe -d /mnt/modules overlay || fail 'no overlay module'
  mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work,xino=off overlay /mnt/root ||
    fail 'no overlay'
  mkdir -p "/mnt/root$GUEST_JOB"
  mount -t "$GUEST_JOB_TYPE" -o "$GUEST_JOB_OPTIONS" "$GUEST_JOB_SOURCE" "/mnt/root$GUEST_JOB" ||
    fail 'the job directory cannot be mounted'
  exec chroot /mnt/root "$GUEST_INIT" in-overlay
}

mount_pseudo_file_systems() {
  mount -t proc proc /proc
  mount -t sysfs sys /sys
  mount -t devtmpfs dev /dev || fail 'no devtmpfs'
  mkdir -p /dev/pts /dev/shm /dev/mapper
  mount -t devpts devpts /dev/pts
  mount -t tmpfs shm /dev/shm
  mount -t tmpfs -o mode=755 run /run
  mkdir -p /run/lock /run/lvm /run/mount
  ln -sfn /proc/self/fd /dev/fd
  ln -sfn /proc/self/fd/0 /dev/stdin
  ln -sfn /proc/self/fd/1 /dev/stdout
  ln -sfn /proc/self/fd/2 /dev/stderr
}

# Where the kernel itself looks for them too, so that mounting a file system loads its module.
provide_modules() {
  mkdir -p /lib/modules
  ln -sfn "$GUEST_MODULES" "/lib/modules/$(uname -r)"
  for module in $(echo "$GUEST_LOAD" | tr , ' '); do
    modprobe "$module" || echo "guest init: the module $module cannot be loaded" >&2
  done
}

run_job() {
  cut -d' ' -f1 /proc/uptime > "$GUEST_JOB/boot-seconds"
  bash "$GUEST_JOB/command" > "$GUEST_JOB/stdout" 2> "$GUEST_JOB/stderr" < /dev/null
  exit_code=$?
  # After the job: what it loaded counts.
  { uname -r; cut -d' ' -f1 /proc/modules; } > "$GUEST_JOB/kernel"
  # In one step, so that half a number is never read.
  echo "$exit_code" > "$GUEST_JOB/exit-code.new"
  mv "$GUEST_JOB/exit-code.new" "$GUEST_JOB/exit-code"
}

if [ "$1" != in-overlay ]; then
  mount -t proc proc /proc
  enter_overlay
fi
mount_pseudo_file_systems
ip link set lo up
provide_modules 2>> "$GUEST_JOB/init"
run_job
power_off
