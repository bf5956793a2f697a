#!/bin/sh
# Installs elaaoms below $1 as docs/DEPLOYMENT.md does, with the packages of the environment that runs the tests.
set -eu
rm -rf "$1/etc/elaaoms" "$1/opt/elaaoms" "$1/var/lib/elaaoms" "$1/var/lib/private/elaaoms"
chroot "$1" /usr/bin/python3 -m venv --without-pip /opt/elaaoms
cp -r "$SITE_PACKAGES/." "$1/opt/elaaoms/lib/python$PYTHON_VERSION/site-packages"
cp -r "$PACKAGE" "$1/opt/elaaoms/lib/python$PYTHON_VERSION/site-packages/elaaoms"
cp "$PROBE" "$1/opt/elaaoms/probe.py"
cp "$PRESSURE" "$1/opt/elaaoms/pressure.py"
cp "$EVENT" "$1/opt/elaaoms/event.json"
cat > "$1/opt/elaaoms/bin/elaaoms" <<'PROGRAM'
#!/opt/elaaoms/bin/python3
from elaaoms.cli import main
main()
PROGRAM
chmod 755 "$1/opt/elaaoms/bin/elaaoms"
chroot "$1" /opt/elaaoms/bin/elaaoms init /etc/elaaoms
chroot "$1" /opt/elaaoms/bin/elaaoms install-service
units="$1/etc/systemd/system"
rm -rf "$units"/*.wants "$units"/*.requires
mkdir -p "$units/elaaoms.service.d"
printf '[Service]\nWatchdogSec=4\n' > "$units/elaaoms.service.d/fast.conf"
printf '[Service]\nMemoryHigh=384M\nMemoryMax=512M\n' > "$units/elaaoms.service.d/small.conf"
# The probe has the sandbox of the service, word for word.
sed -e 's/^Type=.*/Type=oneshot/' -e '/^WatchdogSec=/d; /^Restart/d; /^NotifyAccess=/d; /^Requires=/d' \
    -e "s|^ExecStart=.*|ExecStart=/opt/elaaoms/bin/python3 /opt/elaaoms/probe.py|" \
    "$units/elaaoms.service" > "$units/elaaoms-probe.service"
cat > "$units/elaaoms-boot.target" <<'TARGET'
[Unit]
Requires=basic.target
Wants=elaaoms.socket elaaoms.service
After=basic.target
TARGET
for unit in systemd-udevd.service systemd-udev-trigger.service systemd-udevd-kernel.socket \
    systemd-udevd-control.socket systemd-journald-audit.socket systemd-random-seed.service \
    systemd-networkd.service systemd-resolved.service systemd-timesyncd.service apparmor.service \
    keyboard-setup.service console-setup.service networking.service systemd-binfmt.service \
    proc-sys-fs-binfmt_misc.automount dev-hugepages.mount dev-mqueue.mount systemd-sysctl.service \
    systemd-remount-fs.service ifupdown-pre.service local-fs.target swap.target; do
    ln -sf /dev/null "$units/$unit"
done
: > "$1/etc/fstab"
