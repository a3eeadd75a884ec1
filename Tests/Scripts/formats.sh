#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Texts of the files to the byte, modes, sizes and order, on machines from 1 CPU and 1 GB to 64 TB.
# TIMEOUT: 180

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3

# What a booted machine must show, derived from published facts and not from the program:
# - The RMP (20 KB at 0x8700000, and 4 MB for each GB of memory from 0x8800000 on) is always assigned, and so are
#   firmware's pages: 2 MB and 8 KB at 4 GB, or directly above the RMP if that place is taken.
# - No region with an assigned page is optimized; every other one is on all CPUs, but none from 2 TB up.
# machine CPUS REGIONS: the last region of the RMP, and the last of firmware's pages.
machine() {
    local end=$((0x8800000 + $2 * (4 << 20))) firmware
    firmware=$((4 << 30))
    if ((end > firmware || $2 <= 4)); then firmware=$end; fi
    last_rmp=$(((end - 1) >> 30)) first_firmware=$((firmware >> 30))
    last_firmware=$(((firmware + (2 << 20) + 8191) >> 30))
    cpus=$(($1 - 1)) regions=$2
    if [ "$cpus" = 0 ]; then list=0; else list=0-$cpus; fi
}

# table: the text of rmpopt-table. One more line than there are regions: series v1 to v4 also print the end address.
table() {
    awk -v regions="$regions" -v list="$list" -v rmp="$last_rmp" -v from="$first_firmware" -v to="$last_firmware" '
        BEGIN {
            for (r = 0; r <= regions; r++) {
                none = r <= rmp || (r >= from && r <= to) || r >= 2048 || r == regions
                printf "Memory @%3dGB: CPU(s): %s\n", r, none ? "none" : list
            }
        }'
}

# cpu_file: the text of each cpuN.
cpu_file() {
    awk -v regions="$regions" -v rmp="$last_rmp" -v from="$first_firmware" -v to="$last_firmware" '
        BEGIN {
            for (r = 0; r < regions; r++) {
                checked = r <= rmp || (r >= from && r <= to)
                status = r >= 2048 ? "outside" : (checked ? "checked" : "optimized")
                printf "Memory @%3dGB: %s\n", r, status
            }
        }'
}

# others: the reports other than the table and the CPUs, newest first.
others() { printf '%s\n' series events metrics log schedule passes blockers; }

# host NAME CPUS REGIONS MEMORY: mounts a host, and checks its table and its first and last CPU.
host() {
    local cpu
    machine "$2" "$3"
    mount_host "$1" --cpus "$2" --memory "$4" --pace 0
    table >"$work/table"
    expect_file "$1: rmpopt-table" "$work/table" cat "$M/debug/rmpopt/rmpopt-table"
    expect_file "$1: rmpopt-table again" "$work/table" cat "$M/debug/rmpopt/rmpopt-table"
    cpu_file >"$work/cpu"
    for cpu in cpu0 "cpu$(($2 - 1))"; do expect_file "$1: $cpu" "$work/cpu" cat "$M/debug/rmpopt/$cpu"; done
    expect "$1: one file a CPU" "$({ seq -f 'cpu%.0f' 0 "$cpus"; echo rmpopt-table; others; } | sort)" \
        "$(find "$M/debug/rmpopt" -type f -printf '%f\n' | sort)"
    unmount_host
}

plan 86

# --- The default machine ---

mount_host default
F=$M/rmpopt D=$M/debug/rmpopt
machine 16 64
table >"$work/table"
cpu_file >"$work/cpu"
expect_file 'default: rmpopt-table' "$work/table" cat "$D/rmpopt-table"
for cpu in 0 7 15; do expect_file "default: cpu$cpu" "$work/cpu" cat "$D/cpu$cpu"; done
expect_bytes 'action' 'RMP optimization in progress: No\n' cat "$F/action"
expect_bytes 'description' '[RMPOPT]\n\necho 1 > action to perform RMP optimization.\n' cat "$F/description"
expect_bytes 'reenable' '0\n' cat "$F/reenable"
check 'clock is a number and a newline' grep -qxE '[0-9]+' "$M/rmpsim/clock"
mkdir "$M/rmpsim/guests/a" "$M/rmpsim/guests/b"
expect_bytes "a new guest's memory" '0\n' cat "$M/rmpsim/guests/a/memory"
expect_bytes "a new guest's state" 'stopped\n' cat "$M/rmpsim/guests/a/state"

listing() { ls -U "$1" | paste -sd ' '; }
expect 'order: the newest first' 'rmpsim debug rmpopt' "$(listing "$M")"
expect 'order: rmpopt' 'reenable description action' "$(listing "$F")"
expect 'order: debug/rmpopt' \
    "$({ others; printf 'cpu%d\n' {15..0}; echo rmpopt-table; } | paste -sd ' ')" "$(listing "$D")"
expect 'order: guests' 'b a' "$(listing "$M/rmpsim/guests")"
expect 'order: rmpsim' 'pace clock memory firmware cpus faults guests' "$(listing "$M/rmpsim")"
expect 'order: rmpsim/cpus' "$({ printf '%s\n' possible online; printf 'cpu%d\n' {15..0}; } | paste -sd ' ')" \
    "$(listing "$M/rmpsim/cpus")"
expect 'order: a guest' 'convert regions asid state vcpus node placement page_size memory type' \
    "$(listing "$M/rmpsim/guests/a")"

