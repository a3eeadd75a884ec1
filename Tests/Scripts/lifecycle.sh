#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From mount to unmount: exit statuses and messages, mount options, signals, dead mounts, and that nothing is left.
# TIMEOUT: 240

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3 findmnt
root=yes
[ "$(id -u)" = 0 ] || root=

plan 120

# --- mount returns when the mount answers ---

mkdir "$work/plain"
P=$work/plain
answers() { "$RMPFS" mount "$P" && [ "$(cat "$P/rmpopt/reenable")" = 0 ]; }
for turn in 1 2 3; do
    check "mount returns when the mount answers ($turn)" answers
    check "unmount removes it ($turn)" unmount_host "$P"
    check "nothing is left ($turn)" nothing_left "$P"
done
# A pipe stays open as long as anyone holds it: a daemon that kept it would hang scripts that read mount's output.
expect 'mount prints nothing and closes its output' '' "$(limit 20 "$RMPFS" mount "$P" 2>&1)"
relative() {
    cd "$P/.." && "$RMPFS" unmount plain && nothing_left "$P" && "$RMPFS" mount ./plain/ && [ -e plain/debug ]
}
check 'a relative path' relative
refused 'a second mount on it is refused' 1 \
    "^rmpfs: $P: an rmpfs is mounted here already. Unmount it first: rmpfs unmount" "$RMPFS" mount "$P"
expect 'and leaves the first alone' 0 "$(cat "$P/rmpopt/reenable")"
check 'unmount of a path with a slash' unmount_host "$P/"
check 'nothing is left' nothing_left "$P"
ln -s plain "$work/link"
through_link() { "$RMPFS" mount "$work/link" && [ -e "$P/rmpopt" ] && "$RMPFS" unmount "$work/link"; }
check 'through a symbolic link' through_link
mkdir "$work/a b\\c"
odd_name() { "$RMPFS" mount "$work/a b\\c" && [ -e "$work/a b\\c/rmpopt" ] && "$RMPFS" unmount "$work/a b\\c"; }
check 'a folder with a space and a backslash in its name' odd_name
check 'nothing is left of either' nothing_left "$work"

# Names are bytes, even if they are not valid text: one that is not UTF-8, one that is UTF-8 of a private character, and
# two that look the same.
for odd in $'m\xe9' $'m\xf4\x8f\xbf\xa9' $'e\xcc\x81 m\xc3\xa9' $'line\nline'; do
    odd_bytes() {
        mkdir "$work/$odd" && "$RMPFS" mount "$work/$odd" && [ -e "$work/$odd/rmpopt" ] \
            && "$RMPFS" status "$work/$odd" >/dev/null && "$RMPFS" map --svg "$work/$odd.svg" "$work/$odd" \
            && [ -s "$work/$odd.svg" ] && ! "$RMPFS" doctor "$work/$odd" >/dev/null \
            && "$RMPFS" unmount "$work/$odd" && "$RMPFS" doctor "$work/$odd" >"$work/doctor" \
            && cd "$work/$odd" && "$RMPFS" mount . && [ -e "$work/$odd/rmpopt" ]
        local status=$?
        cd "$work" && "$RMPFS" unmount "$odd" && nothing_left "$work" && return "$status"
    }
    check "a folder with the name $(printf %q "$odd")" odd_bytes
done
"$RMPFS" unmount $'m\xe9' 2>"$work/log"
expect 'a message contains the given bytes' $'rmpfs: '"$work"$'/m\xe9: nothing is mounted here.' \
    "$(grep -o '^.*here\.' "$work/log")"
cp "$top/Machines/laptop.yaml" $'m\xe9.yaml'
odd_file() { "$RMPFS" mount --machine $'m\xe9.yaml' "$P" && "$RMPFS" unmount "$P"; }
check 'a machine file with such a name' odd_file
cp $'m\xe9.yaml' $'m\xe9/laptop.yaml'
odd_variable() {
    RMPFS_REQUESTS=$work/$'m\xe9.log' RMPFS_MACHINES=$work/$'m\xe9' "$RMPFS" mount --machine laptop "$P" \
        && "$RMPFS" unmount "$P" && [ -s $'m\xe9.log' ]
}
check 'and in the environment' odd_variable

# No variable says where the machine files are: the program runs from a build folder in the sources.
check 'a machine of the sources, by its name' env -u RMPFS_MACHINES "$RMPFS" mount --machine laptop "$P"
expect 'is that machine' 8 "$(find "$P/rmpsim/cpus" -mindepth 1 -name 'cpu*' | wc -l)"
check 'nothing is left of it' unmount_host "$P"

