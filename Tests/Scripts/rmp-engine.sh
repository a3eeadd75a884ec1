#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A real host's RMP as a mount (--engine rmp), and as the start of a simulated machine (--rmp-image): both say of it
# what the host says that it is from.
# TIMEOUT: 180

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3
plan 37

guest() {
    mkdir "$M/rmpsim/guests/$1"
    echo "$3" >"$M/rmpsim/guests/$1/page_size"
    echo "$4" >"$M/rmpsim/guests/$1/placement"
    echo "$2" >"$M/rmpsim/guests/$1/memory"
    echo running >"$M/rmpsim/guests/$1/state"
}
mount_host host --pace instant --cpus 4 --memory 8G
guest a 300M 4K packed
guest b 2G 2M 'scattered 7'
# A page of nobody's.
echo '0x1ffe03000 assigned=1' >"$M/rmpsim/memory/rmpupdate"
value() { sed -n "s/^$1 //p" "$S/rmpsim/memory/registers"; }
S=$M
registers=(--rmp-base "$(value rmp_base)" --rmp-cfg "$(value rmp_cfg)")
check 'an image is saved' limit 60 cp --sparse=always "$S/rmpsim/memory/image" "$work/image"

# --- --engine rmp ---

# plain: blockers without what an RMP does not know: names, whether a page is leaked for good, what waits for a pass.
plain() {
    sed -E 's/guest [^ ]+ \(/guest ? (/g; s/(reclaim|locked) /leaked /g; s/(, )?not scanned//; /GB: $/d' \
        | python3 -c 'import sys
for line in sys.stdin:
    head, parts = line.rstrip("\n").split("GB: ")
    print(head, sorted(parts.split(", ")))'
}
mount_host rmp --engine rmp --rmp-image "$work/image" "${registers[@]}" --memory 8G --max-age 86400
R=$M
expect 'the files' 'blockers cpu0 metrics refresh' \
    "$(cd "$R" && find debug rmpopt -type f -printf '%f\n' | sort | paste -sd ' ')"
expect 'their modes' '444 444 444 644' \
    "$(cd "$R" && stat -c %a debug/rmpopt/{blockers,cpu0,metrics} rmpopt/refresh | paste -sd ' ')"
expect 'blockers say what the host says' "$(plain <"$S/debug/rmpopt/blockers")" "$(plain <"$R/debug/rmpopt/blockers")"
expect 'words of what is known' '' \
    "$(sed 's/.*GB: //' "$R/debug/rmpopt/cpu0" | sort -u | grep -vxE 'free|held')"
expect 'a region for each gigabyte' 8 "$(wc -l <"$R/debug/rmpopt/cpu0")"
held() { grep -c held "$R/debug/rmpopt/cpu0"; }
expect 'held is what has blockers' "$(wc -l <"$R/debug/rmpopt/blockers")" "$(held)"
sums() {
    awk '/^rmpopt_regions / { all = $2 } /^rmpopt_regions_free / { sum += $2 } /^rmpopt_regions_held_back/ { sum += $2 }
        END { exit !(all == 8 && sum == all) }' "$R/debug/rmpopt/metrics"
}
check 'metrics add up' sums
expect 'pages by owner as rmp counts them' \
    "$(limit 60 "$RMPFS" rmp --quick --json --memory "$work/image" "${registers[@]}" --end 8G | python3 -c '
import json, sys
sums = {"rmp_table": 0, "firmware": 0, "guest": 0, "reclaim": 0, "locked": 0}
for item in json.load(sys.stdin)["totals"]:
    if item["owner"] in sums:
        sums[item["owner"]] += item["pages"]
print(*sums.values())')" \
    "$(sed -n 's/^rmpopt_pages{.*} //p' "$R/debug/rmpopt/metrics" | paste -sd ' ')"
expect 'two guests' 'rmpopt_guests 2' "$(grep '^rmpopt_guests' "$R/debug/rmpopt/metrics")"
expect 'no answer about passes' '' "$(grep -E '^rmpopt_(pass|last)' "$R/debug/rmpopt/metrics")"
if command -v promtool >/dev/null; then
    check 'promtool accepts metrics' eval 'promtool check metrics <"$R/debug/rmpopt/metrics"'
else
    skip 'promtool accepts metrics' 'promtool is not installed'
fi
check 'status knows it' eval 'limit 30 "$RMPFS" status "$R" | grep -qE "^held +$(held) regions"'
expect 'status in JSON' "$((8 - $(held))) None" "$(limit 30 "$RMPFS" status --json "$R" | python3 -c '
import json, sys
regions = json.load(sys.stdin)["regions"]
print(regions["free"], regions["optimized_on_all"])')"
check 'map knows it' eval 'limit 30 "$RMPFS" map "$R" | grep -qE "^free: $((8 - $(held))) .*held: $(held)"'

