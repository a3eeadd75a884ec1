#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Three hosts, each with an exporter, watched by one Prometheus with the rules as they are installed but for the waiting
# times: a simulated host, a real host whose RMP and kernel's table are mounted (both made by a simulated one), and a
# host with an RMP alone. Every query of the dashboard has data, and the numbers that `rmpfs status` says; every alert
# fires for the state that it is for, and ends with it.
# TIMEOUT: 240

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3 setpriv
plan 20

board=$top/packaging/prometheus/rmpfs-dashboard.json
export RMPFS
dashboard() { limit 60 python3 "$top/Tests/Scripts/dashboard.py" "$1" "$board" "${@:2}"; }
check 'the dashboard is in order' dashboard model
# GRAFANA_SDK: folders with versions of grafana-foundation-sdk, with colons between.
fits() {
    local folder
    tr : '\n' <<<"${GRAFANA_SDK:-}" | while read -r folder; do PYTHONPATH=$folder dashboard schema || return; done
}
if PYTHONPATH=${GRAFANA_SDK:-} python3 -c 'import grafana_foundation_sdk' 2>/dev/null; then
    check 'it fits the schema of Grafana' fits
else
    skip 'it fits the schema of Grafana' 'grafana-foundation-sdk is not installed'
fi

missing=
for program in prometheus prometheus-node-exporter; do command -v "$program" >/dev/null || missing=$program; done
if [ -n "$missing" ]; then
    while [ "$number" -lt "$planned" ]; do skip 'three hosts and a Prometheus' "$missing is not installed"; done
    finish
fi

# --- The hosts ---

textfile() { limit 50 "$RMPFS" status --textfile "$work/$1" "${@:2}" 2>/dev/null; }
register() { sed -n "s/^$2 //p" "$1/rmpsim/memory/registers"; }
# guest HOST NAME MEMORY PAGES PLACEMENT: starts a guest.
guest() {
    mkdir "$1/rmpsim/guests/$2"
    echo "$3" >"$1/rmpsim/guests/$2/memory"
    echo "$4" >"$1/rmpsim/guests/$2/page_size"
    echo "$5" >"$1/rmpsim/guests/$2/placement"
    echo running >"$1/rmpsim/guests/$2/state"
}
mkdir "$work"/{a,b,c}

# a: a gigabyte that waits for a pass, the last of which is long over; a pass that does not end; a mount that has died.
mount_host waits --pace 0 --cpus 4 --memory 8G --series v1
A=$M
guest "$A" g 2G 2M packed
mount_host stuck --pace 0 --cpus 2 --memory 4G --series v1
S=$M
mount_host dead --pace 0 --cpus 2 --memory 4G
D=$M

# b: guests have ended, and no pass has come to what they leave.
mount_host kernel --pace 0 --cpus 4 --memory 8G --series v8
K=$M
guest "$K" g 3G 2M packed
mount_host table --engine kernel --config-root "$K" --debug-root "$K/debug" --cpu-root "$K/rmpsim/cpus"
T=$M
echo stopped >"$K/rmpsim/guests/g/state"
echo +100ms >"$K/rmpsim/clock"
limit 60 cp --sparse=always "$K/rmpsim/memory/image" "$work/image-b"
mount_host rmp-b --engine rmp --rmp-image "$work/image-b" --rmp-base "$(register "$K" rmp_base)" --rmp-cfg 0x2501
B=$M

# c: guests that are scattered, a page of nobody's, an entry that is like nothing in the manual.
mount_host scattered --pace 0 --cpus 2 --memory 8G
G=$M
guest "$G" a 600M 2M 'ranges 0xc0000000-0xe5800000'
guest "$G" b 64M 4K 'ranges 0x80000000-0x84000000'
echo '0x1ffe03000 assigned=1' >"$G/rmpsim/memory/rmpupdate"
limit 60 cp --sparse=always "$G/rmpsim/memory/image" "$work/image-c"
limit 60 "$RMPFS" rmp --json --memory "$work/image-c" --rmp-base "$(register "$G" rmp_base)" --rmp-cfg 0x2501 \
    >"$work/segments"
python3 - "$work/segments" "$work/image-c" <<'PYTHON'
import json, sys
with open(sys.argv[1], encoding="utf-8") as file:
    table = int(json.load(file)["segments"][0]["table"], 16)
with open(sys.argv[2], "r+b") as image:
    # An ASID in an entry that is not assigned.
    image.seek(table + 16 * (0x150000000 >> 12) + 16 * 3)
    image.write((5 << 51).to_bytes(8, "little"))
PYTHON
mount_host rmp-c --engine rmp --full-reading --rmp-image "$work/image-c" --rmp-base "$(register "$G" rmp_base)" \
    --rmp-cfg 0x2501
C=$M

# --- Prometheus ---

# watched SECONDS COMMAND...: a server that ends with this test, even if that is killed.
watched() { exec timeout -k 2 "$1" setpriv --pdeathsig KILL "${@:2}"; }

