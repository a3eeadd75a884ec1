#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The kit for Prometheus: files for the textfile collector, rules, dashboard, and the way from a mount to an alert with
# the programs themselves.
# TIMEOUT: 180

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3 setpriv
plan 34

kit=$top/packaging/prometheus
collector=$work/collector
mkdir "$collector"
textfile() { limit 30 "$RMPFS" status --textfile "$collector" "$@"; }
# file PATH: the name that a mount's file has, with - for / and _ and two digits for what is no letter, digit or dot.
file() {
    python3 -c 'import re, sys
print("rmpfs-" + re.sub(rb"[^A-Za-z0-9.]", lambda m: b"-" if m[0] == b"/" else b"_%02x" % m[0][0],
    sys.argv[1].encode().lstrip(b"/")).decode() + ".prom")' "$1"
}
# value FILE SAMPLE: what a file says of a sample.
value() { awk -v sample="$2" '$1 == sample { print $2 }' "$collector/$1"; }

# --- status --textfile ---

mount_host a_b --pace 0 --cpus 4 --memory 8G
A=$M
mount_host c-d --pace 0 --cpus 2 --memory 4G --series v8
C=$M
a=$(file "$A") c=$(file "$C")
check 'metrics of two mounts' textfile "$A" "$C"
expect 'a file each' "$(printf '%s\n' "$a" "$c" | sort)" "$(ls "$collector")"
expect 'readable by everybody' '644 644' "$(cd "$collector" && stat -c %a -- * | paste -sd ' ')"
expect 'a label tells them apart' "8 4" \
    "$(value "$a" "rmpopt_regions{mount=\"$A\"}") $(value "$c" "rmpopt_regions{mount=\"$C\"}")"
check 'each sample has it' eval '! grep -v "^#" "$collector/$c" | grep -qv "^[a-z_]*{mount=\"$C\""'
expect 'all are up' 2 "$(cat "$collector"/*.prom | grep -c '^rmpopt_up{.*} 1$')"
touch -d '1 hour ago' "$collector/$c"
textfile "$C"
check 'it is written anew each time' [ "$(($(date +%s) - $(stat -c %Y "$collector/$c")))" -lt 60 ]
expect 'nothing else is left behind' 2 "$(find "$collector" -type f | wc -l)"
kill -KILL "$(daemons "$C")"
within 5 eval '! stat "$C" 2>/dev/null'
textfile "$A" "$C"
expect 'a dead mount is down, and says no more' '0 1' \
    "$(value "$c" "rmpopt_up{mount=\"$C\"}") $(grep -vc '^#' "$collector/$c")"
unmount_host "$C"
touch "$collector/other.prom" "$collector/$c.new" "$collector/$a.new" "$collector/rmpfs-other.new"
textfile
expect 'all mounts: the file of one that has gone goes, and what a crash left of it' \
    "$(printf '%s\n' other.prom rmpfs-other.new "$a" | sort)" "$(ls "$collector")"

