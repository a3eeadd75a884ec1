#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Recordings: the load of 64 clients, run again, gives the same answers and, mounted, the same bytes in every file; a
# daemon that is killed leaves what was; changed and foreign files are told; --until; `rmpfs run --record`.

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need cc python3
plan 20

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

mount_host loaded --cpus 64 --memory 64G --record "$work/loaded.jsonl"
check '64 clients load a host that is recorded' limit 120 "$load" --seconds 3 64 64 "$M"
check 'it comes to rest' "$RMPFS" wait "$M" --timeout 60
echo 0 >"$M/rmpsim/pace"
clock=$(cat "$M/rmpsim/clock")
texts "$work/first"
check 'and ends' eval 'unmount_host && nothing_left "$M"'
printf '# %d lines, %d bytes in 3 s of load\n' "$(wc -l <"$work/loaded.jsonl")" "$(stat -c %s "$work/loaded.jsonl")"
check 'a line is JSON' python3 - "$work/loaded.jsonl" <<'END'
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1], encoding="ascii")]
assert lines[0]["rmpfs"] == "recording" and lines[0]["version"] == 1
assert lines[-1]["do"] == "end" and len(lines) > 100
assert all(a["t"] <= b["t"] for a, b in zip(lines[1:], lines[2:]))
END
check 'it is its owner'"'"'s alone' [ "$(stat -c %a "$work/loaded.jsonl")" = 600 ]
check 'run again, everything is the same' limit 120 "$RMPFS" replay "$work/loaded.jsonl"
M=$work/again
mkdir "$M"
check 'mounted as it was in the end' limit 120 "$RMPFS" replay --mount "$M" --until "$clock" "$work/loaded.jsonl"
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
sed 's/"digest":"[0-9a-f]*"}$/"digest":"1"}/' "$work/loaded.jsonl" >"$work/other.jsonl"
refused 'a host that boots to another state' 1 'boots to another state here' "$RMPFS" replay "$work/other.jsonl"
sed '$s/"digest":"[0-9a-f]*"/"digest":"1"/' "$work/loaded.jsonl" >"$work/other.jsonl"
refused 'another end' 1 'the state at the end is another one' "$RMPFS" replay "$work/other.jsonl"
refused 'no recording' 1 'this is no recording' "$RMPFS" replay "$top/README.md"
refused 'a file that is there' 1 'does not replace a file' \
    "$RMPFS" mount --record "$work/killed.jsonl" "$work/again"
check 'nothing is mounted then' nothing_left "$work/again"

# Until a moment: before the guest starts, by the time of that line.
start=$(sed -n 's/.*"t":\([0-9]*\),"do":"start".*/\1/p' "$work/loaded.jsonl" | head -n 1)
check 'until a moment' grep -q 'every answer until then is the same' \
    <("$RMPFS" replay --until $((start - 1)) "$work/loaded.jsonl")

cd "$work" || exit
limit 60 "$RMPFS" run --record run.jsonl -- sh -c 'echo 1 >/sys/kernel/config/rmpopt/reenable' 2>"$work/said"
check 'rmpfs run records, too' grep -q '"do":"reoptimize"' "$work/run.jsonl"
finish
