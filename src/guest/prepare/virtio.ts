import type { GuestReadiness } from '../../model/guest-inside.js';
import { LOCK_MS, runScript, valuesOf, type GuestAccess } from './script.js';

/**
 * Virtio in the initramfs of every installed kernel, so that the guest starts on virtio disks without being converted
 * while it is down. A file of its own tells the builder: a hook of initramfs-tools(7), or a file for dracut.conf(5).
 * Only an initramfs that lacks the drivers is built anew.
 */
const FILES = `
hook=$root/etc/initramfs-tools/hooks/vmferry-virtio
conf=$root/etc/dracut.conf.d/vmferry-virtio.conf
mark='Written by vmferry'
`;

const FOUND = `
if command -v update-initramfs >/dev/null && [ -d "$root/etc/initramfs-tools" ]; then builder=initramfs-tools
elif command -v dracut >/dev/null && [ -d "$root/etc/dracut.conf.d" ]; then builder=dracut
else builder=
fi
images() {
  for folder in "$root"/lib/modules/*/; do
    version=$(basename "$folder")
    for image in "$root/boot/initrd.img-$version" "$root/boot/initramfs-$version.img" "$root/boot/initrd-$version"; do
      [ ! -f "$image" ] || "$@"
    done
  done
}
`;

const LOOK = `${FOUND}
[ -z "$builder" ] || echo "builder $builder"
image() { echo "image $image"; }
images image`;

const ADD = `${FILES}${FOUND}
modules='virtio_pci virtio_blk virtio_scsi virtio_net'
[ -n "$builder" ] || refuse 'it has neither initramfs-tools nor dracut'
# Of the two that a virtio disk needs, those that are modules of this kernel.
needed() {
  for module in virtio_pci virtio_blk; do
    grep -qs "/$module\\.ko" "$root/lib/modules/$version/modules.builtin" || echo "$module"
  done
}
lacks() {
  case $builder in
  dracut) lsinitrd "$image" ;;
  *) lsinitramfs "$image" ;;
  esac >"$work/listing" 2>"$work/said" </dev/null || refuse "$image cannot be looked into: $(tail -n 1 "$work/said")"
  for module in $(needed); do
    grep -q "/$module\\.ko" "$work/listing" || return 0
  done
  return 1
}
write() {
  if [ -e "$1" ] && ! grep -q "$mark" "$1"; then refuse "$1 is not vmferry's"; fi
  cat >"$1.new" && chmod "$2" "$1.new" && mv -f -- "$1.new" "$1" || refuse "$1 cannot be written"
  echo "wrote $1"
}
found=0
look() {
  found=$((found + 1))
  if lacks; then echo "$image" >>"$work/lacking"
  elif grep -qsxF -- "$image" "$work/rebuilt"; then echo "rebuilt $image"
  else echo "had $image"
  fi
}
rebuild() {
  grep -qxF -- "$image" "$work/lacking" || return 0
  # The new one is written beside the old one.
  size=$(du -k "$image" | cut -f1)
  room=$(df -Pk "$root/boot" | awk 'END { print $4 }')
  [ "$room" -gt $((size + size / 4 + 1024)) ] || refuse "there are only $room KiB free in /boot, and $image has $size KiB"
  case $builder in
  dracut) run dracut --force "$image" "$version" ;;
  *) run update-initramfs -u -k "$version" ;;
  esac
  ! lacks || refuse "$image is built anew and still lacks $(needed | tr '\\n' ' ')"
  echo "$image" >>"$work/rebuilt"
  echo "rebuilt $image"
}
rm -f -- "$work/lacking"
images look
[ "$found" -gt 0 ] || refuse 'no initramfs was found in /boot'
if [ ! -s "$work/lacking" ]; then
  for file in "$hook" "$conf"; do ! grep -qs "$mark" "$file" || echo "wrote $file"; done
  exit 0
fi
case $builder in
dracut)
  write "$conf" 644 <<END
# $mark before this machine moved. Without this file, the next initramfs is built as before.
add_drivers+=" $modules "
END
  ;;
*)
  mkdir -p -- "\${hook%/*}"
  write "$hook" 755 <<END
#!/bin/sh
# $mark before this machine moved. Without this file, the next initramfs is built as before.
[ "\\$1" != prereqs ] || exit 0
. /usr/share/initramfs-tools/hook-functions
manual_add_modules $modules
END
  ;;
esac
images rebuild
sync`;

/** The folder for notes goes last. */
const REMOVE = `${FILES}
for file in "$hook" "$conf"; do
  if grep -qs "$mark" "$file"; then
    rm -f -- "$file" || refuse "$file cannot be removed"
    echo "removed $file"
  fi
done
sync
rm -rf -- "$work"`;

/** Emulated or slow guests with many kernels take minutes for each. */
const BUILD_TIMEOUT_MS = 60 * 60_000;
const LOOK_MS = 60_000;

export interface VirtioAdded {
  /** Images that had the drivers already. */
  had: string[];
  /** By an earlier try since the guest's boot, too. */
  rebuilt: string[];
  /** The file that tells the builder; null where none was needed. */
  wrote: string | null;
  commands: string[];
}

/** What there is to build with, and for. Nothing is changed. @throws VmferryError as the guest's agent. */
export async function lookAtInitramfs(guest: GuestAccess): Promise<NonNullable<GuestReadiness['initramfs']>> {
  const lines = await runScript(guest, LOOK, [], {
    what: 'look at the initramfs of the guest',
    timeoutMs: LOOK_MS,
    looks: true,
  });
  return { builder: valuesOf(lines, 'builder')[0] ?? null, images: valuesOf(lines, 'image') };
}

/** May be repeated. @throws VmferryError `GuestUnwilling`; an initramfs that could not be built stays as it was. */
export async function addVirtio(guest: GuestAccess): Promise<VirtioAdded> {
  const lines = await runScript(guest, ADD, [], {
    what: "build virtio into the guest's initramfs",
    timeoutMs: BUILD_TIMEOUT_MS,
    remedy: 'Build it by hand in the guest and resume: what has the drivers is left as it is. Or abort.',
  });
  return {
    had: valuesOf(lines, 'had'),
    rebuilt: valuesOf(lines, 'rebuilt'),
    wrote: valuesOf(lines, 'wrote')[0] ?? null,
    commands: valuesOf(lines, 'ran'),
  };
}

/**
 * Removes what preparation left in the guest: the file that `addVirtio` wrote, which is named, and the notes in /run. An
 * initramfs that was built stays until the next is.
 */
export async function removeTraces(guest: GuestAccess): Promise<string[]> {
  const lines = await runScript(guest, REMOVE, [], {
    what: 'remove from the guest what was added to it',
    timeoutMs: LOCK_MS,
  });
  return valuesOf(lines, 'removed');
}
