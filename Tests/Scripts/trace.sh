#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `rmpfs trace`: the trace keeps the rules of its format and says what the events say, whether they come from a mount, a
# copy or a recording; many CPUs and passes stay small; what cannot be read or written is told.

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3
plan 23

# drawn TRACE EVENTS: what is in a trace, if it is right.
drawn() { limit 60 python3 "$top/Tests/Scripts/trace.py" "$1" "$2"; }
# same ONE OTHER: whether two traces differ in nothing but where they come from.
same() { diff <(sed '1s/"source":"[^"]*"//' "$1") <(sed '1s/"source":"[^"]*"//' "$2"); }
put() { echo "$1" >"$M/$2"; }
start_guest() {
    mkdir "$M/rmpsim/guests/$1"
    put "$2" "rmpsim/guests/$1/memory"
    put running "rmpsim/guests/$1/state"
}
guest() { rmdir "$M/rmpsim/guests/$1"; }

# A life with all that can overlap: passes that are pending, given up, or interrupted by the end of the kernel; CPUs
# that go in the middle of a pass; a guest whose name is taken while its pages still go back.
mount_host life --pace 0 --cpus 8 --series v3 --record "$work/life.jsonl"
start_guest vm0 6G
start_guest "b c" 1G
put +1s rmpsim/clock
guest vm0
start_guest vm0 2G
put 1 rmpopt/reenable
put +10us rmpsim/clock
put 1 rmpopt/reenable
put +5ms rmpsim/clock
put 0 rmpsim/cpus/cpu3/online
put +3ms rmpsim/clock
put 1 rmpsim/cpus/cpu3/online
put idle rmpsim/clock
guest "b c"
put 1 rmpopt/reenable
put +4ms rmpsim/clock
put 'kexec 0-5' rmpsim/firmware/state
put idle rmpsim/clock
put 1 rmpopt/reenable
put +2ms rmpsim/clock
cp "$M/debug/rmpopt/events" "$work/events"
check 'a mount' limit 20 "$RMPFS" trace "$M" -o "$work/life.json"
check 'its trace is right' eval 'drawn "$work/life.json" "$work/events" >"$work/said"'
sed 's/^/# /' "$work/said"
check 'the CPU that went is offline there' grep -q '"name":"offline"' "$work/life.json"
check 'a pass that runs ends with the trace' grep -qE '"dur":2000,"name":"pass [0-9]+: request"' "$work/life.json"
check 'a copy of the events' limit 20 "$RMPFS" trace "$work/events" -o "$work/copy.json"
check 'is right' drawn "$work/copy.json" "$work/events"
check 'the standard streams' eval '"$RMPFS" trace -o - - <"$work/events" >"$work/stream.json"'
check 'have the same' same "$work/copy.json" "$work/stream.json"
check 'it unmounts' eval 'unmount_host && nothing_left "$M"'
check 'a recording' limit 60 "$RMPFS" trace "$work/life.jsonl" -o "$work/recording.json"
check 'has the same' same "$work/life.json" "$work/recording.json"

# Every version: leaders, followers, and who has interrupts off.
wrong=
for series in v1 v2 v3 v4 v5 v6 v7 v8 v9 v10 merged; do
    mount_host "$series" --pace 0 --cpus 16 --series "$series"
    start_guest vm 2G
    put 1 rmpopt/reenable
    put +20ms rmpsim/clock
    guest vm
    put idle rmpsim/clock
    if ! { "$RMPFS" trace "$M" -o "$work/version.json" && drawn "$work/version.json" "$M/debug/rmpopt/events"; } \
        >"$work/said" 2>&1; then
        wrong+=" $series"
        sed 's/^/# /' "$work/said"
    fi
    unmount_host
done
expect 'every version' '' "$wrong"

# Ten minutes on 1,024 CPUs.
mount_host churn --pace 0 --cpus 1024 --memory 2T
for second in $(seq 2 2 600); do
    [ $((second % 4)) != 0 ] || start_guest "g$second" 8G
    [ $((second % 4)) != 2 ] || [ "$second" -le 60 ] || guest "g$((second - 58))"
    put 1 rmpopt/reenable
    put +2s rmpsim/clock
done
cp "$M/debug/rmpopt/events" "$work/events"
check 'ten minutes on 1,024 CPUs' limit 60 "$RMPFS" trace "$M" -o "$work/churn.json"
printf '# %d bytes of %d of events\n' "$(stat -c %s "$work/churn.json")" "$(stat -c %s "$work/events")"
expect 'CPUs that did the same share a track' '302 passes, 150 lives, 1 tracks of 512 CPUs' \
    "$(drawn "$work/churn.json" "$work/events" 2>&1)"
check 'and it is small' [ "$(stat -c %s "$work/churn.json")" -lt 2000000 ]
head -n 500 "$work/events" >"$work/some"
"$RMPFS" trace "$work/some" -o "$work/some.json"
check 'where there are few passes each CPU has its own' grep -q '"name":"CPU 511"' "$work/some.json"
sed -i '300s/.*/# lost 77/' "$work/some"
"$RMPFS" trace "$work/some" -o "$work/some.json"
check 'lost events are told' grep -q '"lost_events":77' "$work/some.json"
check 'it unmounts' unmount_host

# Mistakes.
refused 'no events' 1 "LICENSE:[0-9]+: .* is not an event. Give a mountpoint" \
    "$RMPFS" trace "$top/LICENSE" -o "$work/no.json"
sed '1s/version 1/version 9/' "$work/events" >"$work/newer"
refused 'another version' 1 'newer:1: its events are version 9; this rmpfs reads version 1' \
    "$RMPFS" trace "$work/newer" -o "$work/no.json"
refused 'no mount' 1 'there is no debug/rmpopt in it' "$RMPFS" trace "$work" -o "$work/no.json"
refused 'a full device' 1 '/dev/full: cannot be written: No space left' "$RMPFS" trace "$work/events" -o /dev/full
check 'nothing is written then, and devices stay' [ ! -e "$work/no.json" -a -c /dev/full -a ! -e /dev/full.new ]
finish
