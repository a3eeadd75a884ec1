#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What users other than the mount's owner can see and do: what allow_other and the modes allow, and no more.
# TIMEOUT: 120

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3 setpriv findmnt

plan 72

if [ "$(id -u)" != 0 ]; then
    skip_all "only root can become other users; user.sh tests what an ordinary user's own mount allows"
fi

nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
second=(setpriv --reuid 65533 --regid 65533 --clear-groups)
# A member of group 4242 without other rights.
# shellcheck disable=SC2034 # by() takes it by its name
member=(setpriv --reuid 65533 --regid 65533 --groups 4242)
by() {
    local -n words=$1
    as=("${words[@]}")
    shift
    call "$@"
    as=()
}
# may WHO NAME EXPECTED CALL...
may() {
    local who=$1 name=$2 expected=$3
    shift 3
    expect "$who: $name" "$expected" "$(by "$who" "$@")"
}

# --- Root's mount: like a kernel's configfs and debugfs ---

mount_host plain --pace 0
G=$M/rmpsim/guests
for who in nobody second; do
    may $who 'reads an attribute' 33 read "$M/rmpopt/action"
    may $who 'cannot write it' EACCES write "$M/rmpopt/action" 1
    may $who 'cannot open it for both' EACCES open "$M/rmpopt/action" RDWR
    may $who 'cannot truncate it' EACCES open "$M/rmpopt/action" 'WRONLY|TRUNC'
    may $who 'cannot create' EACCES open "$M/rmpopt/new" 'WRONLY|CREAT'
    may $who 'does not come into debug/' EACCES stat "$M/debug/rmpopt"
    may $who 'nor to a file below' EACCES read "$M/debug/rmpopt/cpu0"
    may $who 'cannot make a guest' EACCES mkdir "$G/theirs"
    may $who 'cannot make a fault' EACCES mkdir "$M/rmpsim/faults/theirs"
    may $who 'cannot move the clock' EACCES write "$M/rmpsim/clock" '+1s'
    refused "$who: cannot chmod" 1 'Operation not permitted' "${nobody[@]}" chmod 666 "$M/rmpopt/action"
    refused "$who: cannot chown" 1 'Operation not permitted' "${second[@]}" chown 65533 "$M/rmpopt/action"
done
# What the kernel caches for one user must not leak to another.
cat "$M/debug/rmpopt/cpu0" "$M/debug/rmpopt/rmpopt-table" >"$work/.output"
may nobody 'what root has just read stays closed' EACCES read "$M/debug/rmpopt/cpu0"
may nobody 'and what the kernel remembers of it' EACCES stat "$M/debug/rmpopt/cpu0"
mkdir "$G/vm0"
may nobody "reads root's guest" 8 read "$G/vm0/state"
may nobody 'cannot start it' EACCES write "$G/vm0/state" running
may nobody 'cannot remove it' EACCES rmdir "$G/vm0"
chmod 0600 "$G/vm0/memory"
may nobody 'chmod 0600 closes a file at once' EACCES read "$G/vm0/memory"
chmod 0666 "$G/vm0/memory"
may nobody 'chmod 0666 opens it' 2 write "$G/vm0/memory" 4K
chmod 0666 "$M/rmpopt/description"
may nobody 'chmod 0666 makes nothing writable that has no store' EACCES write "$M/rmpopt/description" x
chmod 0000 "$M/rmpopt/reenable"
may nobody 'chmod 0000 closes an attribute' EACCES read "$M/rmpopt/reenable"
expect 'root: chmod 0000 closes it for root, too, as in configfs' EACCES "$(call read "$M/rmpopt/reenable")"
chmod 0644 "$M/rmpopt/reenable"
may nobody 'chmod 0644 opens it again' 2 read "$M/rmpopt/reenable"
chmod 0711 "$M/debug"
may nobody 'debug/ at 0711: comes through' 1596 read "$M/debug/rmpopt/cpu0"
refused 'nobody: but cannot list it' 2 'Permission denied' "${nobody[@]}" ls "$M/debug"
chmod 0700 "$M/debug"
may nobody 'debug/ at 0700: closed at once' EACCES read "$M/debug/rmpopt/cpu0"
# configfs ignores who makes an item and with which mode: it belongs to root, 0755.
chmod 0777 "$G"
may nobody 'guests/ at 0777: makes a guest' 0 mkdir "$G/theirs"
expect "which is root's, 0755, as in configfs" '0:0 755' "$(stat -c '%u:%g %a' "$G/theirs")"
may nobody 'cannot write its files' EACCES write "$G/theirs/memory" 4K
may second 'another may remove it: it is the folder that counts' 0 rmdir "$G/theirs"
chmod 1777 "$G"
may nobody 'sticky: cannot remove what is not theirs' EPERM rmdir "$G/vm0"
chmod 0755 "$G"
rmdir "$G/vm0"
chown 65534 "$M/rmpopt/action"
may nobody 'chown: the owner writes' 1 write "$M/rmpopt/action" 1
may second 'the other does not' EACCES write "$M/rmpopt/action" 1
chown 0 "$M/rmpopt/action"
may nobody 'and does no more' EACCES write "$M/rmpopt/action" 1
refused 'another user cannot unmount it' 1 '^rmpfs: ' "${nobody[@]}" "$RMPFS" unmount "$M"

