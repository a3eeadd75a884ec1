#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Mounts that are made when somebody comes to them, as by x-systemd.automount: the kernel lets the automounter's process
# group come to the mount point and has everybody else wait, so a daemon that has left the group too early waits for
# itself.
# TIMEOUT: 240

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
[ "$(id -u)" = 0 ] || skip_all 'only root mounts autofs'
need python3 unshare umount
grep -qw autofs /proc/filesystems || modprobe autofs4 2>/dev/null || skip_all 'there is no autofs in this kernel'
plan 6

# automount COMMAND...: what COMMAND and its client came to, twice, below an automounter of our own.
automount() {
    limit 150 unshare --mount --propagation private python3 "$top/Tests/Scripts/autofs.py" "$work/auto" "$@" 2>&1
}
mkdir "$work/auto"
turn=$'mount: 0\nclient: 0\numount: 0'
expect 'rmpfs mount in the background' "$turn"$'\n'"$turn" "$(automount "$RMPFS" mount "$work/auto")"
expect "mount(8)'s call, as from /etc/fstab" "$turn"$'\n'"$turn" \
    "$(automount "$RMPFS" host "$work/auto" -o rw,cpus=4,noauto,x-systemd.automount)"
gone() { within 10 eval '[ -z "$(daemons)" ]' || { daemons; return 1; }; }
check 'the daemons have ended' gone
refusal='rmpfs: 0 CPUs: a machine has 1 to 8192'
expect 'a mount that fails is an error for the client, too' "$refusal|mount: 1|client: 1" \
    "$(automount "$RMPFS" host "$work/auto" -o cpus=0 | grep -v '^cat' | head -n 3 | paste -sd '|')"

# --- systemd itself ---

names=('systemd: x-systemd.automount' 'systemd: rmpfs@.service')
if [ ! -d /run/systemd/system ]; then
    for name in "${names[@]}"; do skip "$name" 'systemd does not run this system'; done
elif [ ! -x /usr/sbin/mount.fuse.rmpfs ] || [ ! "$RMPFS" -ef /usr/sbin/mount.fuse.rmpfs ]; then
    for name in "${names[@]}"; do skip "$name" "this program is not the installed one, which systemd would take"; done
else
    # A unit of the running system, which is gone after the next boot at the latest.
    mkdir "$work/system"
    unit=$(systemd-escape --path "$work/system")
    by_systemd() {
        printf '[Mount]\nWhat=host\nWhere=%s\nType=fuse.rmpfs\nOptions=cpus=4\n' "$work/system" \
            >"/run/systemd/system/$unit.mount"
        printf '[Automount]\nWhere=%s\n' "$work/system" >"/run/systemd/system/$unit.automount"
        limit 20 systemctl daemon-reload && limit 20 systemctl start "$unit.automount" \
            && limit 30 ls "$work/system/rmpopt" && [ "$(systemctl is-active "$unit.mount")" = active ]
    }
    check "${names[0]}" by_systemd
    limit 30 systemctl stop "$unit.automount" "$unit.mount"
    rm -f "/run/systemd/system/$unit".{mount,automount}
    limit 20 systemctl daemon-reload
    service=rmpfs@$unit
    as_service() {
        limit 30 systemctl start "$service" && cat "$work/system/rmpopt/reenable" \
            && limit 30 systemctl stop "$service" && nothing_left "$work/system"
    }
    check "${names[1]}" as_service
fi
finish
