#!/bin/sh
# Becomes systemd in the namespaces that we were started in. $1: an empty folder, $2: the script that installs,
# $3: an empty folder on a disk.
# Nothing outside is written: the files are an overlay in memory, and what is not namespaced is read-only.
set -eu
mount --make-rprivate /
mount -t tmpfs -o size=2g,mode=755 tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
mount -t proc -o nosuid,nodev,noexec proc proc
mount --bind proc/sys proc/sys && mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
if [ -z "$LEGACY" ]; then
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 sys/fs/cgroup
else  # the controllers of this machine are in hierarchies of version 1
    mount -t tmpfs -o mode=755,nosuid,nodev,noexec tmpfs sys/fs/cgroup
    mkdir sys/fs/cgroup/unified
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 sys/fs/cgroup/unified
    for controller in $LEGACY; do
        mkdir "sys/fs/cgroup/$controller"
        mount -t cgroup -o "nosuid,nodev,noexec,$controller" "$controller" "sys/fs/cgroup/$controller"
    done
fi
mount -t tmpfs -o mode=755,nosuid tmpfs dev
for device in null:3 zero:5 full:7 random:8 urandom:9; do
    mknod -m 666 "dev/${device%:*}" c 1 "${device#*:}"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs dev/shm
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs run
sh "$2" "$PWD"
# What the service keeps is on a disk: the files of a tmpfs would be counted as its memory.
mkdir -p var/lib/private && chmod 700 var/lib/private "$3"
mount --bind "$3" var/lib/private
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs tmp
mkdir -p mnt/old
pivot_root . mnt/old
umount -l mnt/old
mount --make-rshared /  # as at a real boot; systemd leaves this to the manager of a container
exec env -i container=elaaoms PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    setpriv --bounding-set=-sys_time,-sys_module,-sys_rawio,-sys_boot,-syslog \
    /lib/systemd/systemd --system --unit=elaaoms-boot.target --log-target=console --show-status=no \
    < /dev/null