# The host changes: its memory is the image.
echo stopped >"$S/rmpsim/guests/a/state"
renew_image "$work/image" "$S"
expect 'what is young is told again' 'rmpopt_guests 2' "$(grep '^rmpopt_guests' "$R/debug/rmpopt/metrics")"
check 'a refresh' eval 'echo 1 >"$R/rmpopt/refresh"'
expect 'and then it is the present' 'rmpopt_guests 1' "$(grep '^rmpopt_guests' "$R/debug/rmpopt/metrics")"
expect 'blockers, too' "$(plain <"$S/debug/rmpopt/blockers")" "$(plain <"$R/debug/rmpopt/blockers")"
expect 'nothing is being read' 0 "$(cat "$R/rmpopt/refresh")"
expect 'other values are refused' 'EINVAL EINVAL' \
    "$(call write "$R/rmpopt/refresh" 2) $(call write "$R/rmpopt/refresh" x)"
truncate -s 100M "$work/image"
expect 'an RMP that is cut off is an error' EIO "$(call write "$R/rmpopt/refresh" 1)"
expect 'and the last reading stays' 'rmpopt_guests 1' "$(grep '^rmpopt_guests' "$R/debug/rmpopt/metrics")"
unmount_host "$R"
mv "$work/next" "$work/image"

mkdir "$work/at"
refused 'an option of a simulated machine' 64 'only for a simulated machine' \
    "$RMPFS" mount --engine rmp --series v8 "$work/at"
refused 'an option of this engine' 64 'only for --engine rmp' "$RMPFS" mount --max-age 3 "$work/at"
refused 'two hosts' 64 'give one of them' "$RMPFS" mount --engine rmp --sysroot / --rmp-image "$work/image" \
    --rmp-base 0x100000 "$work/at"
refused 'no segment table' 1 'has no segments' "$RMPFS" mount --engine rmp --rmp-image "$work/image" \
    --rmp-base 0x3f000000 --rmp-cfg 0x2501 "$work/at"

# --- --rmp-image ---

mkdir "$work/machine"
limit 60 "$RMPFS" mount --pace instant --cpus 4 --rmp-image "$work/image" "${registers[@]}" --memory 8G \
    "$work/machine" >"$work/said" 2>&1
check 'a machine of its own' is_mounted "$work/machine"
check 'it says what was chosen' grep -q '1 guest; an RMP does not say whose its Context pages are' "$work/said"
A=$work/machine
expect 'blockers say what the host says' "$(plain <"$S/debug/rmpopt/blockers")" "$(plain <"$A/debug/rmpopt/blockers")"
expect 'its guests' 'asid2 running 2147483648' \
    "$(cd "$A/rmpsim/guests" && echo * "$(cat asid2/state)" "$(cat asid2/memory)")"
limit 60 cp --sparse=always "$A/rmpsim/memory/image" "$work/again"
check 'its RMP is the same, but for bookkeeping' limit 60 cmp -n 67108864 \
    "$work/image" "$work/again" "$(($(value rmp_base) + 0x4000))" "$(($(value rmp_base) + 0x4000))"
expect 'a guest goes' "" "$(rmdir "$A/rmpsim/guests/asid2" 2>&1; grep -o 'asid 2' "$A/debug/rmpopt/blockers")"
unmount_host "$A"
limit 60 "$RMPFS" mount --pace 0 --rmp-image "$work/image" "${registers[@]}" --memory 2G "$A" >"$work/said" 2>&1
check 'what lies outside memory is said' grep -q 'assigned pages lie outside this machine' "$work/said"
unmount_host "$A"
printf '%s\n' 'cpus: {cores_per_package: 2}' 'memory: [{start: 0, size: 9G}]' >"$work/large.yaml"
refused 'memory that the RMP does not cover' 1 \
    'covers memory up to 8G, and this machine.s memory ends at 65G. Give --memory 8G or less' \
    "$RMPFS" mount --rmp-image "$work/image" "${registers[@]}" --memory 65G "$A"
refused 'so in a machine file' 1 'ends at 9G. Give --memory 8G or less, or such a machine file' \
    "$RMPFS" mount --rmp-image "$work/image" "${registers[@]}" --machine "$work/large.yaml" "$A"
printf '%s\n' 'cpus: {cores_per_package: 2}' 'memory: [{start: 0, size: 2G}, {start: 7G, size: 1G}]' >"$work/hole.yaml"
refused 'a guest in a hole of memory' 1 'the machine has no memory there. Give a machine file' \
    "$RMPFS" mount --rmp-image "$work/image" "${registers[@]}" --machine "$work/hole.yaml" "$A"
unmount_host "$S"
finish
