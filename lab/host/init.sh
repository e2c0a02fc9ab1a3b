#!/bin/sh
# The first process of a lab host: runs in new mount, network, process, name and IPC namespaces, and builds from this
# machine's own programs a second machine with its own libvirt. When it ends, the kernel ends everything in it.
# Arguments: the host's directory, its name, its UUID, the program sshd. LAB_LIBRARIES is a folder of libraries for sshd;
# LAB_KVM is `no` where guests cannot run with KVM.
set -eu
home=$1 name=$2 uuid=$3 sshd=$4

# /proc is still the outer one here: its "self" is the process id that the outside knows.
read -r pid rest </proc/self/stat

mount -t proc proc /proc
# A fresh sysfs shows this namespace's interfaces, and no control groups: what libvirt put there would outlive us.
umount -l -R /sys
mount -t sysfs sysfs /sys

# Its own devices. Where KVM's is there but does not work, libvirt would ask QEMU anew what it can at every command.
mkdir "$home/dev"
mount -t tmpfs -o mode=755 tmpfs "$home/dev"
for device in null zero full random urandom tty net vhost-net fuse loop-control loop[0-9]* kvm; do
  if [ -e "/dev/$device" ] && [ "$device$LAB_KVM" != kvmno ]; then cp -a "/dev/$device" "$home/dev/"; fi
done
ln -s /proc/self/fd "$home/dev/fd"
for number in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${number%:*}" "$home/dev/${number#*:}"; done
mkdir "$home/dev/pts" "$home/dev/shm"
ln -s pts/ptmx "$home/dev/ptmx"
mount -t devpts -o newinstance,gid=5,mode=620,ptmxmode=666 devpts "$home/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$home/dev/shm"
# No hidden mount may stay below: libvirt goes by the list of mounts.
while mountpoint -q /dev; do umount -l -R /dev; done
mount --rbind "$home/dev" /dev
umount -l -R "$home/dev"

mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/sshd /run/libvirt
mount --bind "$home/run" /run/libvirt
mount --bind "$home/lib" /var/lib/libvirt
mount --bind "$home/etc" /etc/libvirt
# All logs, as libvirt makes a folder for those of swtpm when it needs one.
mkdir -p "$home/logs/libvirt"
mount --bind "$home/logs" /var/log
mount --bind "$home/log" /var/log/libvirt
mount --bind "$home/cache" /var/cache/libvirt
for file in passwd shadow hosts; do mount --bind "$home/$file" "/etc/$file"; done
for private in vmferry swtpm swtpm-localca; do
  if [ -d "/var/lib/$private" ]; then
    mkdir -p "$home/state/$private"
    # swtpm's programs run as a user of their own.
    chown --reference="/var/lib/$private" "$home/state/$private"
    chmod --reference="/var/lib/$private" "$home/state/$private"
    mount --bind "$home/state/$private" "/var/lib/$private"
  fi
done

hostname "$name"
ip link set lo up
printf 'host_uuid = "%s"\nauth_unix_rw = "none"\nunix_sock_rw_perms = "0700"\n' "$uuid" >/etc/libvirt/libvirtd.conf

/usr/sbin/virtlogd &
/usr/sbin/libvirtd &
LD_LIBRARY_PATH="$LAB_LIBRARIES" "$sshd" -D -e -f "$home/ssh/sshd_config" &
echo "$pid" >"$home/pid.new"
mv "$home/pid.new" "$home/pid"

# Waiting also collects the processes that libvirt leaves to us.
while :; do
  sleep 3600 &
  wait $! || true
done
