#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# 64 processes read and write everything in a mount at once while guests start and end and passes run. Every answer is
# checked (Tests/Load); the daemon's memory, descriptors and threads must not grow.
#
#   Tests/Scripts/load.sh [--seconds N] [--seed N] [--record FILE]
#
#   --seconds N     how long (4); the full run is 60
#   --seed N        as printed by a failed run
#   --record FILE   writes the latencies there, with the command and the machine, as Markdown
#
# RMPFS_LOAD_GROWTH: bytes by which the daemon's memory may grow after the first third of the run; 0 for any.
# TIMEOUT: 600

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"

seconds=4 seed=() record= words=("$@")
while [ $# -gt 1 ]; do
    case $1 in
    --seconds) seconds=$2 ;;
    --seed) seed=(--seed "$2") ;;
    --record) record=$2 ;;
    *) break ;;
    esac
    shift 2
done
[ $# = 0 ] || { sed -n '6,11s/^# \{0,1\}//p' "$0" >&2; exit 64; }
need cc

plan 11

# --- The generator ---

load=$work/load
check 'the load generator compiles' \
    cc -O2 -Wall -Wextra -Werror -std=gnu11 -o "$load" "$top"/Tests/Load/*.c

# run NAME SECONDS CPUS GB [OPTION...]: mounts a host and loads it; what the generator prints is in $work/NAME.log. In
# so few seconds the events, which are kept up to a bound, still grow: on a fast machine by 2.5 MB.
run() {
    local name=$1 for=$2 cpus=$3 gigabytes=$4
    shift 4
    mount_host "$name" --cpus "$cpus" --memory "${gigabytes}G" "$@"
    pid=$(daemons "$M")
    limit $((for + 120)) "$load" --seconds "$for" "${seed[@]}" --daemon "$pid" \
        --growth "${RMPFS_LOAD_GROWTH:-4194304}" "$cpus" "$gigabytes" "$M" >"$work/$name.log" 2>&1
    local status=$?
    [ "$status" = 0 ] || { cat "$work/$name.log"; echo "exit status $status"; return 1; }
}
gone() { unmount_host "$M" && nothing_left "$M"; }

check "$seconds s: every answer is right, and nothing grows" run live "$seconds" 64 512
check 'the daemon answers as always' eval '[ "$(wc -l <"$M/debug/rmpopt/cpu63")" = 512 ]'
check 'it unmounts, and nothing is left' gone

# A write returns when everything it started is done: requests take long, and others wait for them.
check 'pace instant: every answer is right' run instant 2 3 64 --pace instant
check 'it unmounts, and nothing is left' gone
# Passes and guests' ends last longer than the run, but for the clients that move the clock.
check 'pace 0: every answer is right' run still 2 16 2048 --pace 0
check 'it unmounts, and nothing is left' gone

# --- The generator detects errors: a guest that it believes to be running is ended behind its back ---

ended_behind() {
    local loader
    mount_host wrong --cpus 8 --memory 64G
    limit 60 "$load" --seconds 20 8 64 "$M" >"$work/wrong.log" 2>&1 &
    loader=$!
    within 10 test -d "$M/rmpsim/guests/own3" && echo stopped >"$M/rmpsim/guests/keeper1/state" || return
    wait "$loader"
    local status=$?
    # One by its number, or more of them than so much memory of guests can leave: whichever a client looks at first.
    [ "$status" = 1 ] && grep -qE '^wrong: client .*: (region .* is optimized|.* regions are optimized while guests)' \
        "$work/wrong.log" && return
    echo "exit status $status"
    cat "$work/wrong.log"
    return 1
}
check 'an optimized region under a running guest is detected' ended_behind
check 'it unmounts, and nothing is left' gone

# --- The record ---

processor() { sed -n 's/^model name[^:]*: //p;T;q' /proc/cpuinfo; }
machine() { printf '%s, %s CPUs, Linux %s' "$(processor)" "$(nproc)" "$(uname -r | grep -oE '^[0-9.]+')"; }
write_record() {
    [ -n "$record" ] || return 0
    {
        printf '# Load, %s\n\n    Tests/Scripts/load.sh %s\n\n' "$(date +%F)" "${words[*]}"
        printf '%s.\n64 CPUs and 512 GB are simulated, at pace 1; 64 processes take turns on the CPUs, so most of a\n' \
            "$(machine)"
        printf 'time is waiting for others. Each answer was checked.\n\n'
        sed 's/^\(memory\|descriptors\|| Operation\)/\n&/' "$work/live.log"
    } >"$record"
}
check 'the record is written' write_record
finish