# shellcheck disable=SC2034 # used by name
read -r port_a port_b port_c server < <(python3 -c '
import socket
sockets = [socket.socket() for _ in range(4)]
for one in sockets:
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in sockets))')
sed -E 's/^( +for:) .*/\1 1s/; s/\[15m\]/[5s]/' "$top/packaging/prometheus/rmpfs.rules.yml" >"$work/rules.yml"
{
    echo 'global: {scrape_interval: 1s, evaluation_interval: 1s}'
    echo "rule_files: [$work/rules.yml]"
    echo 'scrape_configs:'
    echo '  - job_name: node'
    echo '    static_configs:'
    for host in a b c; do
        port=port_$host
        echo "      - {targets: ['127.0.0.1:${!port}'], labels: {instance: $host.example}}"
    done
} >"$work/prometheus.yml"
servers=()
for host in a b c; do
    port=port_$host
    watched 200 prometheus-node-exporter --collector.disable-defaults --collector.textfile \
        --collector.textfile.directory="$work/$host" --web.listen-address="127.0.0.1:${!port}" \
        >"$work/exporter-$host.log" 2>&1 &
    servers+=($!)
done
mkdir "$work/data"
watched 200 prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/data" \
    --web.listen-address="127.0.0.1:$server" >"$work/server.log" 2>&1 &
servers+=($!)

# firing: the alerts that fire, a line for each host and name.
firing() {
    python3 -c '
import json, sys, urllib.request
with urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/api/v1/alerts", timeout=5) as reply:
    alerts = json.load(reply)["data"]["alerts"]
print(*sorted({one["labels"]["instance"][0] + " " + one["labels"]["alertname"].removeprefix("RMPOPT")
               for one in alerts if one["state"] == "firing"}), sep="\n")' "$server" 2>/dev/null
}
fires() { firing | grep -qx "$1"; }
quiet() { ! fires "$1"; }
# hosts: what the timers do.
hosts() { textfile a "$A" "$S" "$D"; textfile b "$T" "$B"; textfile c "$C"; }

hosts
within 30 fires 'c TableOdd'
# A rate needs two samples.
echo 1 >"$A/rmpopt/reenable"
echo idle >"$A/rmpsim/clock"
hosts
sleep 3
check 'every panel has data, and what status says' dashboard queries "http://127.0.0.1:$server" \
    "a.example=$A" "a.example=$S" "a.example=$D" "b.example=$T" "b.example=$B" "c.example=$C"

expect 'what fires at first' "b RegionsWaiting
c PagesLeaked
c PlacementCostsRegions
c TableOdd" "$(firing)"

# --- Alerts ---

echo stopped >"$A/rmpsim/guests/g/state"
echo +2h >"$A/rmpsim/clock"
echo 1 >"$S/rmpopt/reenable"
kill -KILL "$(daemons "$D")"
within 5 eval '! stat "$D" 2>/dev/null'
hosts
for alert in RegionsSlow PassOverdue PassStuck MountDown; do check "$alert fires" within 30 fires "a $alert"; done
# The timer has stopped.
touch -d '1 hour ago' "$work/b"/*.prom
check 'MetricsStale fires' within 30 fires 'b MetricsStale'
check 'each is known to the dashboard' eval 'limit 30 python3 -c "
import json, sys, urllib.parse, urllib.request
board = json.load(open(sys.argv[1]))
query = [t[\"expr\"] for p in board[\"panels\"] for t in p[\"targets\"] if p[\"title\"] == \"Alerts that fire\"][0]
url = sys.argv[2] + \"/api/v1/query?\" + urllib.parse.urlencode({\"query\": query.replace(\"\$instance\", \".*\")})
value = json.load(urllib.request.urlopen(url))[\"data\"][\"result\"][0][\"value\"][1]
assert int(value) >= 9, value" "$board" "http://127.0.0.1:$server"'

echo 1 >"$A/rmpopt/reenable"
echo idle >"$A/rmpsim/clock"
echo idle >"$S/rmpsim/clock"
unmount_host "$D"
mount_host dead --pace 0 --cpus 2 --memory 4G
echo 1 >"$K/rmpopt/reenable"
echo idle >"$K/rmpsim/clock"
echo '0x1ffe03000 assigned=0' >"$G/rmpsim/memory/rmpupdate"
for name in a b; do echo stopped >"$G/rmpsim/guests/$name/state"; done
echo idle >"$G/rmpsim/clock"
renew_image "$work/image-c" "$G"
echo 1 >"$C/rmpopt/refresh"
hosts
for alert in RegionsSlow PassOverdue PassStuck MountDown; do check "$alert ends" within 30 quiet "a $alert"; done
for alert in MetricsStale RegionsWaiting; do check "$alert ends" within 30 quiet "b $alert"; done
for alert in PagesLeaked PlacementCostsRegions TableOdd; do check "$alert ends" within 30 quiet "c $alert"; done
expect 'nothing fires any more' '' "$(firing)"

kill "${servers[@]}"
wait "${servers[@]}" 2>/dev/null
finish