# facts PATH: mode, links, size and type.
facts() { (cd "$M" && stat -c '%a %h %s %F' "$1"); }
expect 'stat: the root' '755 5 0 directory' "$(facts .)"
expect 'stat: rmpopt' '755 2 0 directory' "$(facts rmpopt)"
expect 'stat: debug' '700 3 0 directory' "$(facts debug)"
expect 'stat: debug/rmpopt' '755 2 0 directory' "$(facts debug/rmpopt)"
expect 'stat: rmpsim' '755 7 0 directory' "$(facts rmpsim)"
expect 'stat: guests' '755 4 0 directory' "$(facts rmpsim/guests)"
expect 'stat: a guest' '755 2 0 directory' "$(facts rmpsim/guests/a)"
expect 'stat: reenable' '644 1 4096 regular file' "$(facts rmpopt/reenable)"
expect 'stat: action' '644 1 4096 regular file' "$(facts rmpopt/action)"
expect 'stat: description' '444 1 4096 regular file' "$(facts rmpopt/description)"
expect 'stat: rmpopt-table' '444 1 0 regular empty file' "$(facts debug/rmpopt/rmpopt-table)"
expect 'stat: cpu0' '444 1 0 regular empty file' "$(facts debug/rmpopt/cpu0)"
for report in $(others); do
    expect "stat: $report" '444 1 0 regular empty file' "$(facts "debug/rmpopt/$report")"
done
expect 'stat: cpus' '755 18 0 directory' "$(facts rmpsim/cpus)"
for list in online possible; do
    expect "stat: $list of all" '444 1 4096 regular file' "$(facts "rmpsim/cpus/$list")"
done
expect 'stat: online' '644 1 4096 regular file' "$(facts rmpsim/cpus/cpu15/online)"
expect 'stat: snp_enabled' '444 1 4096 regular file' "$(facts rmpsim/firmware/snp_enabled)"
expect 'stat: clock' '644 1 4096 regular file' "$(facts rmpsim/clock)"
expect 'stat: memory' '644 1 4096 regular file' "$(facts rmpsim/guests/a/memory)"
expect 'stat: state' '644 1 4096 regular file' "$(facts rmpsim/guests/a/state)"
expect 'mount table: source and type' 'rmpfs fuse.rmpfs' "$(findmnt -rno SOURCE,FSTYPE "$M")"
unmount_host

# --- Other machines ---

host '1 CPU, 1 GB' 1 1 1G
host '7 CPUs, 3 GB begun' 7 3 2050M
host '2 CPUs, 5 GB' 2 5 5G
host '1,023 CPUs, 1,100 GB' 1023 1100 1100G
host '1,024 CPUs, 2 TB' 1024 2048 2T
host '4 CPUs, 64 TB' 4 65536 64T

# --- The end line at the end of a page ---
#
# The table is made page by page: at most 4,095 bytes, whole lines. Lines of 16 CPUs below 1,000 GB have 28 bytes, so
# 146 of them make a page. At 146 GB the next page would begin with the end line, and the series' start() reports that
# there is nothing at the end: the line is lost, unless a reader's sizes put no end of a page there.

with_end() { tail -n 1 "$M/debug/rmpopt/rmpopt-table"; }
mount_host page --memory 146G
machine 16 146
table >"$work/table"
head -n 146 "$work/table" >"$work/cut"
expect_file '146 GB: cat loses the end line' "$work/cut" cat "$M/debug/rmpopt/rmpopt-table"
expect_file '146 GB: so does a reader of 4,096 bytes' "$work/cut" \
    dd if="$M/debug/rmpopt/rmpopt-table" bs=4096 status=none
expect_file '146 GB: a reader of 2,000 bytes gets it' "$work/table" \
    dd if="$M/debug/rmpopt/rmpopt-table" bs=2000 status=none
expect_file '146 GB: a reader of single bytes does not' "$work/cut" \
    dd if="$M/debug/rmpopt/rmpopt-table" bs=1 status=none
unmount_host
for size in 145 147; do
    mount_host "page$size" --memory "${size}G"
    expect "$size GB: cat shows it" "Memory @${size}GB: CPU(s): none" "$(with_end)"
    unmount_host
done

# The same far above 2 TB, where lines are longer: the first size from 9,000 GB up at which a page ends there.
far=$(awk 'BEGIN {
    for (r = 0; ; r++) {
        line = length(sprintf("Memory @%3dGB: CPU(s): none\n", r))
        if (page + line >= 4096) {
            page = 0
            if (r >= 9000) { print r; exit }
        }
        page += line
    }
}')
machine 16 "$far"
mount_host far --memory "${far}G"
table | head -n "$far" >"$work/cut"
for turn in first second; do
    expect_file "$far GB: cat loses the end line ($turn)" "$work/cut" cat "$M/debug/rmpopt/rmpopt-table"
done
unmount_host
mount_host farther --memory "$((far + 1))G"
expect "$((far + 1)) GB: cat shows it" "Memory @$((far + 1))GB: CPU(s): none" "$(with_end)"
unmount_host

# A large read returns one page of whole lines, however much was requested: readers must loop.
mount_host loop --cpus 1024 --memory 2T
first_read() { python3 -c 'import os, sys; print(len(os.read(os.open(sys.argv[1], os.O_RDONLY), 1 << 17)))' "$1"; }
machine 1024 2048
expect 'a large read of the table ends at the last whole line below a page' \
    "$(table | awk '{ n += length($0) + 1; if (n >= 4096) exit; whole = n } END { print whole }')" \
    "$(first_read "$M/debug/rmpopt/rmpopt-table")"
expect 'a large read of a CPU returns all of it' "$(cpu_file | wc -c)" "$(first_read "$M/debug/rmpopt/cpu0")"
finish
