#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Kills the daemon at random moments under load: clients get an error and never hang, the next mount recovers, nothing
# is left behind. After SIGTERM under load it exits within 2 s with status 0 and leaves no mount.
#
#   Tests/Scripts/fault.sh [--times N] [--seed N]
#
#   --times N   how often the daemon is killed (12); the full run is 100
#   --seed N    as printed by a failed run
# TIMEOUT: 900

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"

times=12 seed=$RANDOM
while [ $# -gt 1 ]; do
    case $1 in
    --times) times=$2 ;;
    --seed) seed=$2 ;;
    *) break ;;
    esac
    shift 2
done
[ $# = 0 ] || { sed -n '6,9s/^# \{0,1\}//p' "$0" >&2; exit 64; }
need cc python3
RANDOM=$seed

plan 15

load=$work/load
check 'the load generator compiles' \
    cc -O2 -Wall -Wextra -Werror -std=gnu11 -o "$load" "$top"/Tests/Load/*.c
P=$work/host
mkdir "$P"
printf '# seed %s\n' "$seed"

# Where a daemon could leave something: temporary folders, shared memory. The work folder belongs to this test.
places() { find "${TMPDIR:-/tmp}" /dev/shm /run -maxdepth 1 -iname '*rmpfs*' ! -path "$work" 2>/dev/null | sort; }
before=$(places)

# pause MILLISECONDS
pause() { read -rt "0.$(printf %03d "$1")" <><(:); }
answers() { [ "$(limit 10 cat "$P/rmpopt/reenable")" = 0 ] && [ "$(limit 10 wc -l <"$P/debug/rmpopt/cpu7")" = 64 ]; }
# loaded: 18 clients are working, and continue until they learn that the daemon is gone.
loaded() {
    limit 60 "$load" --processes 18 --seed "$RANDOM" --may-die 8 64 "$P" >"$work/load.log" 2>&1 &
    loader=$!
}
# told: all clients have ended in time, each with an error.
told() {
    wait "$loader" && grep -qx '18 clients were told that the daemon is gone' "$work/load.log" && return
    cat "$work/load.log"
    return 1
}

# --- Killed while clients are working ---

killed_under_load() {
    local turn ended
    for ((turn = 1; turn <= times; turn++)); do
        limit 20 "$RMPFS" mount --cpus 8 --memory 64G "$P" || { echo "turn $turn: no mount"; return 1; }
        [ "$(mounts_below "$P" | wc -l)" = 1 ] || { echo "turn $turn: the dead mount is still below"; return 1; }
        answers || { echo "turn $turn: the new mount does not answer"; return 1; }
        loaded
        pause $((20 + RANDOM % 400))
        kill -KILL "$(daemons "$P")"
        ended=$SECONDS
        told || { echo "turn $turn"; return 1; }
        [ $((SECONDS - ended)) -le 10 ] || { echo "turn $turn: clients took $((SECONDS - ended)) s"; return 1; }
        [ "$(call read "$P/rmpopt/action")" = ENOTCONN ] || { echo "turn $turn: not ENOTCONN"; return 1; }
    done
}
check "kill -9 under load, $times times: clients get errors, the next mount recovers" killed_under_load
check 'the last dead mount is unmounted' unmount_host "$P"
check 'no mount and no process is left' nothing_left "$P"

# --- Killed while starting ---

# Any part of a start may be interrupted: the process that mounts, or the daemon that it starts.
killed_while_starting() {
    local turn mounter pid
    for ((turn = 1; turn <= times; turn++)); do
        limit 20 "$RMPFS" mount --cpus 8 --memory 64G "$P" >"$work/.start" 2>&1 &
        mounter=$!
        pause $((RANDOM % 30))
        while read -r pid; do kill -KILL "$pid" 2>/dev/null; done < <(daemons)
        wait "$mounter"
    done
    # If the last kill came too late, there is a live mount.
    daemons | xargs -r kill -KILL
    within 5 eval '[ -z "$(daemons)" ]' || return
    limit 20 "$RMPFS" mount --cpus 8 --memory 64G "$P" && [ "$(mounts_below "$P" | wc -l)" = 1 ] && answers
}
check "kill -9 during a start, $times times: the next mount works" killed_while_starting
check 'it unmounts' unmount_host "$P"
check 'no mount and no process is left' nothing_left "$P"

# --- A dead mount inside a dead mount ---

buried() {
    "$RMPFS" mount "$P" && "$RMPFS" mount -o nonempty "$P/rmpsim" && daemons | xargs kill -KILL \
        && within 5 eval '[ -z "$(daemons)" ]' && ! limit 20 "$RMPFS" mount "$P" 2>/dev/null \
        && limit 20 "$RMPFS" unmount --lazy "$P" && limit 20 "$RMPFS" mount --cpus 8 --memory 64G "$P" && answers \
        && [ "$(mounts_below "$P" | wc -l)" = 1 ]
}
check 'a dead mount inside a dead mount is refused, detached with --lazy, and the next one works' buried
check 'it unmounts' unmount_host "$P"

# --- Clients that wait in the kernel when the daemon dies ---

# stopped PID: all its threads are stopped; the signal alone does not guarantee that yet.
stopped() { ! cut -d ' ' -f 3 /proc/"$1"/task/*/stat | grep -qvx T; }
# A stopped daemon answers nobody: the readers are in the middle of their calls when it is killed.
waiting_readers() {
    local readers=() pid number
    "$RMPFS" mount --cpus 8 --memory 64G "$P" || return
    pid=$(daemons "$P")
    kill -STOP "$pid"
    within 10 stopped "$pid" || return
    for number in {1..8}; do
        python3 "$top/Tests/Scripts/call.py" read "$P/rmpopt/action" >"$work/.reader.$number" 2>&1 &
        readers+=("$!")
    done
    pause 200
    kill -KILL "$(daemons "$P")"
    for pid in "${readers[@]}"; do
        within 10 eval '! kill -0 "$pid" 2>/dev/null' || { echo "reader $pid still waits"; return 1; }
    done
    wait "${readers[@]}"
    [ "$(cat "$work"/.reader.* | grep -cxE 'ECONNABORTED|ENOTCONN')" = 8 ] || { cat "$work"/.reader.*; return 1; }
}
check 'clients waiting for an answer get an error' waiting_readers
check 'the dead mount is unmounted' unmount_host "$P"

# --- SIGTERM ---

milliseconds() { echo $(($(date +%s%N) / 1000000)); }
ended_under_load() {
    local turn pid start took status
    for turn in 1 2 3; do
        "$RMPFS" mount -f --cpus 8 --memory 64G "$P" 2>"$work/log" &
        pid=$!
        within 10 test -e "$P/rmpopt" || return
        loaded
        pause $((50 + RANDOM % 300))
        start=$(milliseconds)
        kill -TERM "$pid"
        wait "$pid"
        status=$?
        took=$(($(milliseconds) - start))
        is_mounted "$P" && { echo "turn $turn: still mounted"; return 1; }
        [ "$status" = 0 ] && [ "$took" -lt 2000 ] || { echo "turn $turn: status $status after $took ms"; return 1; }
        told || { echo "turn $turn"; return 1; }
        slowest=$((took > slowest ? took : slowest))
    done
}
slowest=0
check 'SIGTERM under load: less than 2 s, exit status 0, no mount, clients get errors' ended_under_load
printf '# %d ms at most\n' "$slowest"
check 'no mount and no process is left' nothing_left "$P"

# --- Nothing is left behind ---

expect 'the folder is empty again' '' "$(ls -A "$P")"
expect 'nothing new in /tmp, /dev/shm, /run' "$before" "$(places)"
finish
