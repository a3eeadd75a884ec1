#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Finding and removing mounts that somebody else made: `rmpfs list`, `rmpfs unmount --all`,
# `rmpfs mount --die-with-parent`, and the process name.
# TIMEOUT: 120

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3 pgrep ps
plan 25

# listed [FOLDER]: state, series, owner and name of the mounts there.
listed() {
    limit 30 "$RMPFS" list --under "${1:-$work}" | awk -v skip=$((${#work} + 2)) \
        'NR > 1 { print $1, $2, $4, substr($5, skip) }'
}
me=$(id -un)

expect 'no mount, no line' 'STATE  SERIES  AGE  OWNER  MOUNTPOINT' "$("$RMPFS" list --under "$work")"
mount_host a --cpus 2 --memory 4G
A=$M
mount_host b/c --cpus 2 --memory 4G --series v8 -o fsname=source
B=$M
mount_host d --cpus 2 --memory 4G
D=$M
expect 'mounts in their order' "$(printf 'alive v1 %s a\nalive v8 %s b/c\nalive v1 %s d' "$me" "$me" "$me")" "$(listed)"
expect 'only below a folder' "alive v8 $me b/c" "$(listed "$work/b")"
expect 'a name that begins alike is not below' '' "$("$RMPFS" list --under "$work/a/debug" | sed 1d)"
kill -KILL "$(daemons "$A")"
kill -STOP "$(daemons "$D")"
within 5 eval '! stat "$A" 2>/dev/null'
expect 'dead and hung ones' "$(printf 'dead - %s a\nalive v8 %s b/c\nhung - %s d' "$me" "$me" "$me")" "$(listed)"
kill -CONT "$(daemons "$D")"
json() {
    limit 30 "$RMPFS" list --json --under "$work" | python3 -c '
import json, sys
found = json.load(sys.stdin)
assert found["version"] == 1 and set(found) == {"version", "mounts"}
a, b, d = found["mounts"]
keys = {"mountpoint", "source", "state", "series", "age_seconds", "owner", "uid"}
assert set(a) == set(b) == keys, a
assert a["state"] == "dead" and a["series"] is None and a["age_seconds"] is None
assert b["mountpoint"].endswith("/b/c") and b["source"] == "source" and b["series"] == "v8"
assert 0 <= b["age_seconds"] < 120 and b["uid"] == int(sys.argv[1]) and b["owner"] == sys.argv[2]' "$(id -u)" "$me"
}
check 'JSON has the same content' json
refused 'a missing folder' 1 "^rmpfs: $work/none: no such folder" "$RMPFS" list --under "$work/none"

cd "$B/rmpopt" || exit
refused 'unmount --all says what is in use' 1 "^rmpfs: $B: in use" "$RMPFS" unmount --all --under "$work"
cd "$work" || exit
expect 'and takes the others away' "alive v8 $me b/c" "$(listed)"
check 'unmount --all again' "$RMPFS" unmount --all --under "$work"
check 'nothing is left' nothing_left "$work"
check 'nothing to unmount is no error' "$RMPFS" unmount --all --under "$work"
refused 'neither a mount point nor --all' 64 'either a mountpoint or --all' "$RMPFS" unmount
refused 'both' 64 'either a mountpoint or --all' "$RMPFS" unmount --all "$work"
refused '--under alone' 64 'only with --all' "$RMPFS" unmount --under "$work" "$work/a"
odd=$'x\n\e[31m'
mount_host "$odd" --cpus 1 --memory 1G
expect 'a name does not end its line, or colour it' 'x\u{a}\u{1b}[31m' \
    "$("$RMPFS" list --under "$work" | sed 1d | sed "s|.* $work/||")"
unmount_host

# The name of the process, however it was started.
mount_host a --cpus 1 --memory 1G
expect 'the process is called rmpfs' rmpfs "$(ps -o comm= -p "$(daemons "$A")")"
check 'pgrep finds it' eval 'pgrep -x rmpfs | grep -qx "$(daemons "$A")"'
unmount_host

# --die-with-parent: the caller is a separate shell that execs sleep and is killed; nothing outlives it.
for way in '' --foreground; do
    # shellcheck disable=SC2016
    bash -c '"$1" mount --die-with-parent --cpus 1 --memory 1G $3 "$2" & wait $!; exec sleep 60' \
        bash "$RMPFS" "$A" "$way" 2>/dev/null &
    parent=$!
    disown "$parent"
    check "--die-with-parent $way: mounts" within 10 [ -e "$A/rmpopt" ]
    # It lives as long as its caller.
    sleep 0.3
    check "--die-with-parent $way: as long as the caller lives" eval 'kill -0 "$parent" && is_mounted "$A"'
    kill -KILL "$parent"
    check "--die-with-parent $way: no longer" nothing_left "$A"
done

# A too small limit on open files is named.
refused 'too few open files' 1 '^rmpfs: the limit of open files is 10; a mount needs 16: ulimit -n 16' \
    bash -c 'ulimit -n 10 && exec "$1" mount "$2"' bash "$RMPFS" "$A"
finish
