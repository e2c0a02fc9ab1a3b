import { runScript, valuesOf, type GuestAccess } from './script.js';

/**
 * Room in a guest, from what can be had again: packages that their manager has fetched (apt-get(8), dnf(8), zypper(8),
 * apk(8), pacman(8)), and temporary files. Of these only what systemd-tmpfiles(8) would remove by the guest's own rules;
 * without it, plain files at the top of /tmp and /var/tmp that were not changed for 30 days: below that, a folder could
 * be exchanged for a link while it is walked through.
 */
const FREE_SPACE = `
# Free KiB of the disks behind these folders, each disk once; memory is no disk.
room() {
  df -Pk "$root/" "$root/var" "$root/var/cache" "$root/var/tmp" "$root/tmp" 2>/dev/null |
    awk 'NR > 1 && $1 !~ /tmpfs/ && !seen[$NF]++ { sum += $4 } END { printf "%d\\n", sum }'
}
has() { command -v "$1" >/dev/null; }
# What an earlier try freed counts, too.
[ -s "$work/room" ] || room >"$work/room"
for what; do
  case $what in
  package-caches)
    ! has apt-get || run apt-get clean
    if has dnf; then run dnf -q clean all
    elif has yum; then run yum -q clean all
    fi
    ! has zypper || run zypper --non-interactive clean --all
    if has apk && [ -e "$root/etc/apk/cache" ]; then run apk cache clean; fi
    ! has pacman || run pacman -Sc --noconfirm ;;
  temporary-files)
    if has systemd-tmpfiles; then
      systemd-tmpfiles --clean >"$work/said" 2>&1 </dev/null
      # 65 and 73: some lines of the guest's own rules are wrong, the others were done.
      case $? in 0|65|73) echo 'ran systemd-tmpfiles --clean' ;; *) refuse "systemd-tmpfiles --clean failed: $(tail -n 2 "$work/said")" ;; esac
    else
      for folder in "$root/tmp" "$root/var/tmp"; do
        [ ! -d "$folder" ] || [ -L "$folder" ] || run find "$folder" -xdev -maxdepth 1 -type f -mtime +30 -exec rm -f -- {} +
      done
    fi ;;
  esac
done
sync
freed=$(($(room) - $(cat "$work/room")))
echo "freed $freed"`;

const TIMEOUT_MS = 15 * 60_000;

export type SpaceSource = 'package-caches' | 'temporary-files';

export interface FreedSpace {
  /** What was run; none where the guest has nothing of the kind. */
  commands: string[];
  /** By how much the room grew, what else was written meanwhile taken off; never below 0. */
  freedBytes: number;
}

/** May be repeated: what earlier tries since the guest's boot freed is counted in. @throws VmferryError `GuestUnwilling`. */
export async function freeSpace(guest: GuestAccess, sources: readonly SpaceSource[]): Promise<FreedSpace> {
  const lines = await runScript(guest, FREE_SPACE, sources, {
    what: 'free space in the guest',
    timeoutMs: TIMEOUT_MS,
    remedy: 'Do by hand in the guest what failed, or wait until nothing else holds it, and resume.',
  });
  const freedKib = Number(valuesOf(lines, 'freed')[0] ?? 0);
  return { commands: valuesOf(lines, 'ran'), freedBytes: Math.max(0, Number.isFinite(freedKib) ? freedKib : 0) * 1024 };
}
