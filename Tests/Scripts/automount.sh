#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Mounts on demand, as with x-systemd.automount. Until the mount is made, only the automounter's process group can enter
# the mount point and everybody else waits, so a daemon that leaves the group too early waits for itself. systemd.sh
# does the same with systemd.
# TIMEOUT: 240

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
[ "$(id -u)" = 0 ] || skip_all 'only root mounts autofs'
need python3 unshare umount
grep -qw autofs /proc/filesystems || modprobe autofs4 2>/dev/null || skip_all 'there is no autofs in this kernel'
plan 5

# automount COMMAND...: the outcome for COMMAND and its client, twice, under our own automounter.
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

# An automounter unmounts an idle mount only if nobody holds it or the folder underneath.
mount_host held
expect 'a daemon holds neither the mount nor its folder' '' \
    "$(find "/proc/$(daemons "$M")/" -path '*/fd/*' -lname "$work*" 2>/dev/null)"
unmount_host
finish