# One that takes long makes no other wait.
mount_host slow --pace 0 --cpus 2 --memory 4G
L=$M
l=$(file "$L")
mkdir "$L/rmpsim/faults/late"
echo debug/rmpopt/metrics >"$L/rmpsim/faults/late/path"
echo 15000 >"$L/rmpsim/faults/late/delay_ms"
rm -f "$collector"/*
limit 30 "$RMPFS" status --textfile "$collector" "$L" "$A" &
late=$!
check 'metrics that take long make no other wait' within 8 [ -e "$collector/$a" ]
check 'they are waited for' [ ! -e "$collector/$l" ]
wait "$late"
expect 'and written when they come' 1 "$(value "$l" "rmpopt_up{mount=\"$L\"}")"
rmdir "$L/rmpsim/faults/late"

# Many at once, and some that are killed: a reader always sees a whole file.
python3 - "$RMPFS" "$collector" "$A" "$L" <<'PYTHON' >"$work/halves"
import pathlib, random, subprocess, sys, time
program, folder, *mounts = sys.argv[1:]
for number in range(60):
    writers = [subprocess.Popen([program, "status", "--textfile", folder, *mounts], stderr=subprocess.DEVNULL)
               for _ in range(3)]
    time.sleep(random.random() / 100)
    writers[number % 3].kill()
    for one in writers:
        one.wait(30)
    for path in pathlib.Path(folder).glob("*.prom"):
        lines = path.read_text().splitlines()
        if not (lines[0].startswith("# HELP rmpopt_up ") and lines[-1].startswith("rmpopt_uptime_seconds")):
            print(path)
PYTHON
expect 'no reader sees half a file' '' "$(cat "$work/halves")"
if [ "$(id -u)" = 0 ] && mkdir "$work/full" && mount -t tmpfs -o size=4k tmpfs "$work/full" 2>/dev/null; then
    refused 'a full disk' 1 'No space left on device' "$RMPFS" status --textfile "$work/full" "$L"
    expect 'half a file does not stay there' '' "$(ls "$work/full")"
    umount "$work/full"
else
    skip 'a full disk' 'no tmpfs can be mounted'
    skip 'half a file does not stay there' 'no tmpfs can be mounted'
fi
unmount_host "$L"
rm -f "$collector"/*
mkdir "$work/typo"
textfile "$work/typo" 2>"$work/said"
expect 'nothing is mounted where one is named: it is down' 0 \
    "$(value "$(file "$work/typo")" "rmpopt_up{mount=\"$work/typo\"}")"
check 'and why is told' grep -qx "rmpfs: $work/typo: no rmpfs is mounted here; rmpopt_up is 0" "$work/said"
rm -f "$collector"/*
refused 'no folder' 64 'no such folder' "$RMPFS" status --textfile "$work/none"
refused 'two mounts without it' 64 'give one mountpoint' "$RMPFS" status "$A" "$A"

# A sum without overlap: each region is optimized on all CPUs, or held back by one reason.
mkdir "$A/rmpsim/guests/g"
echo 2G >"$A/rmpsim/guests/g/memory"
echo running >"$A/rmpsim/guests/g/state"
whole() {
    awk '/^rmpopt_regions / { all = $2 } /^rmpopt_regions_optimized{cpus="all"}/ { sum += $2 }
        /^rmpopt_regions_held_back/ { sum += $2 } END { exit !(all == 8 && sum == all) }' "$A/debug/rmpopt/metrics"
}
check 'regions add up with a guest' whole
echo stopped >"$A/rmpsim/guests/g/state"
echo +1s >"$A/rmpsim/clock"
check 'regions add up behind it' whole
expect 'which wait for a pass' 'rmpopt_regions_held_back{reason="not_scanned"} 2' \
    "$(grep not_scanned "$A/debug/rmpopt/metrics")"
expect 'passes as a histogram' "$(awk '/^rmpopt_passes_total / { print $2 }' "$A/debug/rmpopt/metrics")" \
    "$(awk '/^rmpopt_pass_duration_seconds_count / { print $2 }' "$A/debug/rmpopt/metrics")"

# A large host has no more series than a small one but for its CPUs, as docs/real-hosts.md says.
mount_host large --pace 0 --cpus 8192 --memory 64T
textfile "$M" "$A"
series() { grep -v '^#' "$collector/$(file "$1")" | grep -vc '^rmpopt_cpu_'; }
expect 'series do not grow with memory' "$(series "$A")" "$(series "$M")"
check 'there are fewer than 80, and one for each CPU' \
    eval '[ "$(series "$M")" -lt 80 ] && [ "$(grep -c "^rmpopt_cpu_" "$collector/$(file "$M")")" = 8192 ]'
unmount_host

# --- Rules and dashboard ---

limit 60 cp --sparse=always "$A/rmpsim/memory/image" "$work/image"
mount_host rmp --engine rmp --rmp-image "$work/image" \
    --rmp-base "$(sed -n 's/^rmp_base //p' "$A/rmpsim/memory/registers")" \
    --rmp-cfg "$(sed -n 's/^rmp_cfg //p' "$A/rmpsim/memory/registers")"
R=$M
rm -f "$collector"/*
textfile "$A" "$R"

if ! command -v promtool >/dev/null; then
    for name in 'rules are well formed' 'rules do what they should' 'promtool accepts all metrics'; do
        skip "$name" 'promtool is not installed'
    done
else
    check 'rules are well formed' limit 30 promtool check rules "$kit/rmpfs.rules.yml"
    check 'rules do what they should' eval 'cd "$kit" && limit 30 promtool test rules rmpfs.rules.test.yml'
    accepted() {
        local one
        for one in "$a" "$(file "$R")"; do limit 30 promtool check metrics <"$collector/$one" || return; done
    }
    check 'promtool accepts all metrics' accepted
fi
# Every metric that rules and dashboard name is one that a mount has: simulated, or by an RMP.
known() {
    python3 - "$kit" "$collector"/*.prom <<'PYTHON'
import json, re, sys
names = {"node_textfile_mtime_seconds"}
helps = {}
for path in sys.argv[2:]:
    for line in open(path, encoding="utf-8"):
        match = re.match(r"# (HELP|TYPE) (\S+) (.*)", line)
        if match:
            key = match[1], match[2]
            assert helps.setdefault(key, match[3]) == match[3], line
            # Each is read alone, so there is nothing that a pronoun could stand for.
            assert not re.search(r"\b(it|its|they|them|these|those)\b", match[3]), line
        else:
            names.add(re.match(r"[a-z_]+", line)[0])
texts = open(sys.argv[1] + "/rmpfs.rules.yml", encoding="utf-8").read()
names |= set(re.findall(r"record: (\S+)", texts))
with open(sys.argv[1] + "/rmpfs-dashboard.json", encoding="utf-8") as file:
    board = json.load(file)
wanted = [t["expr"] for p in board["panels"] for t in p["targets"]]
assert len(wanted) > 10
wanted += re.findall(r"expr: (.*)|^ +((?:\(|and ).*)", texts, re.M) and re.findall(r"[a-z_:]*rmpopt[a-z_0-9:]*", texts)
for text in wanted:
    for name in re.findall(r"(?:(?:mount|instance):)?rmpopt_[a-z0-9_:]+|node_[a-z_]+", text):
        assert name in names, name
PYTHON
}
check 'rules and dashboard name metrics that there are; help and type are the same everywhere, and stand alone' known

# --- From a mount to an alert ---

missing=
for program in prometheus prometheus-node-exporter; do command -v "$program" >/dev/null || missing=$program; done
names=('the exporter takes both mounts' 'a scrape brings them' 'the ratio is recorded' 'an alert fires')
if [ -n "$missing" ]; then
    for name in "${names[@]}"; do skip "$name" "$missing is not installed"; done
    finish
fi
# watched SECONDS COMMAND...: a server that ends with this test, even if that is killed.
watched() { exec timeout -k 2 "$1" setpriv --pdeathsig KILL "${@:2}"; }
read -r exporter server < <(python3 -c '
import socket
sockets = [socket.socket() for _ in range(2)]
for one in sockets:
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in sockets))')
mkdir "$work/data"
sed -E 's/^( +for:) .*/\1 1s/' "$kit/rmpfs.rules.yml" >"$work/rules.yml"
cat >"$work/prometheus.yml" <<CONFIG
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [$work/rules.yml]
scrape_configs:
  - job_name: node
    static_configs: [{targets: ['127.0.0.1:$exporter']}]