# A daemon that learns late that its mount was unmounted: the next one at the place has the same device number.
late() {
    local first
    "$RMPFS" mount -f "$P" 2>/dev/null &
    first=$!
    within 10 [ -e "$P/rmpopt" ] && kill -STOP "$first" && unmount_host "$P" && "$RMPFS" mount "$P"
    kill -CONT "$first" && wait "$first" && cat "$P/rmpopt/action" >/dev/null && unmount_host "$P"
}
check 'a late end leaves the next mount alone' late

# --- Refusals: a message that says what to do, the right status, and no mount ---

refused 'a missing folder' 1 "^rmpfs: $work/none: no such folder. Make it first: mkdir -p" "$RMPFS" mount "$work/none"
touch "$work/file"
refused 'a file' 1 "^rmpfs: $work/file: not a folder" "$RMPFS" mount "$work/file"
mkdir "$work/full"
touch "$work/full/x"
refused 'a folder that is not empty' 1 "^rmpfs: $work/full: the folder is not empty.*nonempty" \
    "$RMPFS" mount "$work/full"
nonempty() { "$RMPFS" mount -o nonempty "$work/full" && [ ! -e "$work/full/x" ] && "$RMPFS" unmount "$work/full"; }
check '-o nonempty allows it' nonempty
refused 'no mount point' 64 'mountpoint' "$RMPFS" mount
refused 'an unknown flag' 64 'nonsense' "$RMPFS" mount --nonsense "$P"
refused 'an unknown subcommand' 64 'nonsense' "$RMPFS" nonsense "$P"
refused 'an unknown mount option is named' 64 "mount option 'no_such=1': unknown" "$RMPFS" mount -o no_such=1 "$P"
refused 'one among known ones too' 64 "mount option 'allow_othr': unknown" "$RMPFS" mount -o mode=755,allow_othr,ro "$P"
refused 'mode= without a number' 64 "mount option 'mode=rwx': not an octal mode" "$RMPFS" mount -o mode=rwx "$P"
refused 'uid= without a number' 64 "mount option 'uid=root': not a numeric id" "$RMPFS" mount -o uid=root "$P"
refused 'a flag with a value' 64 "mount option 'ro=1': takes no value" "$RMPFS" mount -o ro=1 "$P"
refused 'suid' 64 "mount option 'suid'" "$RMPFS" mount -o suid "$P"
refused '0 CPUs' 64 '0 CPUs: a machine has 1 to 8192' "$RMPFS" mount --cpus 0 "$P"
refused '8,193 CPUs' 64 '8193 CPUs: a machine has 1 to 8192' "$RMPFS" mount --cpus 8193 "$P"
refused 'negative CPUs' 64 '.' "$RMPFS" mount --cpus -1 "$P"
refused 'CPUs beyond every integer' 64 '.' "$RMPFS" mount --cpus 99999999999999999999 "$P"
refused '512 MB' 64 'a machine has 1 GB .* to 64 TB' "$RMPFS" mount --memory 512M "$P"
refused '65 TB' 64 'a machine has 1 GB .* to 64 TB' "$RMPFS" mount --memory 65T "$P"
refused '64 TB and 2 MB' 64 'a machine has 1 GB .* to 64 TB' "$RMPFS" mount --memory 67108866M "$P"
refused 'no multiple of 2 MB' 64 'multiple of 2 MB' "$RMPFS" mount --memory 1025M "$P"
refused 'a size beyond every integer' 64 '.' "$RMPFS" mount --memory 99999999P "$P"
refused 'a size that is none' 64 '.' "$RMPFS" mount --memory lots "$P"
refused 'a pace that is none' 64 '.' "$RMPFS" mount --pace fast "$P"
refused 'a negative pace' 64 '.' "$RMPFS" mount --pace=-1 "$P"
refused 'unmount of what is not mounted' 1 "^rmpfs: $P: nothing is mounted here" "$RMPFS" unmount "$P"
refused 'unmount of a missing folder' 1 "^rmpfs: $work/none: nothing is mounted here" "$RMPFS" unmount "$work/none"
refused "unmount of somebody else's mount" 1 '^rmpfs: /proc: a mount of type proc is here, not an rmpfs' \
    "$RMPFS" unmount /proc
check 'none of them left anything' nothing_left "$work"
check 'the limits themselves are accepted: 1 CPU, 1 GB' \
    eval '"$RMPFS" mount --cpus 1 --memory 1G "$P" && unmount_host "$P"'

# --- Mount options ---

# mounted OPTIONS: mounts at $P with these options.
mounted() { limit 20 "$RMPFS" mount -o "$1" "$P"; }
flags() { findmnt -rno OPTIONS "$P" | tr , '\n'; }
away() { unmount_host "$P" && nothing_left "$P"; }