# --- Privileges from files: none ---

flags() { findmnt -rno OPTIONS "$M" | tr , '\n'; }
check 'nosuid, nodev' eval '[ "$(flags | grep -cxE "nosuid|nodev")" = 2 ]'
expect 'mknod of a device' 1 "$(mknod "$M/rmpopt/null" c 1 3 2>/dev/null; echo $?)"
check 'unmount' unmount_host

# --- uid=, gid=, mode= ---

mount_host owned --pace 0 -o uid=65534,gid=4242,mode=750
G=$M/rmpsim/guests
expect 'uid= and gid= are those of everything' '65534:4242' "$(find "$M" -printf '%U:%G\n' | sort -u)"
may nobody 'uid=: writes' 1 write "$M/rmpopt/action" 1
may nobody 'uid=: makes a guest' 0 mkdir "$G/vm0"
expect 'uid=: which is theirs' '65534:4242' "$(find "$G/vm0" -printf '%U:%G\n' | sort -u)"
may nobody 'uid=: makes a fault' 0 mkdir "$M/rmpsim/faults/f"
may nobody 'uid=: comes into debug/' 1596 read "$M/debug/rmpopt/cpu0"
may member 'gid= and mode=750: the group comes in' 1596 read "$M/debug/rmpopt/cpu0"
may member 'gid=: but does not write' EACCES write "$M/rmpopt/action" 1
may second 'mode=750: others stay out' EACCES read "$M/debug/rmpopt/cpu0"
may second 'and cannot make a guest' EACCES mkdir "$G/vm1"
expect 'root comes in and writes' '1596 1' "$(call read "$M/debug/rmpopt/cpu0") $(call write "$M/rmpopt/action" 1)"
check 'unmount' unmount_host

mount_host open --pace 0 -o mode=7755
expect 'mode= takes permission bits only' 755 "$(stat -c %a "$M/debug")"
check 'nosuid, nodev always' eval '[ "$(flags | grep -cxE "nosuid|nodev")" = 2 ]'
may nobody 'mode=755: reads' 1596 read "$M/debug/rmpopt/cpu0"
may nobody 'mode=755: and does not write' EACCES write "$M/debug/rmpopt/cpu0" 1
check 'unmount' unmount_host

# --- Root reads a file for somebody who may not: nothing of it is in the message ---

mkdir -m 700 "$work/closed"
printf 'password: SECRET-1\nSECRET-2: 1\n' >"$work/closed/open.yaml"
install -m 600 "$work/closed/open.yaml" "$work/secret.yaml"
install -m 644 "$work/closed/open.yaml" "$work/open.yaml"
mkdir "$work/point"
unquoted() {
    if limit 20 "$RMPFS" mount --machine "$1" "$work/point" >"$work/.said" 2>&1; then return 1; fi
    # As mount(8) calls for a line of fstab.
    if limit 20 "$RMPFS" host "$work/point" -o "rw,machine=$1" >>"$work/.said" 2>&1; then return 1; fi
    cat "$work/.said"
    ! grep -qE 'SECRET|password' "$work/.said" && [ "$(grep -cF 'nothing of it is shown here' "$work/.said")" = 2 ]
}
check 'a machine file that is closed to others is not quoted' unquoted "$work/secret.yaml"
export SUDO_UID=65534
check 'nor one in a folder that is, for a user of sudo' unquoted "$work/closed/open.yaml"
ln -s closed/open.yaml "$work/link.yaml"
check 'nor by way of a link' unquoted "$work/link.yaml"
unset SUDO_UID
refused 'root itself is told what is wrong in such a folder' 1 'open.yaml:[12]: .*(password|SECRET)' \
    "$RMPFS" mount --machine "$work/closed/open.yaml" "$work/point"
refused 'one that everybody can read is' 1 'open.yaml:[12]: .*(password|SECRET)' \
    "$RMPFS" mount --machine "$work/open.yaml" "$work/point"
finish
