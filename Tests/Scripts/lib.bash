# SPDX-License-Identifier: Apache-2.0
# Shared by all shell tests: KTAP output, checks that explain failures, mounts that never outlive the test.
#
# A test is an executable Tests/Scripts/NAME.sh that sources this file, calls `plan`, then check, expect and the like
# once for each test, and `finish`. Set RMPFS to the program to test; the default is the debug build.
# shellcheck shell=bash

set -uo pipefail
export LC_ALL=C
# The system's own clients: other users cannot run those in a user's home folder.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
RMPFS=$(realpath -m "${RMPFS:-$top/.build/debug/rmpfs}")

planned=0 number=0 failures=0 finished=
# The prefix of every command that runs as a user: empty, or setpriv with the IDs in `user` and `group`.
as=() user= group=

printf 'KTAP version 1\n'

# --- The work folder and the cleanup ---

work=$(mktemp -d "${TMPDIR:-/tmp}/rmpfs-test.XXXXXX")
# Ordinary users must be able to reach their mounts.
chmod 755 "$work"
# Marks this test's daemons, which inherit it.
export RMPFS_TEST_FOLDER=$work

# mounts_below PATH: mount points at PATH and below it, the innermost first. Asks no file system.
mounts_below() {
    awk -v path="$1" '$5 == path || index($5, path "/") == 1 { print $5 }' /proc/self/mountinfo | tac
}

