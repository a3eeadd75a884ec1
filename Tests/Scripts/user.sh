#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An ordinary user mounts through fusermount3, uses every client, owns the tree, and nobody else gets in.
# TIMEOUT: 240

# An ordinary user needs a /dev/fuse that he can open. The machine's own may be accessible only to root, and is left
# alone: the test runs in a private mount namespace, with its own device.
if [ "$(id -u)" = 0 ] && [ -z "${RMPFS_TEST_NAMESPACE:-}" ] && unshare --mount true; then
    export RMPFS_TEST_NAMESPACE=yes
    exec unshare --mount --propagation private "$0" "$@"
fi

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
# shellcheck source=Tests/Scripts/clients.bash
. "$top/Tests/Scripts/clients.bash"
[ "$(id -u)" = 0 ] || skip_all "only root can become another user; clients.sh tests as the user who runs it"
need busybox rsync less perl python3 script setpriv fusermount3

user=65534 group=65534
if ! { mkdir "$work/device" && mount -t tmpfs -o mode=755 device "$work/device" \
    && mknod -m 666 "$work/device/fuse" c 10 229 && mount --bind "$work/device/fuse" /dev/fuse; }; then
    skip_all "no /dev/fuse for an ordinary user can be made here"
fi
# The program at a place where he can run it: he may not have access to the build folder.
install -m 755 "$RMPFS" "$work/rmpfs"
RMPFS=$work/rmpfs
as=(setpriv --reuid "$user" --regid "$group" --clear-groups)
other=(setpriv --reuid 65533 --regid 65533 --clear-groups)
if ! "${as[@]}" "$RMPFS" --version >/dev/null 2>&1; then
    skip_all "an ordinary user cannot run the program; is it linked to libraries that are closed to him?"
fi

plan $((client_count + 17))
run_clients
host=$M

owners() { "${as[@]}" find "$host" -printf '%U:%G\n' | sort -u; }
expect 'every folder and file is his' "$user:$group" "$(owners)"
expect 'debug/ is his alone' "700 $user" "$("${as[@]}" stat -c '%a %u' "$host/debug")"
expect 'he reads debug/' 65 "$("${as[@]}" wc -l <<<"$("${as[@]}" cat "$host/debug/rmpopt/rmpopt-table")")"
refused 'root does not get in' 2 'Permission denied' ls "$host"
refused 'root cannot read a file' 1 'Permission denied' cat "$host/rmpopt/action"
refused 'another user does not get in' 2 'Permission denied' "${other[@]}" ls "$host"
check 'he makes a guest' "${as[@]}" mkdir "$host/rmpsim/guests/vm0"
expect "his guest's files are his" "$user:$group 644" "$("${as[@]}" stat -c '%u:%g %a' "$host/rmpsim/guests/vm0/state")"
check 'he removes it' "${as[@]}" rmdir "$host/rmpsim/guests/vm0"
refused 'a second mount on it is refused' 1 'an rmpfs is mounted here already' \
    "${as[@]}" "$RMPFS" mount "$host"
refused 'another user cannot unmount it' 1 '^rmpfs: ' "${other[@]}" "$RMPFS" unmount "$host"
check 'he unmounts it' unmount_host "$host"
check 'nothing is left' nothing_left "$host"

mkdir "$work/closed"
refused 'a folder of root is refused' 1 "$work/closed: .*(Permission denied|not permitted)" \
    "${as[@]}" "$RMPFS" mount "$work/closed"

mkdir "$work/shared"
chown "$user:$group" "$work/shared"
if grep -qE '^[[:space:]]*user_allow_other' /etc/fuse.conf 2>/dev/null; then
    skip 'allow_other is refused, with its remedy' 'this machine allows it'
else
    refused 'allow_other is refused, with its remedy' 1 "'allow_other'.*user_allow_other" \
        "${as[@]}" "$RMPFS" mount -o allow_other "$work/shared"
fi

# A daemon that died leaves a mount that only its owner or root can remove.
mount_host dead
kill -KILL "$(daemons "$M")"
recovers() {
    within 5 eval '! "${as[@]}" stat "$M" 2>/dev/null' && limit 20 "${as[@]}" "$RMPFS" mount "$M" \
        && "${as[@]}" cat "$M/rmpopt/action" && unmount_host && nothing_left "$M"
}
check 'his next mount recovers a dead one' recovers

chmod 600 "$work/device/fuse"
refused 'a /dev/fuse that he cannot open is named, with a remedy' 1 \
    '/dev/fuse: Permission denied.*(chmod|as root)' "${as[@]}" "$RMPFS" mount "$M"
finish
