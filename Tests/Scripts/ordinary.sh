#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Memory without SNP on a mount: ordinary guests in every version, the host's own memory and its page cache, free memory
# by node; a recording of it all runs again; `rmpfs simulate` and a mount agree about the same guests.

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3
versions=(v1 v2 v3 v4 v5 v6 v7 v8 v9 v10 merged)
plan $((${#versions[@]} + 25))

# table: what each CPU has optimized, in every version.
table() { cat "$M"/debug/rmpopt/cpu0 "$M"/debug/rmpopt/cpu3; }
# guest NAME TYPE MEMORY: makes a guest and launches it.
guest() {
    local folder=$M/rmpsim/guests/$1
    mkdir "$folder" && echo "$2" >"$folder/type" && echo "$3" >"$folder/memory" && echo running >"$folder/state"
}
free() { head -1 "$M/rmpsim/memory/free"; }
metric() { grep "^$1 " "$M/debug/rmpopt/metrics" | cut -d' ' -f2; }

# lives: an ordinary guest comes and goes, and nothing but memory changes.
lives() {
    local before requests passes had
    echo 1 >"$M/rmpopt/reenable" && echo idle >"$M/rmpsim/clock" || return
    before=$(table) had=$(free) passes=$(cat "$M/debug/rmpopt/passes")
    requests=$(grep ^rmpopt_requests "$M/debug/rmpopt/metrics")
    guest vm ordinary 6G || return
    [ "$(table)" = "$before" ] && [ "$(cat "$M/rmpsim/guests/vm/asid")" = 0 ] || return
    ! grep guest "$M/debug/rmpopt/blockers" || return
    [ "$(free)" = $((had - (6 << 30))) ] || return
    echo stopped >"$M/rmpsim/guests/vm/state" && [ "$(cat "$M/rmpsim/guests/vm/state")" = stopped ] || return
    [ "$(free)" = "$had" ] && echo +1h >"$M/rmpsim/clock" || return
    [ "$(table)" = "$before" ] && [ "$(cat "$M/debug/rmpopt/passes")" = "$passes" ] || return
    [ "$(grep ^rmpopt_requests "$M/debug/rmpopt/metrics")" = "$requests" ]
}

for version in "${versions[@]}"; do
    mount_host "lives-$version" --cpus 4 --memory 8G --pace 0 --series "$version"
    check "$version: an ordinary guest changes nothing but free memory" lives
    unmount_host
done

# --- Its files ---

mount_host files --cpus 4 --memory 8G --pace 0 --record "$work/files.jsonl"
G=$M/rmpsim/guests/web
mkdir "$G"
expect 'a new guest is an SNP guest' snp "$(cat "$G/type")"
check 'it can become an ordinary one' eval 'echo ordinary >"$G/type" && [ "$(cat "$G/type")" = ordinary ]'
echo 1G >"$G/memory"
echo aligned >"$G/placement"
echo running >"$G/state"
expect 'its regions are those of its memory' 1 "$(cat "$G/regions")"
expect 'nothing of it is private' 'private 0 pages, 2M entries 0, 4K entries 0' "$(cat "$G/convert")"
check 'nothing can be' eval '! echo "private 0 4K" >"$G/convert"'
check 'all of it is shared already' eval 'echo "shared 0 4K" >"$G/convert"'
check 'its type stays while it runs' eval '! echo snp >"$G/type"'
expect 'metrics have its memory' $((1 << 30)) "$(metric 'rmpopt_ordinary_memory_bytes{by="guest"}')"
check 'and metrics and file agree on what is free' [ "$(metric rmpopt_memory_free_bytes)" = "$(free)" ]

# The hypervisor may assign one of its pages: a bug, which the region then shows.
echo 1 >"$M/rmpopt/reenable"; echo idle >"$M/rmpsim/clock"
expect 'its region is optimized' 'optimized' "$(sed -n '2s/.*: //p' "$M/debug/rmpopt/cpu0")"
echo '0x40000000 assigned=1 asid=5' >"$M/rmpsim/memory/rmpupdate"
expect 'until a page of it is assigned by hand' 'checked' "$(sed -n '2s/.*: //p' "$M/debug/rmpopt/cpu0")"
echo 0x40000000 >"$M/rmpsim/memory/rmpupdate"

# --- The host's own memory, the page cache ---

had=$(free)
echo 1G >"$M/rmpsim/memory/host"
echo 3000000K >"$M/rmpsim/memory/page_cache"
expect 'the host has what was written' $((1 << 30)) "$(cat "$M/rmpsim/memory/host")"
cache=$(cat "$M/rmpsim/memory/page_cache")
expect 'the page cache has whole chunks' $(((3072000000 / 2097152 + 1) * 2097152)) "$cache"
expect 'both come out of free memory' $((had - (1 << 30) - cache)) "$(free)"
check 'free memory is the sum of the nodes' python3 - "$M/rmpsim/memory/free" <<'END'
import re, sys
total, *nodes = open(sys.argv[1]).read().splitlines()
nodes = [re.fullmatch(r"node=(\d+) free=(\d+) largest_block=(\d+)", line) for line in nodes]
assert nodes and all(nodes) and sum(int(node[2]) for node in nodes) == int(total)
assert all(0 < int(node[3]) <= int(node[2]) for node in nodes)
END
left=$(free)
guest big ordinary $((left + (1 << 30)))
expect 'a guest that needs more than is free gets it' running "$(cat "$M/rmpsim/guests/big/state")"
expect 'from the page cache, as much as was missing' $((cache - (1 << 30))) "$(cat "$M/rmpsim/memory/page_cache")"
expect 'and nothing is free' 0 "$(free)"
check 'the event says so' eval 'tail -3 "$M/debug/rmpopt/events" | grep -q "page_cache: bytes=$((cache - (1 << 30)))$"'
guest small snp 64M
expect 'an SNP guest gets its memory from there, too' running "$(cat "$M/rmpsim/guests/small/state")"
expect 'kexec is refused for the SNP guest' EBUSY "$(call write "$M/rmpsim/firmware/state" kexec)"
rmdir "$M/rmpsim/guests/small"
echo idle >"$M/rmpsim/clock"
echo kexec >"$M/rmpsim/firmware/state"
expect 'not for ordinary ones, which end' stopped "$(cat "$M/rmpsim/guests/big/state")"
expect 'and with the page cache' 0 "$(cat "$M/rmpsim/memory/page_cache")"
unmount_host
check 'a recording of it runs again' limit 60 "$RMPFS" replay "$work/files.jsonl"

# --- The lab ---

cat >"$work/trace.csv" <<'END'
arrival_s,memory_mib,lifetime_s,snp,vcpus
0,1500,,0,1
0,700,,1,1
0,2500,,0,1
0,300,,1,2
0,1000,,0,1
END
cat >"$work/lab.yaml" <<'END'
memory: 16G
cpus: 4
duration: 100s
placement: packed
host_percent: 0
ordinary_backing: 2M
snp_backing: 4K
trigger: v10
workload: {trace: trace.csv}
END
limit 60 "$RMPFS" simulate "$work/lab.yaml" --out "$work/lab" >"$work/.output" 2>&1
mount_host same --cpus 4 --memory 16G --pace 0 --series v10
while IFS=, read -r _ mib _ snp vcpus; do
    [ "$mib" != memory_mib ] || continue
    name=g$((i = ${i:-0} + 1))
    mkdir "$M/rmpsim/guests/$name"
    [ "$snp" = 1 ] || echo ordinary >"$M/rmpsim/guests/$name/type"
    [ "$snp" = 0 ] || echo 4K >"$M/rmpsim/guests/$name/page_size"
    echo "$vcpus" >"$M/rmpsim/guests/$name/vcpus"
    echo "${mib}M" >"$M/rmpsim/guests/$name/memory"
    echo running >"$M/rmpsim/guests/$name/state"
done <"$work/trace.csv"
check 'simulate and a mount agree about the same guests' python3 - "$M" "$work/lab/results.csv" <<'END'
import csv, os, re, sys
mount, results = sys.argv[1:]
row = next(csv.DictReader(open(results)))
metrics = dict(line.rsplit(" ", 1) for line in open(mount + "/debug/rmpopt/metrics") if not line.startswith("#"))
def same(name, lab, host):
    lab, host = float(lab), float(host)
    assert abs(lab - host) <= 1e-9 * max(1, host), f"{name}: {lab} in the lab, {host} in the mount"
same("ordinary memory", row["ordinary_bytes_mean"], metrics['rmpopt_ordinary_memory_bytes{by="guest"}'])
same("free memory", row["free_bytes_mean"], open(mount + "/rmpsim/memory/free").readline())
lost = sum(int(metrics[f'rmpopt_regions_optimized{{cpus="{word}"}}']) for word in ("some", "none"))
same("lost regions", row["lost_regions_max"], lost)
same("lost regions, mean", row["lost_regions_mean"], lost)
END
unmount_host
finish
