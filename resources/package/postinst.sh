#!/bin/sh
# After the files have come, or after prerm.sh has refused to let them go: the service is there.
set -e

case "$1" in
  configure)
    # Chromium's sandbox where the system has no namespaces for users.
    sandbox=/opt/Diskferry/chrome-sandbox
    # An administrator may have decided otherwise, and dpkg has set it so then.
    if [ -e "$sandbox" ] && ! dpkg-statoverride --list "$sandbox" >/dev/null; then chmod 4755 "$sandbox"; fi
    # Who has switched it off keeps it so.
    if deb-systemd-helper --quiet was-enabled diskferryd.service; then
      deb-systemd-helper enable diskferryd.service >/dev/null
    else
      deb-systemd-helper update-state diskferryd.service >/dev/null
    fi
    ;;
  abort-upgrade | abort-remove | abort-deconfigure) ;;
  *) exit 0 ;;
esac

if [ -d /run/systemd/system ]; then
  systemctl daemon-reload || true
  # Why it does not start, it says itself; the command line and the wizard say what to do.
  deb-systemd-invoke start diskferryd.service || true
fi