CONFIG
watched 120 prometheus-node-exporter --collector.disable-defaults --collector.textfile \
    --collector.textfile.directory="$collector" --web.listen-address="127.0.0.1:$exporter" >"$work/exporter.log" 2>&1 &
first=$!
watched 120 prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/data" \
    --web.listen-address="127.0.0.1:$server" >"$work/server.log" 2>&1 &
second=$!
# get PORT PATH: what a server says.
get() {
    python3 -c 'import sys, urllib.request
print(urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/{sys.argv[2]}", timeout=5).read().decode())' "$1" "$2" \
        2>/dev/null
}
exported() {
    get "$exporter" metrics >"$work/exported" && grep -q '^node_textfile_scrape_error 0$' "$work/exported" \
        && [ "$(grep -c '^rmpopt_up{' "$work/exported")" = 2 ]
}
check "${names[0]}" within 20 exported
asked() { get "$server" "api/v1/query?query=$1" | grep -qF -- "$2"; }
check "${names[1]}" within 30 asked rmpopt_regions_free '"mount":'
check "${names[2]}" within 30 asked mount:rmpopt_regions_optimized:ratio '"0.5"'
firing() { asked 'ALERTS%7Balertstate=%22firing%22%7D' '"alertname":"RMPOPTRegionsSlow"'; }
check "${names[3]}" within 40 firing
kill "$first" "$second"
wait "$first" "$second" 2>/dev/null
finish