check 'mode=755,uid=1234,gid=2345' mounted mode=755,uid=1234,gid=2345
expect 'mode= is that of debug/' '755 1234 2345' "$(stat -c '%a %u %g' "$P/debug")"
expect 'uid= and gid= are those of every file' '1234:2345' "$(find "$P" -printf '%U:%G\n' | sort -u)"
check 'unmount it' away
if [ -n "$root" ]; then
    stranger=(setpriv --reuid 65534 --regid 65534 --clear-groups)
    "$RMPFS" mount "$P"
    expect "root's mount lets users read what the modes allow" 0 "$("${stranger[@]}" cat "$P/rmpopt/reenable")"
    refused 'debug/ is closed to them' 2 'Permission denied' "${stranger[@]}" ls "$P/debug"
    refused 'they cannot write' 1 'Permission denied' "${stranger[@]}" bash -c "echo 1 >'$P/rmpopt/reenable'"
    away
    mounted mode=755
    expect 'mode=755 opens debug/' 65 "$("${stranger[@]}" cat "$P/debug/rmpopt/rmpopt-table" | wc -l)"
    away
else
    for name in "root's mount lets users read what the modes allow" 'debug/ is closed to them' 'they cannot write' \
        'mode=755 opens debug/'; do
        skip "$name" 'only root can become another user'
    done
fi
check 'the words of an fstab line' mounted \
    rw,nosuid,nodev,noexec,noatime,_netdev,noauto,nofail,user,users,defaults,x-systemd.automount,comment=one,async
check 'and the kernel got its own part' eval '[ "$(flags | grep -cxE "rw|nosuid|nodev|noexec|noatime")" = 5 ]'
expect 'and it works' 0 "$(cat "$P/rmpopt/reenable")"
check 'unmount it' away
check 'several -o add up' eval 'limit 20 "$RMPFS" mount -o mode=711 -o uid=77,ro "$P"'
expect 'all are in force' '711 77' "$(stat -c '%a %u' "$P/debug")"
refused 'ro: no write' 1 'Read-only file system' bash -c "echo 1 >'$P/rmpopt/reenable'"
check 'unmount it' away
mounted fsname=venice
expect 'fsname= is the source' 'venice fuse.rmpfs' "$(findmnt -rno SOURCE,FSTYPE "$P")"
check 'without it, no user gets privileges from files' eval '[ "$(flags | grep -cxE "nosuid|nodev")" = 2 ]'
check 'unmount it' away

# --- In use ---

"$RMPFS" mount "$P"
exec 5<"$P/rmpopt/action"
refused 'an unmount while a file is open is refused' 1 "^rmpfs: $P: in use.*--lazy" "$RMPFS" unmount "$P"
expect 'the mount goes on' 0 "$(cat "$P/rmpopt/reenable")"
check 'unmount --lazy' limit 20 "$RMPFS" unmount --lazy "$P"
check 'it is detached' eval '! is_mounted "$P"'
expect 'the open file still reads' 'RMP optimization in progress: No' "$(cat <&5)"
check 'and its daemon is there for it' test -n "$(daemons "$P")"
exec 5<&-
check 'the daemon exits with its last user' nothing_left "$P"
"$RMPFS" mount "$P"
cd "$P/rmpopt" || exit
refused 'a working folder is a use too' 1 'in use' "$RMPFS" unmount "$P"
cd "$work" || exit
check 'no more' away

# --- Ends ---

# ends_by SIGNAL [OPTION]: a daemon in the foreground unmounts and exits with 0.
ends_by() {
    local pid status
    env --default-signal=INT,HUP "$RMPFS" mount -f "$P" 2>"$work/log" &
    pid=$!
    within 10 test -e "$P/rmpopt" || return
    kill -"$1" "$pid"
    within 10 eval '! kill -0 "$pid" 2>/dev/null' || { cat "$work/log"; return 1; }
    wait "$pid"
    status=$?
    [ "$status" = 0 ] && grep -q "mounted at $P" "$work/log" && nothing_left "$P" && return
    cat "$work/log"
    echo "exit status $status"
    return 1
}
check 'mount -f and SIGTERM: exit 0' ends_by TERM
check 'mount -f and SIGINT: exit 0' ends_by INT
check 'mount -f and SIGHUP: exit 0' ends_by HUP
in_background() { "$RMPFS" mount "$P" && kill -TERM "$(daemons "$P")" && nothing_left "$P"; }
check 'SIGTERM ends one in the background' in_background
ends_in_use() {
    "$RMPFS" mount "$P" || return
    exec 6<"$P/rmpopt/action"
    kill -TERM "$(daemons "$P")"
    nothing_left "$P"
    local status=$?
    exec 6<&-
    return $status
}
check 'SIGTERM ends one in use' ends_in_use
if [ -n "$root" ]; then from_outside() { umount "$P"; }; else from_outside() { fusermount3 -u "$P"; }; fi
outside() { "$RMPFS" mount "$P" && from_outside && nothing_left "$P"; }
check 'umount(8) from outside ends the daemon' outside
foreground_outside() {
    local pid status
    "$RMPFS" mount -f "$P" 2>"$work/log" &
    pid=$!
    within 10 test -e "$P/rmpopt" && from_outside && within 10 eval '! kill -0 "$pid" 2>/dev/null'
    wait "$pid"
}
check 'mount -f and umount(8): exit 0' foreground_outside

