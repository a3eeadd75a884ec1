#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# rmpfs under a real systemd: /etc/fstab with and without x-systemd.automount, mount units, rmpfs@.service. The package
# is installed in a container that systemd boots (systemd-nspawn), made of this machine's own /usr and a separate /etc;
# Tests/Systemd/checks.sh runs in there. The machine itself is not changed.
# TIMEOUT: 240

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
[ "$(id -u)" = 0 ] || skip_all 'only root boots a container'
need systemd-nspawn dpkg-deb dpkg-shlibdeps strip python3
[ -x /usr/lib/systemd/systemd ] || skip_all 'systemd is not installed'
[ -L /lib ] || skip_all 'this machine has programs and libraries outside of /usr'
grep -qw autofs /proc/filesystems || modprobe autofs4 2>/dev/null || skip_all 'there is no autofs in this kernel'
[ -c /dev/autofs ] || skip_all 'there is no /dev/autofs'

# --- The container's files ---

package=$(limit 120 "$top/scripts/package" --program "$RMPFS" --output "$work/package" 2>"$work/package.log") || {
    sed 's/^/# /' "$work/package.log"
    printf 'Bail out! no package\n'
    exit 1
}
dpkg-deb -x "$package" "$work/added"
cp -a "$work/added/lib/." "$work/added/usr/lib/"
root=$work/root
mkdir -p "$root"/{dev,etc/systemd/system,etc/rmpfs,mnt,proc,results,root,run,sources,sys,tmp,usr,var}
for link in /bin /lib /lib32 /lib64 /libx32 /sbin; do [ ! -L "$link" ] || cp -P "$link" "$root/"; done
cp -a /etc/alternatives /etc/ld.so.* /etc/passwd /etc/group /etc/nsswitch.conf "$root/etc/"
cp -L /etc/os-release "$root/etc/"
# Without an ID this would be a first boot, which enables whatever is installed on this machine.
tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
cp "$top/Tests/Systemd/fstab" "$root/etc/"
sed -n 's/^[^# ][^ ]* \(\/[^ ]*\) .*/\1/p' "$root/etc/fstab" | while read -r point; do mkdir -p "$root$point"; done
mkdir -p "$root/mnt/"{service,plain}
cat >"$root/etc/systemd/system/checks.service" <<'UNIT'
[Unit]
Description=The checks of rmpfs
Requires=basic.target
After=basic.target
SuccessAction=exit
FailureAction=exit
[Service]
Type=oneshot
Environment=RMPFS=/usr/bin/rmpfs
ExecStart=/sources/Tests/Systemd/checks.sh
StandardOutput=file:/results/checks
TimeoutStartSec=180
UNIT

# --- Its boot ---

options=(--quiet "--directory=$root" --boot --register=no --private-network --console=pipe
    --bind=/dev/fuse --bind=/dev/autofs "--bind-ro=$top:/sources" "--bind=$work/results:/results"
    "--overlay-ro=/usr:$work/added/usr:/usr")
# A debug build has libraries outside of /usr.
while read -r folder; do options+=("--bind-ro=$folder"); done \
    < <(ldd "$RMPFS" | sed -n 's/.*=> \(\/.*\)\/[^/]* (.*/\1/p' | grep -vE '^/(usr|lib)' | sort -u)
mkdir "$work/results"
# The RMP of a host, which is mounted at boot.
mount_host image --pace 0 --memory 4G
cp --sparse=always "$M/rmpsim/memory/image" "$work/results/image"
unmount_host
groups=()
if [ -d /run/systemd/system ]; then
    options+=('--property=DeviceAllow=/dev/fuse rw' '--property=DeviceAllow=/dev/autofs rw')
else
    # There is no systemd here that would give the container its own control groups.
    options+=(--keep-unit)
    for hierarchy in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
        [ -f "$hierarchy/cgroup.procs" ] || continue
        groups+=("$hierarchy/rmpfs-test.$$")
        mkdir "$hierarchy/rmpfs-test.$$"
    done
fi
boot() {
    local group
    for group in "${groups[@]}"; do echo "$BASHPID" >"$group/cgroup.procs" || return; done
    exec timeout -k 20 200 systemd-nspawn "${options[@]}" systemd.unit=checks.service
}
start=$SECONDS
(boot) >"$work/console" 2>&1 </dev/null
status=$?
for group in "${groups[@]}"; do find "$group" -depth -type d -exec rmdir {} + 2>/dev/null; done
if [ ! -s "$work/results/checks" ]; then
    sed 's/^/# /' "$work/console" | tail -n 20
    # If a container ends at once, they are not supported here; one that timed out is a failure.
    [ "$status" = 124 ] || skip_all "no container here: systemd-nspawn ended with $status"
fi
sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$work/results/checks" >"$work/planned"
read -r inside <"$work/planned" || inside=0
plan $((inside + 2))
echo "# $(/usr/lib/systemd/systemd --version | head -n 1), $((SECONDS - start)) s"
while IFS= read -r line; do
    case $line in
    'ok '*) line=${line#ok }; ok "${line#* }" ;;
    'not ok '*) line=${line#not ok }; not_ok "${line#* }" ;;
    '#'*) printf '%s\n' "$line" ;;
    esac
done <"$work/results/checks"
expect 'the container shuts down with active mounts' 0 "$status"
left() { mounts_below "$root"; [ "${#groups[@]}" = 0 ] || find "${groups[@]}" -maxdepth 0 2>/dev/null; }
expect 'nothing is left of it' '' "$(left)"
if [ "$failures" != 0 ] && [ -s "$work/results/journal" ]; then tail -n 60 "$work/results/journal" | sed 's/^/# /'; fi
finish
