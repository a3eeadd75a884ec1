#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The daemon's memory: when it runs out, the write gets ENOMEM and the daemon lives on; guests' memory is given back.
# TIMEOUT: 300

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3 prlimit
plan 18

write() { call write "$M/rmpsim/$1" "$2"; }
# kilobytes FIELD: a field of the daemon's /proc/PID/status.
kilobytes() { awk -v field="$1:" '$1 == field { print $2 }' "/proc/$(daemons "$M")/status"; }
# limited MEGABYTES: limits the daemon to that much more than it has; without a number, lifts the limit.
limited() {
    if [ $# = 0 ]; then prlimit --pid "$(daemons "$M")" --as=unlimited
    else prlimit --pid "$(daemons "$M")" --as=$((($(kilobytes VmSize) + $1 * 1024) * 1024)):unlimited; fi
}
answers() { limit 20 grep -c . "$M/debug/rmpopt/cpu0" "$M/debug/rmpopt/metrics" "$M/rmpsim/guests/g/state"; }

# --- Not enough memory ---

mount_host large --pace 0 --memory 64T
mkdir "$M/rmpsim/guests/g"
write guests/g/memory 60T >"$work/.output"
write guests/g/placement 'scattered 1' >"$work/.output"
limited 100
expect 'a launch that needs more than the limit leaves: ENOMEM' ENOMEM "$(write guests/g/state running)"
expect 'nothing has changed' stopped "$(cat "$M/rmpsim/guests/g/state")"
check 'the mount answers' answers
write guests/g/memory 1G >"$work/.output"
expect 'one that needs little goes on' 7 "$(write guests/g/state running)"
limited 30
expect 'with less than 64 MB left: no new guest' ENOMEM "$(call mkdir "$M/rmpsim/guests/h")"
expect 'no conversion' ENOMEM "$(write guests/g/convert 'shared 0 4K')"
expect 'no RMPUPDATE' ENOMEM "$(write memory/rmpupdate '0x80000000 assigned=1')"
expect 'but an end' 7 "$(write guests/g/state stopped)"
expect 'and time' 4 "$(write clock +10s)"
expect 'and a pass' 1 "$(call write "$M/rmpopt/reenable" 1)"
check 'the mount answers' answers
limited
expect 'without the limit all is as before' 7 "$(write guests/g/state running)"
unmount_host

# Random limits and sizes: each launch is either refused or succeeds.
mount_host lots --pace 0 --memory 8T
mkdir "$M/rmpsim/guests/g"
RANDOM=${RMPFS_TEST_SEED:-1}
lots() {
    local turn outcome refused=0 launched=0 placements=(packed local aligned "scattered $RANDOM")
    for turn in {1..40}; do
        write guests/g/placement "${placements[RANDOM % 4]}" && write guests/g/memory $((1 << RANDOM % 13))G \
            && write guests/g/vcpus $((1 + RANDOM % 4096)) || return
        limited $((64 + RANDOM % 40))
        outcome=$(write guests/g/state running)
        case $outcome in
        ENOMEM) refused=$((refused + 1)) ;;
        7) launched=$((launched + 1)) ;;
        ENOSPC) ;;
        *) echo "turn $turn: $outcome"; return 1 ;;
        esac
        limited
        write guests/g/state stopped && write clock +1h || return
    done
    echo "$refused refused, $launched launched"
    [ "$refused" -gt 0 ] && [ "$launched" -gt 0 ]
}
check 'limits and sizes by lot: refused or launched, and alive' lots
check 'the mount answers' answers
unmount_host

# --- Memory that is given back ---

# back BEFORE: resident memory is not much above that, allowing for what is not worth giving back.
back() {
    local now
    now=$(kilobytes VmRSS)
    echo "$1 kB before, $now kB now"
    [ "$now" -lt $(($1 + 60 * 1024)) ]
}
mount_host guests --pace 0
before=$(kilobytes VmRSS)
many() {
    python3 -c '
import os, sys
for number in range(20000): os.mkdir(f"{sys.argv[1]}/g{number}")
for number in range(20000):
    if number % 64: os.rmdir(f"{sys.argv[1]}/g{number}")' "$M/rmpsim/guests"
}
check '20,000 guests are made, and all but one in 64 removed' many
check 'their memory goes back' back "$before"
unmount_host

mount_host runs --pace 0 --memory 64T
mkdir "$M/rmpsim/guests/g"
before=$(kilobytes VmRSS)
write guests/g/memory 20T >"$work/.output"
check 'a guest of 20 TB comes and goes' eval \
    '[ "$(write guests/g/state running)" = 7 ] && [ "$(write guests/g/state stopped)" = 7 ] \
        && [ "$(write clock +10h)" = 4 ] && [ "$(cat "$M/rmpsim/guests/g/state")" = stopped ]'
check 'its memory goes back' back "$before"
finish