# --- Dead mounts ---

dead() { ! stat "$P" >/dev/null 2>&1; }
# killed: leaves a dead mount at $P.
killed() { "$RMPFS" mount "$P" && kill -KILL "$(daemons "$P")" && within 5 dead; }
check 'kill -9 leaves a dead mount' killed
expect 'whose files say so' ENOTCONN "$(call read "$P/rmpopt/action")"
check 'the next mount recovers it' answers
# The kernel has cached the folder's attributes: only a new request reveals that nobody answers.
remembered() {
    "$RMPFS" mount "$P" && stat "$P" >"$work/log" && kill -KILL "$(daemons "$P")" \
        && within 5 eval '[ -z "$(daemons "$P")" ]' && "$RMPFS" mount "$P" && [ "$(cat "$P/rmpopt/reenable")" = 0 ]
}
check 'and unmounts' away
check 'a dead mount that was looked at before is recovered at once' remembered
expect 'with one mount only' 1 "$(mounts_below "$P" | wc -l)"
check 'and unmounts' away
killed
check 'unmount of a dead mount' away
killed
recovery_log() { "$RMPFS" mount -f "$P" 2>"$work/log" & within 10 grep -q 'mounted at' "$work/log"; }
check 'mount -f reports that it cleared a dead mount away' \
    eval 'recovery_log && grep -qi "cleared away the mount of an rmpfs that died" "$work/log"'
kill -TERM "$(daemons "$P")"
check 'nothing is left of it' nothing_left "$P"

# Another mount on top of it is named, and survives the recovery of a dead mount.
if [ -n "$root" ]; then
    "$RMPFS" mount "$P" && mount -t tmpfs below "$P/rmpsim"
    below="^rmpfs: $P: a mount of type tmpfs is on it, at $P/rmpsim. Unmount that first"
    refused 'unmount says what is mounted on it' 1 "$below" "$RMPFS" unmount "$P"
    kill -KILL "$(daemons "$P")" && within 5 dead
    refused 'also after a crash' 1 "$below" "$RMPFS" unmount "$P"
    refused 'the next mount does not take it away' 1 "$below" "$RMPFS" mount "$P"
    expect 'nothing was taken away' 2 "$(mounts_below "$P" | wc -l)"
    check 'unmount --lazy takes both' eval '"$RMPFS" unmount --lazy "$P" && nothing_left "$P"'
else
    for name in 'unmount says what is mounted on it' 'also after a crash' 'the next mount does not take it away' \
        'nothing was taken away' 'unmount --lazy takes both'; do
        skip "$name" 'only root mounts a tmpfs'
    done
fi

# --- Slow readers, large machines ---

mount_host large --cpus 8192 --memory 64T --pace 0
T=$M/debug/rmpopt/rmpopt-table
expect 'large: the table' 65537 "$(limit 30 cat "$T" | wc -l)"
expect 'large: the last CPU' 65536 "$(limit 30 cat "$M/debug/rmpopt/cpu8191" | wc -l)"
expect 'large: listing' 8193 "$(limit 30 ls -l "$M/debug/rmpopt" | grep -cE '^-r--r--r-- .* (cpu[0-9]+|rmpopt-table)$')"
check 'large: a pass' eval 'echo 1 >"$M/rmpopt/reenable" && echo +10s >"$M/rmpsim/clock"'
# More stopped readers than a daemon has threads, each in the middle of the table.
readers=()
for _ in {1..16}; do
    dd if="$T" of=/dev/null bs=16 status=none 2>/dev/null &
    readers+=("$!")
done
sleep 0.2
for pid in "${readers[@]}"; do kill -STOP "$pid"; done
check 'large: readers are stopped in the middle' \
    within 10 eval '[ "$(ps -o stat= -p "$(IFS=,; echo "${readers[*]}")" | grep -c "^T")" = 16 ]'
expect 'large: others read on' 65537 "$(limit 20 cat "$T" | wc -l)"
check 'large: and write' limit 20 bash -c "echo 1 >'$M/rmpopt/reenable' && cat '$M/rmpopt/reenable'"
# Clients killed in the middle of a request hold nothing.
disown "${readers[@]}"
kill -KILL "${readers[@]}"
check 'large: the readers end' within 10 eval '! kill -0 "${readers[@]}" 2>/dev/null'
check 'large: unmounts' unmount_host
check 'large: nothing is left' nothing_left "$M"

check 'in the end nothing is left' nothing_left "$work"
finish
