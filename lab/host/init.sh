#!/bin/sh
# The first process of a lab host: runs in new mount, network, process, name and IPC namespaces, and builds from this
# machine's own programs a second machine with its own libvirt. When it ends, the kernel ends everything in it.
# Arguments: the host's directory, its name, its UUID, the program sshd.
set -eu
home=$1 name=$2 uuid=$3 sshd=$4

# /proc is still the outer one here: its "self" is the process id that the outside knows.
read -r pid rest </proc/self/stat

mount -t proc proc /proc
# A fresh sysfs shows this namespace's interfaces, and no control groups: what libvirt put there would outlive us.
umount -l -R /sys
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/sshd /run/libvirt
mount --bind "$home/run" /run/libvirt
mount --bind "$home/lib" /var/lib/libvirt
mount --bind "$home/etc" /etc/libvirt
mount --bind "$home/log" /var/log/libvirt
mount --bind "$home/cache" /var/cache/libvirt
mount --bind "$home/passwd" /etc/passwd
mount --bind "$home/shadow" /etc/shadow
for private in vmferry swtpm swtpm-localca; do
  if [ -d "/var/lib/$private" ]; then
    mkdir -p "$home/state/$private"
    mount --bind "$home/state/$private" "/var/lib/$private"
  fi
done

hostname "$name"
ip link set lo up
printf 'host_uuid = "%s"\nauth_unix_rw = "none"\nunix_sock_rw_perms = "0700"\n' "$uuid" >/etc/libvirt/libvirtd.conf

/usr/sbin/virtlogd &
/usr/sbin/libvirtd &
LD_LIBRARY_PATH="${LAB_LIBRARIES:-}" "$sshd" -D -e -f "$home/ssh/sshd_config" &
echo "$pid" >"$home/pid.new"
mv "$home/pid.new" "$home/pid"

# Waiting also collects the processes that libvirt leaves to us.
while :; do
  sleep 3600 &
  wait $! || true
done
