#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `rmpfs wait`: each condition, before and after it is so; the timeout, and what it says; the clock that stands still;
# the end of the mount. And that neither side polls.

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
plan 35

wait_for() { limit 30 "$RMPFS" wait "$M" "$@"; }
# background OPTION...: a wait that is in place when this returns; its PID is $waiter.
background() {
    "$RMPFS" wait "$M" "$@" >"$work/event" 2>"$work/said" &
    waiter=$!
    within 10 waits_for_events "$waiter"
}
last_pass() { tail -n 1 "$M/debug/rmpopt/passes" | cut -d ' ' -f 1; }
guest=rmpsim/guests/vm0
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

mount_host live
check 'an idle host is idle' wait_for --idle --timeout 10
check 'that is the default' wait_for --timeout 10
check 'a pass that has ended' wait_for --pass 1 --timeout 10
refused 'one that has not' 124 'timed out: pass 2 was the last to end. Virtual time is [0-9]+ ns, pace 1$' \
    "$RMPFS" wait "$M" --pass 3 --timeout 100ms
refused 'a guest that is not there' 124 'there is no guest vm0' "$RMPFS" wait "$M" --guest vm0=running --timeout 0.1
check 'which is as good as removed' wait_for --guest vm0=removed --timeout 10
mkdir "$M/$guest"
echo 2G >"$M/$guest/memory"
refused 'a guest in another state' 124 'guest vm0 is stopped' "$RMPFS" wait "$M" --guest vm0=running --timeout 0

# In the background: it waits before it is so.
background --guest vm0=running --timeout 20
echo running >"$M/$guest/state"
check 'a guest that starts' wait "$waiter"
background --guest vm0=ending --timeout 20
brief=$waiter
background --event 'guest: guest=vm0 state=end*' --timeout 20
echo stopped >"$M/$guest/state"
check 'a state that does not last' wait "$brief"
check 'an event' wait "$waiter"
check 'which is printed' grep -qE '^ +[0-9]+\.[0-9]{9}: guest: guest=vm0 state=ending$' "$work/event"
check 'a guest that has given its pages back' wait_for --guest vm0=stopped --timeout 20
last=$(last_pass)
now=$(cat "$M/rmpsim/clock")
echo 1 >"$M/rmpopt/reenable"
check 'a pass that was asked for' wait_for --pass $((last + 1)) --timeout 20
expect 'has ended' 0 "$(cat "$M/rmpopt/reenable")"
check 'an event that was, since a time' wait_for --event pass_end --since "$now" --timeout 10
refused 'and not before it' 124 "no event 'pass_end' came" \
    "$RMPFS" wait "$M" --event pass_end --since "$(cat "$M/rmpsim/clock")" --timeout 0.1
# A time that is yet to come: an event before it does not count.
future=$(($(cat "$M/rmpsim/clock") + 60000000000))
background --event pass_end --since "$future" --timeout 1
echo 1 >"$M/rmpopt/reenable"
wait "$waiter"
expect 'nor before a time that is yet to come' 124 $?
check 'and the hint says so' grep -qE "came; the last one was at [0-9]+ ns, before --since\. " "$work/said"
check 'a time with a unit' wait_for --event pass_end --since 0.5s --timeout 10
refused 'without one, the hint says what to add' 124 \
    'the last one was at [0-9]+ ns, before the wait: --since [0-9]+ counts it' \
    "$RMPFS" wait "$M" --event pass_end --timeout 0.1

# A second of waiting costs neither side anything.
daemon=$(daemons "$M" | head -n 1)
before=$(ticks "$daemon")
background --pass 999 --timeout 30
start=$(ticks "$waiter")
sleep 2
check 'a waiting client does not run' [ "$(ticks "$waiter")" = "$start" ]
check 'nor does the daemon' [ $(($(ticks "$daemon") - before)) -le 5 ]
kill "$(daemons "$M" | head -n 1)"
wait "$waiter"
expect 'it fails when the mount ends' 1 $?

mount_host still --pace 0 --series v4
echo 1 >"$M/rmpopt/reenable"
refused 'a clock that stands still is told' 124 'the clock is stopped \(pace 0\); the next event is [0-9]+ ns away' \
    "$RMPFS" wait "$M" --timeout 100ms
check 'where one looks, too' grep -q '^clock: stopped (pace 0): write +next' "$M/debug/rmpopt/schedule"
last=$(last_pass)
background --pass $((last + 1)) --timeout 20
echo idle >"$M/rmpsim/clock"
check 'somebody else moves it' wait "$waiter"
background --pass $((last + 2)) --timeout 20
echo 1 >"$M/rmpopt/reenable"
echo 1000 >"$M/rmpsim/pace"
check 'or lets it run' wait "$waiter"

refused 'two conditions' 64 'exclude each other' "$RMPFS" wait --idle --pass 1 "$M"
refused 'passes count from 1' 64 '--pass 0: passes count from 1' "$RMPFS" wait --pass 0 "$M"
refused 'no time' 64 'write ns, or a decimal number with' "$RMPFS" wait --event x --since 1e9 "$M"
refused 'nor a timeout' 64 'write seconds, or a decimal number with' "$RMPFS" wait --timeout 0x10 "$M"
refused 'a replay, neither' 64 'write ns, or a decimal number with' "$RMPFS" replay --until .5s "$0"
refused 'no state' 64 'guest' "$RMPFS" wait --guest vm0=asleep "$M"
refused 'no mount' 1 'there is no debug/rmpopt in it' "$RMPFS" wait "$work"
check 'it ends' unmount_host
finish
