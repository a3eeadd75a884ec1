#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Everything that can be wrong with a mount point or with /dev/fuse: each case has its own message, names the remedy and
# leaves no mount. Runs in private mount namespaces, so the machine's /dev/fuse and mounts are not touched.
# TIMEOUT: 120
# shellcheck disable=SC2016,SC2119,SC2317 # the functions are called by name; bash -c expands its own words

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3 unshare setpriv findmnt

[ "$(id -u)" = 0 ] || skip_all 'only root can hide /dev/fuse and become another user'
unshare -m true 2>/dev/null || skip_all 'mount namespaces are not permitted'
plan 28

P=$work/point
mkdir "$P"
stranger=(setpriv --reuid 65534 --regid 65534 --clear-groups)
# An ordinary user must be able to run the program, wherever it was built.
cp "$RMPFS" "$work/rmpfs-here" && chmod 755 "$work/rmpfs-here"
here=$work/rmpfs-here

# apart COMMANDS ARGUMENT...: runs a line of shell with these arguments in a private mount namespace.
apart=$work/apart
cat >"$apart" <<'END'
#!/bin/bash
exec unshare -m --propagation private bash -c 'eval "$1" || exit 99; shift; exec "$@"' bash "$@"
END
chmod 755 "$apart"
none() { ! is_mounted "$P" && [ -z "$(daemons)" ]; }

# --- /dev/fuse ---

refused 'no /dev/fuse' 1 '^rmpfs: /dev/fuse: No such file or directory\. Load the fuse module \(modprobe fuse\)' \
    "$apart" 'mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3' "$here" mount "$P"
refused 'no /dev/fuse, in the foreground' 1 '^rmpfs: /dev/fuse: No such file or directory\. Load the fuse module' \
    "$apart" 'mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3' "$here" mount -f "$P"
refused 'another device at /dev/fuse' 1 '^rmpfs: /dev/fuse: not the FUSE device\. Make it anew: .*mknod' \
    "$apart" 'mount --bind /dev/null /dev/fuse' "$here" mount "$P"
touch "$work/plain"
refused 'a plain file at /dev/fuse' 1 '^rmpfs: /dev/fuse: not the FUSE device' \
    "$apart" "mount --bind '$work/plain' /dev/fuse" "$here" mount "$P"
# device MODE OPTIONS: commands that put another FUSE device in place.
device() {
    echo "mount -t tmpfs -o $2 none /mnt && mknod -m $1 /mnt/fuse c 10 229 && mount --bind /mnt/fuse /dev/fuse"
}
chown 65534 "$P"
# On most systems, if not on this one, users may open the device.
opened=$(device 666 dev)
refused 'no permission on /dev/fuse' 1 '^rmpfs: /dev/fuse: Permission denied\. Let users open it \(chmod 666' \
    "$apart" "$(device 600 dev)" "${stranger[@]}" "$here" mount "$P"
refused 'a file system that takes devices for files (nodev)' 1 '^rmpfs: /dev/fuse: Permission denied' \
    "$apart" "$(device 666 nodev)" "$here" mount "$P"
refused 'no fusermount3 for a user' 1 '^rmpfs: fusermount3: not found, or not setuid root\. Install it' \
    "$apart" "$opened"' && for f in /usr/bin/fusermount3 /bin/fusermount3 /usr/local/bin/fusermount3; do
        [ ! -e $f ] || mount --bind /bin/true "$(realpath $f)"; done' "${stranger[@]}" "$here" mount "$P"
refused 'allow_other without user_allow_other' 1 "^rmpfs: mount option 'allow_other': only for root, unless" \
    "$apart" "$opened && { [ ! -e /etc/fuse.conf ] || mount --bind '$work/plain' /etc/fuse.conf; }" \
    "${stranger[@]}" "$here" mount -o allow_other "$P"
check 'none of them left a mount or a daemon' none

# --- The mount point ---

refused 'missing' 1 "^rmpfs: $work/none: no such folder\. Make it first: mkdir -p '$work/none'" \
    "$here" mount "$work/none"
refused 'missing below a file' 1 "^rmpfs: $work/plain/none: Not a directory" "$here" mount "$work/plain/none"
refused 'not a folder' 1 "^rmpfs: $work/plain: not a folder\. Give an empty folder" "$here" mount "$work/plain"
ln -s nowhere "$work/dangling"
refused 'a link to nowhere' 1 "^rmpfs: $work/dangling: no such folder" "$here" mount "$work/dangling"
ln -s loop "$work/loop"
refused 'a link to itself' 1 "^rmpfs: $work/loop: Too many levels of symbolic links" "$here" mount "$work/loop"
mkdir -m 755 "$work/roots"
refused 'not owned' 1 "^rmpfs: $work/roots: Permission denied\. The mount point must be a folder that you can" \
    "$apart" "$opened" "${stranger[@]}" "$here" mount "$work/roots"
mkdir -m 700 "$work/secret"
mkdir -m 777 "$work/secret/below"
refused 'below a folder that is closed' 1 "^rmpfs: $work/secret/below: Permission denied\. The mount point must" \
    "$apart" "$opened" "${stranger[@]}" "$here" mount "$work/secret/below"
refused 'read-only, as a user' 1 "^rmpfs: $P: Read-only file system\. The mount point must be a folder that you can" \
    "$apart" "$opened && mount -t tmpfs -o ro,mode=777 none '$P'" "${stranger[@]}" "$here" mount "$P"
check 'read-only, as root: the kernel does not mind' limit 20 "$apart" "mount -t tmpfs -o ro none '$P'" \
    bash -c '"$1" mount "$2" && [ "$(cat "$2/rmpopt/reenable")" = 0 ] && "$1" unmount "$2"' bash "$here" "$P"
check 'nothing is left' none

# --- Busy ---

mount_host busy
refused 'mounted already' 1 "^rmpfs: $M: an rmpfs is mounted here already\. Unmount it first: rmpfs unmount '$M'" \
    "$here" mount "$M"
stopped=$(daemons "$M")
kill -STOP "$stopped"
refused 'one that does not answer' 1 "^rmpfs: $M: what is mounted here does not answer\. Unmount it first: umount -l" \
    "$here" mount "$M"
kill -CONT "$stopped"
expect 'and is left alone' 0 "$(limit 10 cat "$M/rmpopt/reenable")"
check 'unmounts' unmount_host

# --- Dead ---

mount_host dead
kill -KILL "$(daemons "$M")"
recovered() { "$here" mount "$M" && [ "$(cat "$M/rmpopt/reenable")" = 0 ] && [ "$(mounts_below "$M" | wc -l)" = 1 ]; }
check "rmpfs's own is recovered" recovered
unmount_host
# A dead mount of another program, which opens the device, mounts it, and exits.
foreign() {
    python3 - "$P" <<'END'
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
device = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
if libc.mount(b"other", sys.argv[1].encode(), b"fuse.other", 6, options) != 0:
    raise OSError(ctypes.get_errno(), "mount")
END
}
check 'another program leaves a dead mount' foreign
refused 'it is named' 1 "^rmpfs: $P: a dead mount of type fuse\.other is here\. Unmount it first: fusermount3" \
    "$here" mount "$P"
expect 'and left alone' fuse.other "$(findmnt -rno FSTYPE "$P")"
umount -l "$P"
check 'in the end nothing is left' nothing_left "$work"
finish