# daemons [PATH]: PIDs of this test's daemons, or only of those that serve PATH.
daemons() {
    local file pid program
    while read -r file; do
        pid=${file#/proc/} pid=${pid%/environ}
        program=$(readlink "/proc/$pid/exe") || continue
        case ${program##*/} in rmpfs*) ;; *) continue ;; esac
        if [ $# = 0 ] || tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -qxF -- "$1"; then echo "$pid"; fi
    done < <(grep -lsz -xF "RMPFS_TEST_FOLDER=$work" /proc/[0-9]*/environ)
}

# detach PATH: removes a mount, whatever its state.
detach() {
    umount -l "$1" 2>/dev/null || fusermount3 -uzq "$1" 2>/dev/null || "${as[@]}" fusermount3 -uzq "$1"
}

clean_up() {
    local status=$? mount pid
    trap '' INT TERM HUP
    while read -r mount; do detach "$mount"; done < <(mounts_below "$work")
    while read -r pid; do kill -KILL "$pid" 2>/dev/null; done < <(daemons)
    # Clients that the test left stopped or waiting.
    while read -r pid; do kill -KILL "$pid" 2>/dev/null; done < <(jobs -p)
    rm -rf --one-file-system "$work"
    if [ -z "$finished" ]; then
        printf '# ended early after %d of %d tests\n' "$number" "$planned"
        [ "$status" != 0 ] || status=1
    fi
    exit "$status"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# --- KTAP ---

# plan COUNT: the number of tests.
plan() {
    planned=$1
    printf '1..%d\n' "$planned"
}

# skip_all REASON: this machine can test nothing here.
skip_all() {
    printf '1..0 # SKIP %s\n' "$1"
    finished=yes
    exit 4
}

ok() {
    number=$((number + 1))
    printf 'ok %d %s\n' "$number" "$1"
}

# not_ok NAME [FILE]: a failure, explained by the text of a file.
not_ok() {
    number=$((number + 1)) failures=$((failures + 1))
    if [ $# -gt 1 ]; then head -c 6000 "$2" | tr -c '[:print:]\t\n' '?' | head -n 30 | sed 's/^/# /'; fi
    printf 'not ok %d %s\n' "$number" "$1"
}

# skip NAME REASON
skip() {
    number=$((number + 1))
    printf 'ok %d %s # SKIP %s\n' "$number" "$1" "$2"
}

# finish: ends a test; must be its last line.
finish() {
    if [ "$number" != "$planned" ]; then
        printf '# %d tests were planned, %d ran\n' "$planned" "$number"
        failures=$((failures + 1))
    fi
    finished=yes
    [ "$failures" = 0 ]
    exit
}

# --- Checks. Each is one test. ---

# check NAME COMMAND...: the command succeeds.
check() {
    local name=$1 status
    shift
    "$@" >"$work/.output" 2>&1
    status=$?
    if [ "$status" = 0 ]; then ok "$name"; return; fi
    printf '%s\nexit status %d\n' "$*" "$status" >>"$work/.output"
    not_ok "$name" "$work/.output"
}

# expect NAME EXPECTED ACTUAL: two texts are equal.
expect() {
    if [ "$2" = "$3" ]; then ok "$1"; return; fi
    rm -f "$work/.output"
    printf '%s\n' "$2" >"$work/.expected"
    printf '%s\n' "$3" >"$work/.actual"
    differ "$1"
}

# expect_bytes NAME FORMAT COMMAND...: what the command prints is the text of a printf(1) format, byte for byte.
expect_bytes() {
    local name=$1
    # shellcheck disable=SC2059
    printf "$2" >"$work/.expected"
    shift 2
    "$@" >"$work/.actual" 2>"$work/.output" || printf '(exit status %d)' $? >>"$work/.actual"
    if cmp -s "$work/.expected" "$work/.actual"; then ok "$name"; else differ "$name"; fi
}

# expect_file NAME FILE COMMAND...: what the command prints is the content of a file.
expect_file() {
    local name=$1
    cp "$2" "$work/.expected"
    shift 2
    "$@" >"$work/.actual" 2>"$work/.output" || printf '(exit status %d)' $? >>"$work/.actual"
    if cmp -s "$work/.expected" "$work/.actual"; then ok "$name"; else differ "$name"; fi
}

differ() {
    diff -u --label expected --label actual "$work/.expected" "$work/.actual" >"$work/.difference"
    [ ! -s "$work/.output" ] || cat "$work/.output" >>"$work/.difference"
    not_ok "$1" "$work/.difference"
}

# refused NAME STATUS PATTERN COMMAND...: the command exits with STATUS and prints a line on standard error that matches
# the extended regular expression.
refused() {
    local name=$1 wanted=$2 pattern=$3 status
    shift 3
    limit 20 "$@" >"$work/.out" 2>"$work/.output" </dev/null
    status=$?
    if [ "$status" = "$wanted" ] && grep -qE -- "$pattern" "$work/.output"; then ok "$name"; return; fi
    printf '%s\nexit status %d, expected %d and a message like %s\n' "$*" "$status" "$wanted" "$pattern" \
        >>"$work/.output"
    not_ok "$name" "$work/.output"
}

# --- Time ---

# limit SECONDS COMMAND...: ends a command that takes too long.
limit() { timeout -k 2 "$@"; }

# within SECONDS COMMAND...: waits until the command succeeds.
within() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.02
    done
}

# waits_for_events PID: whether a process has events_pipe open and sleeps.
waits_for_events() {
    [ -n "$(find "/proc/$1/fd" -lname '*/events_pipe' 2>/dev/null)" ] && grep -q '^State:.S' "/proc/$1/status"
}

# --- Mounts ---

# mount_host NAME [OPTION...]: mounts a host at $work/NAME and sets M to that folder. Not a test; bails out on failure.
mount_host() {
    M=$work/$1
    shift
    mkdir -p "$M"
    if [ "${#as[@]}" -gt 0 ]; then chown "$user:$group" "$M"; fi
    if ! limit 60 "${as[@]}" "$RMPFS" mount "$@" "$M" >"$work/.output" 2>&1 </dev/null; then
        sed 's/^/# /' "$work/.output"
        printf 'Bail out! cannot mount: %s %s\n' "$*" "$M"
        exit 1
    fi
}

# unmount_host [PATH]: unmounts a host, by default the last one.
unmount_host() { limit 20 "${as[@]}" "$RMPFS" unmount "${1:-$M}"; }

is_mounted() { [ -n "$(mounts_below "$1")" ]; }

nothing_at() { ! is_mounted "$1" && [ -z "$(daemons "$1")" ]; }

# nothing_left PATH: waits until neither a mount nor a daemon of PATH is left.
nothing_left() {
    within 10 nothing_at "$1" && return
    mounts_below "$1"
    daemons "$1" | while read -r pid; do ps -o pid,stat,args -p "$pid"; done
    return 1
}

# renew_image IMAGE HOST: a copy of a host's RMP that somebody has open gets the present one, holes as zeros, too.
renew_image() {
    limit 60 cp --sparse=always "$2/rmpsim/memory/image" "$work/next"
    python3 - "$work/next" "$1" "$(sed -n 's/^rmp_base //p' "$2/rmpsim/memory/registers")" <<'PYTHON'
import sys
start = int(sys.argv[3], 16)
with open(sys.argv[1], "rb") as source, open(sys.argv[2], "r+b") as target:
    source.seek(start)
    target.seek(start)
    target.write(source.read(64 << 20))
PYTHON
}

# --- Requirements ---

need() {
    local command
    for command; do
        command -v "$command" >/dev/null || skip_all "$command is not installed"
    done
}

# call NAME ARGUMENT...: one system call by name, and its outcome: a number, or the error's name (call.py).
call() { limit 20 "${as[@]}" python3 "$top/Tests/Scripts/call.py" "$@"; }

[ -x "$RMPFS" ] || { printf 'Bail out! %s: not there; build it, or set RMPFS\n' "$RMPFS"; exit 1; }
[ -c /dev/fuse ] || skip_all "there is no /dev/fuse"
