#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Recordings: the load of 64 clients, run again, gives the same answers and, mounted, the same bytes in every file; a
# daemon that is killed leaves what was; changed and foreign files are told; the gzip form; --until; played on a mount;
# `rmpfs run --record`.

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need cc python3 gzip
plan 38

load=$work/load
check 'the load generator compiles' cc -O2 -std=gnu11 -o "$load" "$top"/Tests/Load/*.c

# texts FOLDER: every file of the mount but the clock and its pace, and the RMP itself.
texts() {
    mkdir -p "$1"
    (cd "$M" && find . -type f ! -name clock ! -name pace ! -path './debug/rmpopt/schedule' -print0) \
        | while IFS= read -r -d '' file; do
            mkdir -p "$1/$(dirname "$file")"
            cat "$M/$file" >"$1/$file" 2>&1
        done
    grep -v '^clock' "$M/debug/rmpopt/schedule" >"$1/schedule"
    # The RMP lies there; beyond is nothing but zeros.
    limit 60 head -c 450M "$M/rmpsim/memory/image" >"$1/image"
}

mount_host loaded --cpus 64 --memory 64G --record "$work/loaded.jsonl.gz"
check '64 clients load a host that is recorded' limit 120 "$load" --seconds 3 64 64 "$M"
check 'it comes to rest' "$RMPFS" wait "$M" --timeout 60
is_locked() { ! flock -n "$1" true; }
check 'the file is locked while it grows' is_locked "$work/loaded.jsonl.gz"
echo 0 >"$M/rmpsim/pace"
clock=$(cat "$M/rmpsim/clock")
texts "$work/first"
check 'and ends' eval 'unmount_host && nothing_left "$M"'
check 'the lock is gone when the file is complete' flock -w 20 "$work/loaded.jsonl.gz" true
check 'zcat(1) reads it' eval 'zcat "$work/loaded.jsonl.gz" >"$work/loaded.jsonl"'
lines=$(wc -l <"$work/loaded.jsonl") text=$(stat -c %s "$work/loaded.jsonl") bytes=$(stat -c %s "$work/loaded.jsonl.gz")
printf '# %d lines, %d bytes in %d of text in 3 s of load\n' "$lines" "$bytes" "$text"
check 'and it is small' [ $((bytes * 4)) -lt "$text" ]
check 'a line is JSON' python3 - "$work/loaded.jsonl" <<'END'
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1], encoding="ascii")]
assert lines[0]["rmpfs"] == "recording" and lines[0]["version"] == 2
assert lines[-1]["do"] == "end" and len(lines) > 100
assert all(line["dt"] >= 0 for line in lines[1:])
END
check 'it is its owner'"'"'s alone' [ "$(stat -c %a "$work/loaded.jsonl.gz")" = 600 ]
check 'run again, everything is the same' limit 120 "$RMPFS" replay "$work/loaded.jsonl.gz"
check 'and so it is as plain text' limit 120 "$RMPFS" replay "$work/loaded.jsonl"
M=$work/again
mkdir "$M"
check 'mounted as it was in the end' limit 120 "$RMPFS" replay --mount "$M" --until "$clock" "$work/loaded.jsonl.gz"
expect 'at the same time' "$clock" "$(cat "$M/rmpsim/clock")"
texts "$work/second"
check 'every file is the same, byte for byte' diff -r "$work/first" "$work/second"
check 'it unmounts' unmount_host

# A killed daemon.
mount_host killed --pace 0 --record "$work/killed.jsonl"
mkdir "$M/rmpsim/guests/vm"
echo 2G >"$M/rmpsim/guests/vm/memory"
echo running >"$M/rmpsim/guests/vm/state"
echo 999G 2>/dev/null >"$M/rmpsim/guests/vm/memory"
kill -KILL "$(daemons "$M")"
detach "$M"
expect 'what was asked is there' '"create" "memory" "start"' \
    "$(grep -o '"do":"[a-z]*"' "$work/killed.jsonl" | cut -d: -f2 | head -n 3 | tr '\n' ' ' | sed 's/ $//')"
check 'and runs again' grep -q 'has no end' <("$RMPFS" replay "$work/killed.jsonl")

# In gzip form: all but the last two seconds, in members that are whole.
mount_host compressed --pace 0 --record "$work/compressed.jsonl.gz"
mkdir "$M/rmpsim/guests/vm"
echo 2G >"$M/rmpsim/guests/vm/memory"
has_memory() { zcat "$work/compressed.jsonl.gz" 2>&1 | grep -q '"do":"memory"'; }
check 'two seconds after a command, it is in the file' within 30 has_memory
kill -KILL "$(daemons "$M")"
detach "$M"
check 'which is whole, then' gzip -t "$work/compressed.jsonl.gz"

sed 's/"digest":"[0-9a-f]*"}$/"digest":"1"}/' "$work/loaded.jsonl" >"$work/other.jsonl"
refused 'a host that boots to another state' 1 'boots to another state here' "$RMPFS" replay "$work/other.jsonl"
sed '$s/"digest":"[0-9a-f]*"/"digest":"1"/' "$work/loaded.jsonl" >"$work/other.jsonl"
refused 'another end' 1 'other.jsonl: the final state differs from the recording' "$RMPFS" replay "$work/other.jsonl"
refused 'no recording' 1 'README.md: not a recording' "$RMPFS" replay "$top/README.md"
refused 'a file that is there' 1 'does not replace a file' \
    "$RMPFS" mount --record "$work/killed.jsonl" "$work/again"
check 'nothing is mounted then' nothing_left "$work/again"

# Until a moment: before the guest starts, by the time of that line.
start=$(awk -F'[:,]' '/"do":"start"/ { print time + $2; exit }
    NR == 1 { match($0, /"start":[0-9]+/); time = substr($0, RSTART + 8, RLENGTH - 8); next } { time += $2 }' \
    OFMT=%.0f CONVFMT=%.0f "$work/loaded.jsonl")
check 'until a moment' grep -q 'every answer until then is the same' \
    <("$RMPFS" replay --until $((start - 1)) "$work/loaded.jsonl")

# Played on a mount: the events are the same, however the clock runs.
mount_host played --pace 0 --series v4 --record "$work/played.jsonl"
for guest in a b; do
    mkdir "$M/rmpsim/guests/$guest"
    echo 2G >"$M/rmpsim/guests/$guest/memory"
    echo running >"$M/rmpsim/guests/$guest/state"
    echo +400ms >"$M/rmpsim/clock"
done
echo 1 >"$M/rmpopt/reenable"
echo +3ms >"$M/rmpsim/clock"
rmdir "$M/rmpsim/guests/a"
half=$(cat "$M/rmpsim/clock")
echo +700ms >"$M/rmpsim/clock"
rmdir "$M/rmpsim/guests/b"
echo idle >"$M/rmpsim/clock"
cp "$M/debug/rmpopt/events" "$work/events"
unmount_host
events() { diff "$work/events" <(head -n "$(wc -l <"$work/events")" "$M/debug/rmpopt/events"); }
M=$work/again
play() { limit 30 "$RMPFS" replay --mount "$M" "$@" "$work/played.jsonl"; }
for pace in 10 1000000; do
    check "played at pace $pace" play --pace "$pace"
    limit 60 "$RMPFS" wait "$M" --event 'guest_remove: guest=b *' --since 0 >"$work/said"
    limit 60 "$RMPFS" wait "$M"
    check 'the events are the same' events
    unmount_host
done
check 'played by hand' play --pace 0
for _ in $(seq 40); do echo +7777us >"$M/rmpsim/clock"; done
echo idle >"$M/rmpsim/clock"
check 'the events are the same' events
unmount_host
check 'until a moment' play --pace 100 --until "$half"
# At that moment b still runs; a ends.
limit 60 "$RMPFS" wait "$M" --event 'guest_remove: guest=a *' --since 0 >"$work/said"
check 'it comes there' within 20 eval '[ "$(cat "$M/rmpsim/pace")" = 0 ]'
expect 'and not further' "$half" "$(cat "$M/rmpsim/clock")"
echo +1h >"$M/rmpsim/clock"
expect 'whoever moves it then is alone' b "$(ls "$M/rmpsim/guests")"
unmount_host
refused 'a time before the beginning' 1 'is before its beginning' "$RMPFS" replay --until 5 "$work/played.jsonl"

cd "$work" || exit
limit 60 "$RMPFS" run --record run.jsonl -- sh -c 'echo 1 >/sys/kernel/config/rmpopt/reenable' 2>"$work/said"
check 'rmpfs run records, too' grep -q '"do":"reoptimize"' "$work/run.jsonl"
finish
